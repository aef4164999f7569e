from pathlib import Path

import cv2
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
