from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from fercli.cascade.samples.vec import write_vec

SCENES = ("brick", "coffee", "coins", "grass", "gravel", "motorcycle_left", "rocket", "text")


@pytest.fixture(scope="session")
def scenes(tmp_path_factory) -> Path:
    """A folder of eight small photographs without faces."""
    folder = tmp_path_factory.mktemp("scenes")
    for name in SCENES:
        source = next(Path(skimage.data.__file__).parent.glob(f"{name}.*"))
        image = cv2.imread(str(source), cv2.IMREAD_GRAYSCALE)
        scale = 240 / max(image.shape)
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(folder / f"{name}.png"), small)
    return folder


@pytest.fixture
def vec(tmp_path, lfw) -> Path:
    """100 faces of 12×12."""
    path = tmp_path / "faces.vec"
    write_vec(path, lfw(12)[0])
    return path


@pytest.fixture
def marked(tmp_path, lfw) -> Path:
    """An info file of five images with 20 faces of 30×30 each."""
    faces = np.stack([cv2.resize(f, (30, 30)) for f in lfw(25)[0]]).reshape(5, 4, 5, 30, 30)
    lines = []
    for number, grid in enumerate(faces):
        sheet = np.full((4 * 40, 5 * 40), 90, np.uint8)
        boxes = []
        for row in range(4):
            for column in range(5):
                x, y = 5 + 40 * column, 5 + 40 * row
                sheet[y : y + 30, x : x + 30] = grid[row, column]
                boxes.append(f"{x} {y} 30 30")
        cv2.imwrite(str(tmp_path / f"sheet{number}.png"), sheet)
        lines.append(f"sheet{number}.png 20 {' '.join(boxes)}\n")
    path = tmp_path / "info.dat"
    path.write_text("".join(lines))
    return path
