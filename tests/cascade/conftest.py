from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data


@pytest.fixture(scope="session")
def face_cascade(tmp_path_factory) -> Path:
    """A real LBP cascade: scikit-image's copy, whose misspelled section OpenCV does not load."""
    text = Path(skimage.data.lbp_frontal_face_cascade_filename()).read_text()
    path = tmp_path_factory.mktemp("cascades") / "faces.xml"
    path.write_text(text.replace("featuhreParams", "featureParams"))
    return path


@pytest.fixture(scope="session")
def astronaut():
    """A photograph with one face, grey."""
    return cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2GRAY)


@pytest.fixture(scope="session")
def lfw():
    """100 faces and 100 windows without, grey, as a function of their size.

    ``lfw(16)`` gives two arrays of shape (100, 16, 16).
    """
    grey = np.load(Path(skimage.data.__file__).parent / "lfw_subset.npy")
    grey = np.clip(grey * 255, 0, 255).astype(np.uint8)

    def resized(side):
        size = (side, side)
        windows = np.stack([cv2.resize(w, size, interpolation=cv2.INTER_AREA) for w in grey])
        return windows[:100], windows[100:]

    return resized
