"""The words for expressions, which classes a tree has, and the class that a label or votes give.

The eight expressions are Ekman's six, contempt, and the neutral face.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fercli.common.errors import OptionError
from fercli.datasets.options import ReadingOptions

#: The expressions, in the order of the alphabet, which is the order of folders and so of Keras.
EXPRESSIONS = ("angry", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise")

#: What people may vote for: the expressions, and that there is none, or no face.
VOTED = (*EXPRESSIONS, "unknown", "not-a-face")

SYNONYMS = {
    "angry": ("anger",),
    "contempt": ("contemptuous",),
    "disgust": ("disgusted",),
    "fear": ("fearful", "afraid", "scared"),
    "happy": ("happiness", "joy", "smile"),
    "neutral": ("neutrality", "normal"),
    "sad": ("sadness",),
    "surprise": ("surprised",),
}
#: The codes of JAFFE and KDEF, which mean nothing elsewhere.
CODES = {
    "an": "angry", "di": "disgust", "fe": "fear", "af": "fear", "ha": "happy", "ne": "neutral",
    "sa": "sad", "su": "surprise",
}  # fmt: skip
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


def fold_name(name: str) -> str:
    """Return a name without its case and in one encoding of accents, for comparison."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


@dataclass(frozen=True)
class ClassScheme:
    """The classes of a tree, and the labels that each of them takes.

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

    @property
    def of_expressions(self) -> bool:
        """Whether all labels are names of expressions, whose synonyms then mean the same."""
        return all(label in EXPRESSIONS for labels in self.members.values() for label in labels)

    def class_of(self, label: str, *, synonyms: bool = True) -> str | None:
        """Return the class that `label` is counted as, or None if it is left out.

        With `synonyms`, an expression is also counted as the class that has another word for it,
        such as ``smile``.
        """
        for name, labels in self.members.items():
            if label in labels:
                return name
        for name, labels in self.members.items() if synonyms else ():
            if _meaning(label) in map(_meaning, labels):
                return name
        return None

    def literal(self, word: str) -> str | None:
        """Return the label that `word` is but for case and the encoding of accents, or None."""
        labels = [label for labels in self.members.values() for label in labels]
        if word in labels:
            return word
        return next((label for label in labels if fold_name(label) == fold_name(word)), None)

    def with_labels(self, labels: Iterable[str]) -> ClassScheme:
        """Return the scheme with labels that are classes of their own, unless it is fixed."""
        if self.fixed:
            return self
        return ClassScheme({**self.members, **{name: (name,) for name in labels}}, fixed=False)


def _meaning(label: str) -> str:
    return expression_of(label) or label


def parse_classes(text: str | None) -> ClassScheme:
    """Return the scheme that ``--classes`` describes. Names are taken as they are given.

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
        renames[word.strip().lower()] = label.strip()
    return renames


def sorted_classes(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names once each, in the order of the alphabet."""
    return tuple(sorted(set(names)))


def _parse_class(part: str) -> tuple[str, tuple[str, ...]]:
    name, sign, labels = part.partition("=")
    name = name.strip()
    members = [label.strip() for label in labels.split("+")] if sign else [name]
    if not all([name, *members]) or any(sign in name for sign in "/\\") or name.startswith("."):
        raise OptionError(
            f"`classes`: expected names such as happy,sad or rest=sad+fear, got {part!r}",
            hint="use 5, 7, 8, or names with commas between them",
        )
    return name, tuple(members)


def _refuse_repeated(names: Sequence[str], text: str) -> None:
    """Raise `OptionError` for names that are equal, also where case makes no difference."""
    counts = Counter(map(fold_name, names))
    repeated = [name for name in names if counts[fold_name(name)] > 1]
    if repeated:
        raise OptionError(f"`classes`: {repeated[0]} occurs twice in {text}")


# Labels of sources, or votes of people, to classes of a tree.


@dataclass(frozen=True)
class ImportOptions(ReadingOptions):
    """The options of an import.

    Parameters
    ----------
    scheme : ClassScheme
        The classes of the tree.
    renames : mapping
        What words of the sources mean, beside the synonyms that fer knows; ``""``: left out.
    """

    scheme: ClassScheme
    renames: Mapping[str, str] = field(default_factory=dict)

    @property
    def as_published(self) -> bool:
        """Whether what is read can be compared with published counts."""
        return not self.all_angles and self.peak_frames == 3

    def label_of(self, word: str) -> str | None:
        """Return the label that a word means; see `fercli.datasets.entries.ReadOptions`.

        It is that of ``--map``, or a label of the classes as it stands; else an expression, or one
        of its synonyms where the classes are expressions.
        """
        renamed = self.renames.get(word.strip().lower())
        if renamed is not None:
            return self._target(renamed)
        literal = self.scheme.literal(word.strip())
        expression = expression_of(word)
        if literal is None and expression and not self.scheme.of_expressions:
            return word.strip()  # none of the classes: left out under its own name
        return literal or expression

    def renamed(self, label: str) -> str:
        """Return what `renames` make of a label that a source gives by number or by code.

        The label's own name comes first, then its synonyms: ``di`` is a word for ``disgust``.
        """
        words = {_meaning_of_code(word): meaning for word, meaning in self.renames.items()}
        renamed = self.renames.get(label.lower(), words.get(label))
        return label if renamed is None else self._target(renamed)

    def _target(self, label: str) -> str:
        """Return a label of ``--map`` as the classes have it; ``""`` stays."""
        return self.scheme.literal(label) or expression_of(label) or label

    def require_renamable(self, voted: Sequence[bool]) -> None:
        """Raise `OptionError` if `renames` would change labels that votes decide.

        Parameters
        ----------
        voted : sequence of bool
            For each source whether people's votes decide on its labels.
        """
        of_votes = [word for word in self.renames if _meaning_of_code(word) in VOTED]
        if any(voted) and self.renames and (all(voted) or of_votes):
            word = (of_votes or list(self.renames))[0]
            raise OptionError(
                f"`renames`: {word}={self.renames[word]} cannot change the votes of FER+",
                hint="use `classes`, such as angry=angry+disgust,happy,neutral, for what votes "
                "count as, or import each source alone",
            )


def decide_by_votes(
    votes: Sequence[int], options: ImportOptions
) -> tuple[str | None, tuple[int, ...], str]:
    """Return the class that people's votes give an image, the votes a class, or why none.

    Slips are removed first, then the votes of labels that make up one class are added. The share
    is of all that is left, "unknown" and "not a face" included.

    Parameters
    ----------
    votes : sequence of int
        For each of `VOTED`.
    options : ImportOptions
        The scheme of classes, and how sure people must have been.

    Returns
    -------
    class : str or None
        None if the image is to be left out.
    votes : tuple of int
        For each class of the scheme, in its order.
    reason : str
        Why it is left out.
    """
    counted = {
        label: count
        for label, count in zip(VOTED, votes, strict=True)
        if count >= options.least_votes
    }
    tally: Counter[str] = Counter()
    for label, count in counted.items():
        tally[options.scheme.class_of(label) or f"-{label}"] += count
    if not tally:
        return None, (), "no votes that count"
    (leader, most), *others = tally.most_common(2)
    if most <= options.agreement * tally.total() or (others and others[0][1] == most):
        return None, (), "no agreement"
    if leader.startswith("-"):
        return None, (), f"voted {leader[1:]}"
    return leader, tuple(tally[name] for name in options.scheme.classes), ""


def _meaning_of_code(word: str) -> str:
    """Return the expression that a word or a code such as ``di`` means, or the word itself."""
    return expression_of(word) or CODES.get(word, word)
