"""Labels of sources, or votes of people, to classes of a tree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fercli.common.errors import OptionError
from fercli.datasets.entries import VOTED, ReadOptions
from fercli.datasets.expressions import CODES, ClassScheme, expression_of
from fercli.datasets.options import ReadingOptions


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

    def reading(self) -> ReadOptions:
        """Return the options of format readers."""
        return ReadOptions(self.votes, self.all_angles, self.peak_frames, self.label_of)

    def label_of(self, word: str) -> str | None:
        """Return the label that a word of a source means; see `ReadOptions.label_of`.

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
        words = {_meaning(word): meaning for word, meaning in self.renames.items()}
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
        of_votes = [word for word in self.renames if _meaning(word) in VOTED]
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


def _meaning(word: str) -> str:
    """Return the expression that a word or a code such as ``di`` means, or the word itself."""
    return expression_of(word) or CODES.get(word, word)
