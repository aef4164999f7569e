"""The window on the screen, without a screen."""

import cv2
import numpy as np
import pytest

from fercli.recognition.sinks import window
from fercli.recognition.sinks.window import Window


@pytest.fixture
def closed_with_its_x(monkeypatch):
    """A cv2 whose last window someone closes: Qt's raises when asked for it from then on."""

    def gone(*args):
        raise cv2.error("NULL guiReceiver (please create a window)")

    monkeypatch.setattr(window, "_require_windows", lambda: None)
    for name in ("namedWindow", "imshow"):
        monkeypatch.setattr(cv2, name, lambda *args: None)
    monkeypatch.setattr(cv2, "waitKey", lambda delay: -1)
    for name in ("getWindowProperty", "destroyWindow"):
        monkeypatch.setattr(cv2, name, gone)


@pytest.mark.parametrize("wait", [False, True])
def test_a_window_closed_with_its_x_ends_in_good_order(closed_with_its_x, wait):
    with Window() as shown:
        assert not shown.show(np.zeros((4, 4, 3), np.uint8), wait=wait)
