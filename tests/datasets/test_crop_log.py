from dataclasses import replace

import pytest

from fercli.cascade.model import FRONTAL_FACE
from fercli.common.errors import InputError, OutputError, OutputExistsError
from fercli.datasets.crop_log import (
    COLUMNS,
    CROPS,
    PLAN,
    CropRecord,
    open_log,
    remove_crops,
    rewrite_log,
)
from fercli.datasets.options import FaceOptions

OPTIONS = FaceOptions(FRONTAL_FACE)
WHOLE = CropRecord("b.png", 2, 3, 1, "1 2 3 4", "b.png", "00")


@pytest.fixture
def log(tmp_path):
    open_log(tmp_path / "out", tmp_path / "in", OPTIONS, overwrite=False)
    rewrite_log(tmp_path / "out", [WHOLE])
    return tmp_path / "out"


@pytest.mark.parametrize(
    "line", ["a.png,1,2,-0.0,,,,", "a.png,²,2,1,,,,", "a,b", "a.png,1,x,1,,,,"]
)
def test_damaged_lines_are_passed_over(log, tmp_path, line):
    text = (log / CROPS).read_text(encoding="utf-8")
    (log / CROPS).write_text(f"{','.join(COLUMNS)}\n{line}\n{text}", encoding="utf-8")
    found = open_log(log, tmp_path / "in", OPTIONS, overwrite=False)
    assert found == {"b.png": WHOLE}


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("crop", ["../victim.png", "a/../../victim.png", "{}/victim.png"])
def test_crops_elsewhere_are_refused_and_left_alone(log, tmp_path, crop, overwrite):
    victim = tmp_path / "victim.png"
    victim.touch()
    with (log / CROPS).open("a") as stream:
        stream.write(f"gone.png,1,2,1,1 2 3 4,{crop.format(tmp_path)},00,\n")
    options = replace(OPTIONS, margin=0.1) if overwrite else OPTIONS
    with pytest.raises(InputError, match=r"crops\.csv:3: The crop .* is not below"):
        open_log(log, tmp_path / "in", options, overwrite=overwrite)
    assert victim.exists()


def test_a_field_without_an_end_ends_the_reading(log, tmp_path):
    with (log / CROPS).open("a") as stream:
        stream.write('"' + 200_000 * "a" + "\n")
    assert open_log(log, tmp_path / "in", OPTIONS, overwrite=False) == {"b.png": WHOLE}


def test_a_plan_that_is_no_text_is_another_plan(log, tmp_path):
    (log / PLAN).write_bytes(b"\xff\xfe")
    with pytest.raises(OutputExistsError, match="holds crops of other images"):
        open_log(log, tmp_path / "in", OPTIONS, overwrite=False)


def test_names_that_no_disk_takes_and_folders_called_as_crops(tmp_path):
    (tmp_path / "a.png").mkdir()
    remove_crops(tmp_path, [CropRecord("a.jpg", 1, 1, 1, crop="x" * 5000 + ".png")])
    with pytest.raises(OutputError, match=r"a\.png: "):
        remove_crops(tmp_path, [CropRecord("a.jpg", 1, 1, 1, crop="a.png")])
