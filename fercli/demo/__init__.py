"""Images to try fer with, made from photographs that scikit-image's package carries."""
