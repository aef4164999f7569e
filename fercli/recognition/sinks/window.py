"""A window on the screen that shows images."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress

import cv2

from fercli.common.errors import DependencyError
from fercli.common.images import ImageArray
from fercli.environment import has_screen

#: Keys that close the window: q, Q, Escape.
QUIT = (ord("q"), ord("Q"), 27)

#: The largest width and height of a window at first, in pixels.
MOST_WH = (1280, 760)

_TRIAL = "import cv2; cv2.namedWindow('fer'); cv2.waitKey(1)"


class Window:
    """A window that shows images. A context manager.

    Parameters
    ----------
    title : str

    Raises
    ------
    DependencyError
        There is no display, or this cv2 cannot open windows.
    """

    def __init__(self, title: str = "fer") -> None:
        self._title = title
        self._sized = False

    def __enter__(self) -> Window:
        _require_windows()
        flags = cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL
        cv2.namedWindow(self._title, flags)
        return self

    def __exit__(self, *exc_info: object) -> None:
        with suppress(cv2.error):  # it may be closed already
            cv2.destroyWindow(self._title)

    def show(self, image: ImageArray, *, wait: bool = False) -> bool:
        """Show an image; return False once the window was closed or q or Escape pressed.

        Parameters
        ----------
        image : ndarray of uint8, shape (height, width, 3), BGR
        wait : bool
            Whether to wait for a key. Defaults to False.
        """
        if not self._sized:
            self._sized = True
            with suppress(cv2.error):  # it may be closed already
                cv2.resizeWindow(self._title, *_fitting(image))
        cv2.imshow(self._title, image)
        while True:
            key = cv2.waitKey(50 if wait else 1)
            if key in QUIT or not self._is_open():
                return False
            if key >= 0 or not wait:
                return True

    def _is_open(self) -> bool:
        try:
            return bool(cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1)
        except cv2.error:  # Qt raises once the last window is closed
            return False


def _fitting(image: ImageArray) -> tuple[int, int]:
    """Return the size of a window for an image: its own, or as much as most screens have."""
    height, width = image.shape[:2]
    scale = min(MOST_WH[0] / width, MOST_WH[1] / height, 1.0)
    return max(round(width * scale), 1), max(round(height * scale), 1)


def _require_windows() -> None:
    """Try a window in a process of its own: Qt aborts the process where there is no display."""
    hint = "use `save` instead"
    if not has_screen():
        raise DependencyError("`show` needs a display, and DISPLAY is not set", hint=hint)
    trial = subprocess.run([sys.executable, "-c", _TRIAL], capture_output=True, check=False)
    if trial.returncode:
        raise DependencyError(
            "`show` needs a window, and this cv2 cannot open one here",
            hint=f"{hint}, or install a cv2 that is not headless",
        )
