"""Samples: images of the object at the size of the training window, kept in a ``.vec`` file."""
