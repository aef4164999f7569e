from pathlib import PurePosixPath

import pytest

from fercli.cascade.downloads import OPENCV_PHOTOGRAPHS, SKIMAGE_PHOTOGRAPHS
from fercli.common.files import IMAGE_EXTENSIONS


@pytest.mark.parametrize("paths", [OPENCV_PHOTOGRAPHS, SKIMAGE_PHOTOGRAPHS])
def test_all_are_images_by_their_names_and_no_two_share_one(paths):
    names = [PurePosixPath(path).name for path in paths]
    assert len({name.lower() for name in names}) == len(names)
    assert all(name.lower().endswith(IMAGE_EXTENSIONS) for name in names)
