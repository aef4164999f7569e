"""From folders of images to the lists that a training reads (fer cascade build-info)."""
