"""The words for expressions: one name for each, its synonyms, and which classes a tree has.

The eight expressions are Ekman's six, contempt, and the neutral face.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fercli.common.errors import OptionError

#: The expressions, in the order of the alphabet, which is the order of folders and so of Keras.
EXPRESSIONS = ("angry", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise")

SYNONYMS = {
    "angry": ("anger", "an"),
    "contempt": ("contemptuous", "co"),
    "disgust": ("disgusted", "di"),
    "fear": ("fearful", "afraid", "scared", "fe", "af"),
    "happy": ("happiness", "joy", "smile", "ha"),
    "neutral": ("neutrality", "normal", "ne"),
    "sad": ("sadness", "sa"),
    "surprise": ("surprised", "su"),
}
_NAMES = {word: name for name, words in SYNONYMS.items() for word in (name, *words)}

#: What ``--classes 5``, ``7`` and ``8`` mean. Seven: without contempt, as in FER-2013. Five:
#: disgust is counted as angry, for it is rare and its voters' second choice is anger; fear and
#: contempt are left out, for their voters are divided over surprise, sad and neutral.
SCHEMES = {
    "5": "angry=angry+disgust,happy,neutral,sad,surprise",
    "7": "angry,disgust,fear,happy,neutral,sad,surprise",
    "8": ",".join(EXPRESSIONS),
}


def expression_of(word: str) -> str | None:
    """Return the expression that `word` names (any case), or None."""
    return _NAMES.get(word.strip().lower())


@dataclass(frozen=True)
class ClassScheme:
    """Which classes a tree has and which label goes into which.

    Parameters
    ----------
    members : mapping of str to tuple of str
        For each class the labels that are counted as it; a label belongs to one class at most.
    fixed : bool
        Whether the tree has these classes and no others. If False, only those that occur.
    """

    members: Mapping[str, tuple[str, ...]]
    fixed: bool = True

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of the alphabet."""
        return tuple(sorted(self.members))

    def class_of(self, label: str) -> str | None:
        """Return the class that `label` is counted as, or None if it is left out."""
        return next((name for name, labels in self.members.items() if label in labels), None)

    def knows(self, label: str) -> bool:
        """Whether `label` is an expression or a label of one of the classes."""
        return label in EXPRESSIONS or self.class_of(label) is not None


def parse_classes(text: str | None) -> ClassScheme:
    """Return the scheme that ``--classes`` describes.

    Parameters
    ----------
    text : str, optional
        ``"5"``, ``"7"`` or ``"8"`` (see `SCHEMES`), or classes with commas between them, each
        ``NAME`` or ``NAME=LABEL+LABEL``. Defaults to None: the expressions that occur.

    Raises
    ------
    OptionError
        A class or a label is empty or named twice.
    """
    if text is None:
        return ClassScheme({name: (name,) for name in EXPRESSIONS}, fixed=False)
    pairs = [_parse_class(part) for part in SCHEMES.get(text.strip(), text).split(",")]
    _refuse_repeated([name for name, _ in pairs], text)
    _refuse_repeated([label for _, labels in pairs for label in labels], text)
    if len(pairs) < 2:
        raise OptionError(f"`classes`: expected 5, 7, 8 or at least two names, got {text}")
    return ClassScheme(dict(pairs))


def parse_renames(texts: Iterable[str]) -> dict[str, str]:
    """Return what ``--map WORD=LABEL`` says: labels by lower-case word; ``""``: left out.

    Raises `OptionError` for what has no such form.
    """
    renames = {}
    for text in texts:
        word, sign, label = text.partition("=")
        if not sign or not word.strip():
            raise OptionError(f"`renames`: expected WORD=LABEL, got {text!r}")
        renames[word.strip().lower()] = expression_of(label) or label.strip()
    return renames


def sorted_classes(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names once each, in the order of the alphabet."""
    return tuple(sorted(set(names)))


def _parse_class(part: str) -> tuple[str, tuple[str, ...]]:
    name, sign, labels = part.partition("=")
    name = expression_of(name) or name.strip()
    members = [label.strip() for label in labels.split("+")] if sign else [name]
    if not all([name, *members]) or any(sign in name for sign in "/\\") or name.startswith("."):
        raise OptionError(
            f"`classes`: expected names such as happy,sad or rest=sad+fear, got {part!r}",
            hint="use 5, 7, 8, or names with commas between them",
        )
    return name, tuple(expression_of(label) or label for label in members)


def _refuse_repeated(names: Sequence[str], text: str) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise OptionError(f"`classes`: {repeated[0]} occurs twice in {text}")
