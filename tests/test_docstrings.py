"""What the public docstrings must say."""

import ast
import re
from pathlib import Path

import pytest

import fercli
from fercli.common import errors

PACKAGE = Path(fercli.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

#: The same wherever they stand; told in `fercli.common.parallel` and `fercli.common.progress`.
EVERYWHERE = {"self", "cls", "workers", "progress", "tools"}

ERRORS = {name for name, item in vars(errors).items() if isinstance(item, type)}


def public(node):
    """Yield the public classes and functions of a module or class, its own methods included."""
    for item in ast.iter_child_nodes(node):
        if isinstance(item, ast.FunctionDef | ast.ClassDef) and not item.name.startswith("_"):
            yield item
            if isinstance(item, ast.ClassDef):
                yield from public(item)


def parameters(function):
    return {arg.arg for arg in [*function.args.args, *function.args.kwonlyargs]} - EVERYWHERE


def listed(text):
    """Return the names that a section "Parameters" gives; None if there is none."""
    _, found, section = text.partition("Parameters\n----------\n")
    if not found:
        return None
    section = re.split(r"\n\w+\n-+\n", section)[0]
    lines = re.findall(r"^(\w[\w, ]*?)(?: : .*)?$", section, re.MULTILINE)
    return {name for line in lines for name in line.split(", ")}


def raised(function):
    """Return the named errors that a function's own body raises."""
    calls = (node.exc for node in ast.walk(function) if isinstance(node, ast.Raise))
    names = {ast.unparse(call).partition("(")[0] for call in calls if call is not None}
    return names & ERRORS


def faults(item):
    text = ast.get_docstring(item)
    if not text:
        return ["has no docstring"]
    if isinstance(item, ast.ClassDef):
        return []
    named = listed(text)
    missing = set() if named is None or " as `" in text else parameters(item) - named
    missing = {name for name in missing if f"`{name}`" not in text}
    unsaid = {name for name in raised(item) if name not in text and "rrors as" not in text}
    return [
        *(f"does not list its parameter {name}" for name in sorted(missing)),
        *(f"raises {name} and does not say so" for name in sorted(unsaid)),
    ]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_says_what_it_takes_and_raises(path):
    module = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(module)
    found = [
        f"{path.name}:{item.lineno} {item.name} {fault}"
        for item in public(module)
        if not ("commands" in path.parts and isinstance(item, ast.ClassDef))
        for fault in faults(item)
    ]
    assert not found


def test_finds_what_is_missing():
    code = '''
def told(a, b):
    """Do.

    Parameters
    ----------
    a : int
        One.

    Raises
    ------
    OptionError
        Never.
    """
    raise OptionError("no")

def untold(a):
    """Do."""
    raise OptionError("no")

def bare():
    pass
'''
    assert [faults(item) for item in public(ast.parse(code))] == [
        ["does not list its parameter b"],
        ["raises OptionError and does not say so"],
        ["has no docstring"],
    ]


def test_a_public_class_name_occurs_once():
    found: dict[str, list[str]] = {}
    for path in MODULES:
        for item in ast.parse(path.read_text("utf-8")).body:
            if isinstance(item, ast.ClassDef) and not item.name.startswith("_"):
                found.setdefault(item.name, []).append(path.name)
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}
