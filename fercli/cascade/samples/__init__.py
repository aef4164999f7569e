"""Samples: pictures of the object at the size of the training window, kept in a ``.vec`` file."""

from fercli.cascade.samples.contact_sheet import contact_sheet as contact_sheet
