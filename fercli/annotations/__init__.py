"""Annotations: where the objects are in images. One module a format."""

from fercli.annotations.base import AnnotatedImage as AnnotatedImage
from fercli.annotations.formats import FORMATS as FORMATS
from fercli.annotations.formats import read_annotations as read_annotations
