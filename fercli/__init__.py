"""fer: train Haar-cascade detectors and facial-expression networks, and run them."""

__version__ = "0.1.0"
