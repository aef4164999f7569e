"""Samples: images of the object at the size of the training window, kept in a ``.vec`` file."""

from fercli.cascade.samples.viewing import contact_sheet as contact_sheet
