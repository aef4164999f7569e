"""Checking: what is wrong with an info file or a background list, record by record."""

from fercli.cascade.checking.lists import Kind as Kind
from fercli.cascade.checking.lists import check_list as check_list
from fercli.cascade.checking.problems import CheckReport as CheckReport
from fercli.cascade.checking.problems import Problem as Problem
