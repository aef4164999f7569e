"""Annotations: where the objects are in pictures. One module a format."""

from fercli.annotations.base import AnnotatedPicture as AnnotatedPicture
from fercli.annotations.base import Box as Box
from fercli.annotations.formats import FORMATS as FORMATS
from fercli.annotations.formats import read_annotations as read_annotations
