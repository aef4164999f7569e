import numpy as np
import pytest

from fercli.cascade.samples.viewing import contact_sheet, export, show
from fercli.common.errors import OptionError, OutputExistsError
from fercli.common.images import read_gray


def test_exported_images_are_the_samples(make_vec, tmp_path):
    path, samples = make_vec(count=101)
    written = export(path, tmp_path / "out", size_wh=(6, 5), workers=2)
    assert written.count == 101
    files = sorted((tmp_path / "out").iterdir())
    assert [files[0].name, files[-1].name] == ["001.png", "101.png"]
    for file, sample in zip(files, samples, strict=True):
        np.testing.assert_array_equal(read_gray(file), sample)


def test_export_can_stop_early(make_vec, tmp_path):
    export(make_vec()[0], tmp_path / "out", num=2)
    assert [file.name for file in sorted((tmp_path / "out").iterdir())] == ["1.png", "2.png"]


def test_export_leaves_a_folder_in_use_alone(make_vec, tmp_path):
    path, _ = make_vec()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "3.png").write_text("mine")
    with pytest.raises(OutputExistsError, match="is not empty"):
        export(path, tmp_path / "out")
    assert export(path, tmp_path / "out", overwrite=True).count == 10
    assert read_gray(tmp_path / "out" / "03.png").shape == (5, 6)


def test_pages_show_the_samples_in_turn(make_vec, tmp_path):
    path, samples = make_vec(count=10)
    sheet = show(path, tmp_path / "p.png", page=3, per_page=4, columns=2, scale=2)
    assert (sheet.first, sheet.last, sheet.count) == (9, 10, 10)
    expected = contact_sheet(samples[8:], 2, scale=2, first_number=9)
    np.testing.assert_array_equal(read_gray(sheet.path), expected)


def test_a_page_that_is_not_there_is_named(make_vec, tmp_path):
    with pytest.raises(OptionError, match="at most 256 megapixels, found 286"):
        show(make_vec()[0], tmp_path / "p.png", scale=1000)
    with pytest.raises(OptionError, match="wanted page 4, found 3 pages of 4"):
        show(tmp_path / "a.vec", tmp_path / "p.png", page=4, per_page=4)
