"""Errors: what one image raises is that image's alone."""

from pathlib import Path

import pytest

from fercli.common.errors import (
    AnnotationError,
    ImageError,
    OptionError,
    OutputError,
    image_errors,
)

PATH = Path("a.png")


@pytest.mark.parametrize(
    ("raised", "text"),
    [
        (ZeroDivisionError("a\n b"), "Cannot be processed: ZeroDivisionError: a b"),
        (MemoryError(), "Cannot be processed: MemoryError: no reason given"),
        (OptionError("24x24 and 23x427"), "24x24 and 23x427"),
        (ImageError("is empty"), "is empty"),
    ],
)
def test_whatever_one_image_raises_names_that_image(raised, text):
    with pytest.raises(ImageError) as caught, image_errors(PATH):
        raise raised
    assert caught.value.path == PATH
    assert text in str(caught.value)


@pytest.mark.parametrize("raised", [OutputError("disk full"), AnnotationError("x"), SystemExit(1)])
def test_what_is_not_the_fault_of_the_image_passes(raised):
    with pytest.raises(type(raised)) as caught, image_errors(PATH):
        raise raised
    assert caught.value is raised
