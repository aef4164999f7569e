from pathlib import Path

import cv2
import numpy as np
import pytest


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
