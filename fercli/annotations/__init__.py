"""Annotations: where the objects are in images. One module a format."""
