"""Annotating: pictures looked at by a person, their boxes kept in files that others read."""

from fercli.cascade.annotating.outputs import BoxOutput as BoxOutput
from fercli.cascade.annotating.review import ReviewOutput as ReviewOutput
from fercli.cascade.annotating.store import ConflictError as ConflictError
from fercli.cascade.annotating.store import Store as Store
from fercli.cascade.annotating.store import open_store as open_store
from fercli.cascade.annotating.work import Work as Work
