"""The progress file: what the formats of boxes have no place for.

Beside ``info.dat`` lies ``info.dat.progress.json``: which pictures were left with unfinished boxes,
and how large pictures are. The boxes themselves are in the file that it is named after, and there
alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from fercli.common.errors import InputError
from fercli.common.files import read_text, write_text
from fercli.json_text import parse_json


@dataclass
class ProgressFile:
    """What is in a progress file; pictures by their name in the folder.

    Parameters
    ----------
    path : Path
    begun : set of str
        Pictures whose boxes are not all drawn.
    sizes_wh : dict of str to (int, int)
        Sizes of pictures that were opened.
    known : bool
        Whether there was such a file: the boxes beside it are then fer's own.
    """

    path: Path
    begun: set[str] = field(default_factory=set)
    sizes_wh: dict[str, tuple[int, int]] = field(default_factory=dict)
    known: bool = False

    def write(self) -> None:
        """Write the file, whole or not at all."""
        content = {"begun": sorted(self.begun), "sizes": self.sizes_wh}
        write_text(self.path, json.dumps(content) + "\n", overwrite=True)
        self.known = True


def progress_of(out: Path) -> ProgressFile:
    """Return the progress beside an output; an empty one if there is none.

    Raises
    ------
    InputError
        The file is not one of fer's.
    """
    path = out.with_name(f"{out.name}.progress.json")
    if not path.exists():
        return ProgressFile(path)
    try:
        content = parse_json(read_text(path))
        begun = {str(name) for name in content["begun"]}
        sizes = {str(name): (int(w), int(h)) for name, (w, h) in content["sizes"].items()}
    except (ValueError, TypeError, KeyError, ArithmeticError, AttributeError) as error:
        raise InputError(
            "wanted the progress of an annotation, found something else",
            hint="remove it: it holds only which pictures are unfinished",
            path=path,
        ) from error
    return ProgressFile(path, begun, sizes, known=True)
