"""The errors that fer names.

Every error that a user can cause or meet is a `FerError`: it says what was expected, what was
found and where, and what to do. The command line prints it on one line and ends with status 1.
Anything else that escapes is a bug. A message names an option by the field or parameter of the
library, in backticks (`size_wh`); the command line shows it as the option (--size).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Self

_MADE = threading.local()


def errors_made() -> int:
    """Return how many errors of fer this thread has made, raised or not.

    A result during which one was made may say of an image that it is bad because this machine
    cannot read it: see `fercli.common.cluster`.
    """
    return getattr(_MADE, "count", 0)


def last_error() -> str:
    """Return the text of the last of them."""
    return str(getattr(_MADE, "last", ""))


class FerError(Exception):
    """Base of all errors that fer names.

    Parameters
    ----------
    message : str
        What was expected and what was found, without a full stop.
    hint : str, optional
        What to do, as an imperative clause that can follow "try:".
    path : path-like, optional
        The file that the error is about.
    line : int, optional
        The line (or record) in `path`, counted from 1.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        path: str | PathLike[str] | None = None,
        line: int | None = None,
    ) -> None:
        super().__init__(message, hint, path, line)
        self.message = message
        self.hint = hint
        self.path = None if path is None else Path(path)
        self.line = line
        _MADE.count = errors_made() + 1
        _MADE.last = f"{path}: {message}" if path else message

    def reworded(self, reword: Callable[[str], str]) -> Self:
        """Return the same error with its message and hint passed through a function."""
        hint = None if self.hint is None else reword(self.hint)
        return type(self)(reword(self.message), hint=hint, path=self.path, line=self.line)

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the way back from a worker process, keywords included."""
        return _rebuild, (type(self), self.message, self.hint, self.path, self.line)

    def __str__(self) -> str:
        where = "" if self.path is None else str(self.path)
        if self.line is not None:
            where += f":{self.line}"
        text = f"{where}: {self.message}" if where else self.message
        return f"{text}; try: {self.hint}" if self.hint else text


def _rebuild(
    kind: type[FerError], message: str, hint: str | None, path: Path | None, line: int | None
) -> FerError:
    return kind(message, hint=hint, path=path, line=line)


class InputError(FerError):
    """Raised when something that was given to fer cannot be used."""


class OptionError(InputError):
    """Raised when options contradict each other or are out of range for the data at hand."""


class ImageError(InputError):
    """Raised when an image is missing, is not an image, is truncated or is too large."""


class VideoError(InputError):
    """Raised when a video, a camera or a stream cannot be opened, or gives no images."""


class AnnotationError(InputError):
    """Raised when a file of boxes or a list of backgrounds is malformed."""


class VecError(InputError):
    """Raised when a ``.vec`` file of samples is malformed or does not fit the window."""


class CascadeFileError(InputError):
    """Raised when a file is not a cascade that a detector can load."""


class RecipeError(InputError):
    """Raised when a recipe cannot be read or holds an unknown or wrong option."""


class OutputError(FerError):
    """Raised when a result cannot be written."""


class OutputExistsError(OutputError):
    """Raised when a result is already there and may not be overwritten."""


class DependencyError(FerError):
    """Raised when a library or program that is needed is missing or does not work."""


class ProgramError(FerError):
    """Raised when one of OpenCV's programs fails."""


class TrainingError(FerError):
    """Raised when a training cannot start, go on or end with a usable result."""


@contextmanager
def image_errors(path: Path | None) -> Iterator[None]:
    """Raise whatever goes wrong with one image as an `ImageError` that names it.

    A command that goes over many images counts and names those that raise `ImageError`, and goes
    on: no single image, and no bug that only one image shows, ends the run. What is not the
    image's fault (a full disk, a missing library, its annotation) passes as it is.

    Parameters
    ----------
    path : Path, optional
        The image.
    """
    try:
        yield
    except (OutputError, DependencyError, AnnotationError):
        raise
    except ImageError as error:
        if error.path is not None or path is None:
            raise
        raise ImageError(error.message, hint=error.hint, path=path) from error
    except FerError as error:
        raise ImageError(error.message, path=error.path or path, line=error.line) from error
    except Exception as error:
        reason = " ".join(str(error).split()) or "no reason given"
        raise ImageError(
            f"Cannot be processed: {type(error).__name__}: {reason}", path=path
        ) from error
