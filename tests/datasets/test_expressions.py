import pytest

from fercli.common.errors import OptionError
from fercli.datasets.expressions import (
    EXPRESSIONS,
    expression_of,
    parse_classes,
    parse_renames,
)


@pytest.mark.parametrize(
    ("word", "expression"),
    [("Happiness", "happy"), (" ANGER", "angry"), ("surprised", "surprise"), ("blurred", None)],
)
def test_words_for_expressions(word, expression):
    assert expression_of(word) == expression


def test_each_scheme():
    assert parse_classes(None).classes == EXPRESSIONS
    assert not parse_classes(None).fixed
    assert parse_classes("8").classes == EXPRESSIONS
    assert parse_classes("7").class_of("contempt") is None
    five = parse_classes("5")
    assert five.classes == ("angry", "happy", "neutral", "sad", "surprise")
    assert [five.class_of(name) for name in ("disgust", "fear", "contempt")] == [
        "angry",
        None,
        None,
    ]


def test_own_classes_and_merging():
    scheme = parse_classes("joy, bad=anger+sadness+disgust,masked")
    assert scheme.classes == ("bad", "happy", "masked")
    assert scheme.class_of("disgust") == "bad"
    assert scheme.knows("masked")
    assert not scheme.knows("bare")


@pytest.mark.parametrize(
    "text", ["", "happy", "happy,happy", "a=sad,b=sad", "a=,b", "=sad,b", "../up,b", ".hidden,b"]
)
def test_classes_that_make_no_sense(text):
    with pytest.raises(OptionError):
        parse_classes(text)


def test_renames():
    assert parse_renames(["Smirk=contempt", "blurred="]) == {"smirk": "contempt", "blurred": ""}
    with pytest.raises(OptionError, match="WORD=LABEL"):
        parse_renames(["smirk"])
