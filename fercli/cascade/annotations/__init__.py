"""Annotations: where the objects are in pictures. One module a format."""

from fercli.cascade.annotations.base import AnnotatedPicture as AnnotatedPicture
from fercli.cascade.annotations.base import Box as Box
from fercli.cascade.annotations.formats import FORMATS as FORMATS
from fercli.cascade.annotations.formats import read_annotations as read_annotations
