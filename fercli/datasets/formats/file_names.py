"""Data sets whose labels are in their file names: RaFD, JAFFE, KDEF."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fercli.common.errors import InputError
from fercli.common.files import list_folder
from fercli.datasets.entries import DatasetFormat, Dropped, Entry, ReadOptions
from fercli.datasets.expressions import CODES, expression_of


@dataclass(frozen=True)
class NameCode:
    """The file names of a data set that hold its labels.

    Parameters
    ----------
    pattern : re.Pattern
        Matches a whole name; its groups ``expression``, ``subject`` and perhaps ``angle``.
    frontal : str
        The value of ``angle`` of faces seen from the front.
    subject_of : callable
        From the match to the person. Defaults to the group ``subject``.
    example : str
        A name, for errors.
    """

    pattern: re.Pattern[str]
    example: str
    frontal: str = ""
    subject_of: Callable[[re.Match[str]], str] = lambda match: match["subject"]

    def entries(self, path: Path, options: ReadOptions) -> Iterator[Entry | Dropped]:
        """Yield the images below `path` whose names have this code.

        Raises
        ------
        InputError
            No name has.
        """
        matched = False
        files = list_folder(path)
        for file in files.found:
            match = self.pattern.fullmatch(file.name)
            origin = file.relative_to(path).as_posix()
            matched |= match is not None
            yield (
                self._entry(file, match, origin, options)
                if match
                else Dropped(origin, "its name has another form")
            )
        for file in files.skipped:
            yield Dropped(file.relative_to(path).as_posix(), "not an image by its suffix")
        if not matched:
            raise InputError(f"No image has a name such as {self.example}", path=path)

    def recognizes(self, path: Path) -> bool:
        """Whether one of the first files below `path` has such a name."""
        if not path.is_dir():
            return False
        files = (file.name for _, file in zip(range(200), path.rglob("*.*"), strict=False))
        return any(self.pattern.fullmatch(name) for name in files)

    def _entry(
        self, file: Path, match: re.Match[str], origin: str, options: ReadOptions
    ) -> Entry | Dropped:
        groups: Mapping[str, str] = match.groupdict()
        if self.frontal and groups["angle"] != self.frontal and not options.all_angles:
            return Dropped(origin, "not seen from the front")
        code = groups["expression"].lower()
        label = CODES.get(code) or expression_of(code) or code
        return Entry(file.stem, file, origin, label, subject=self.subject_of(match))


def _format(name: str, title: str, code: NameCode, counts: Mapping[str, int]) -> DatasetFormat:
    return DatasetFormat(name, title, code.entries, code.recognizes, {"all": counts})


#: Langner, Dotsch, Bijlstra, Wigboldus, Hawk and van Knippenberg, "Presentation and validation of
#: the Radboud Faces Database", Cognition & Emotion 2010. 67 people, 3 gazes, 5 angles.
RAFD = _format(
    "rafd",
    "RaFD: Rafd090_01_Caucasian_female_angry_frontal.jpg; frontal unless --all-angles",
    NameCode(
        re.compile(
            r"Rafd(?P<angle>\d{3})_(?P<subject>\d+)_(?P<group>[A-Za-z]+)_(?P<gender>[a-z]+)_"
            r"(?P<expression>angry|contemptuous|disgusted|fearful|happy|neutral|sad|surprised)_"
            r"(?P<gaze>frontal|left|right)\.(jpg|png)",
            re.IGNORECASE,
        ),
        "Rafd090_01_Caucasian_female_angry_frontal.jpg",
        frontal="090",
    ),
    dict.fromkeys(
        ("angry", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise"), 67 * 3
    ),
)

#: Lyons, Akamatsu, Kamachi and Gyoba, "Coding facial expressions with Gabor wavelets", FG 1998.
#: Ten people, 213 images.
JAFFE = _format(
    "jaffe",
    "JAFFE: KA.AN1.39.tiff",
    NameCode(
        re.compile(
            r"(?P<subject>[A-Z]{2})\.(?P<expression>AN|DI|FE|HA|NE|SA|SU)\d\.\d+"
            r"\.(tiff?|png|jpe?g|bmp)",
            re.IGNORECASE,
        ),
        "KA.AN1.39.tiff",
    ),
    {"angry": 30, "disgust": 29, "fear": 32, "happy": 31, "neutral": 30, "sad": 31, "surprise": 30},
)

#: Lundqvist, Flykt and Öhman, "The Karolinska Directed Emotional Faces", 1998. 70 people, two
#: sessions (A, B), 5 angles.
KDEF = _format(
    "kdef",
    "KDEF: AF01ANS.JPG; frontal (S) unless --all-angles",
    NameCode(
        re.compile(
            r"(?P<session>[AB])(?P<gender>[FM])(?P<number>\d{2})"
            r"(?P<expression>AF|AN|DI|HA|NE|SA|SU)(?P<angle>S|FL|FR|HL|HR)\.(jpg|png)",
            re.IGNORECASE,
        ),
        "AF01ANS.JPG",
        frontal="S",
        subject_of=lambda match: (match["gender"] + match["number"]).upper(),
    ),
    dict.fromkeys(("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"), 70 * 2),
)
