"""Checking: what is wrong with an info file or a background list, record by record."""

from fercli.annotations.validate.lists import Kind as Kind
from fercli.annotations.validate.lists import check_list as check_list
from fercli.annotations.validate.problems import CheckReport as CheckReport
from fercli.annotations.validate.problems import Problem as Problem
