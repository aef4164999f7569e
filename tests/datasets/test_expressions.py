import pytest

from fercli.common.errors import OptionError
from fercli.datasets.expressions import (
    EXPRESSIONS,
    ImportOptions,
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
    assert scheme.classes == ("bad", "joy", "masked")
    assert [scheme.class_of(label) for label in ("disgust", "angry", "happy", "fear")] == [
        "bad", "bad", "joy", None,
    ]  # fmt: skip
    # Of a folder or table of one's own, words are what they are.
    assert scheme.class_of("happy", synonyms=False) is None
    assert scheme.class_of("masked", synonyms=False) == "masked"


@pytest.mark.parametrize(
    ("classes", "word", "label"),
    [
        # The case class_names: names that are words for expressions stay what they are.
        ("calm,smile,shock", "smile", "smile"),
        ("normal,drowsy", "normal", "normal"),
        ("an,co,ha,sa", "ha", "ha"),
        ("calm,smile", "Smile", "smile"),
        ("mu\u0308de,wach", "m\u00fcde", "mu\u0308de"),
        # An expression that is none of the classes is left out under its own name.
        ("calm,smile", "joy", "joy"),
        ("calm,smile", "happy", "happy"),
        ("calm,smile", "wink", None),
        # Where all classes are expressions, synonyms mean them; codes of JAFFE never.
        ("happy,sad", "joy", "happy"),
        (None, "joy", "happy"),
        ("7", "anger", "angry"),
        (None, "an", None),
        ("8", "su", None),
    ],
)
def test_words_of_a_source_of_ones_own(classes, word, label):
    options = ImportOptions(scheme=parse_classes(classes))
    assert options.label_of(word) == label


@pytest.mark.parametrize(
    ("classes", "target", "label"),
    [("calm,smile", "smile", "smile"), ("happy,sad", "smile", "happy"), (None, "", "")],
)
def test_targets_of_map_are_classes_as_they_stand(classes, target, label):
    options = ImportOptions(scheme=parse_classes(classes), renames=parse_renames([f"x={target}"]))
    assert options.label_of("X") == label


@pytest.mark.parametrize(
    "text",
    ["", "happy", "happy,happy", "Happy,happy", "a=sad,b=sad", "a=,b", "=sad,b", "../up,b", ".h,b"],
)
def test_classes_that_make_no_sense(text):
    with pytest.raises(OptionError):
        parse_classes(text)


def test_renames():
    assert parse_renames(["Smirk=contempt", "blurred="]) == {"smirk": "contempt", "blurred": ""}
    with pytest.raises(OptionError, match="WORD=LABEL"):
        parse_renames(["smirk"])
