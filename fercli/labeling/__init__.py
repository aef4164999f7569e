"""Annotating: images looked at by a person, their boxes kept in files that others read."""

from fercli.labeling.box_output import BoxOutput as BoxOutput
from fercli.labeling.review import ReviewOutput as ReviewOutput
from fercli.labeling.store import AnnotationStore as AnnotationStore
from fercli.labeling.store import ConflictError as ConflictError
from fercli.labeling.store import ImageAnnotation as ImageAnnotation
from fercli.labeling.store import open_store as open_store
