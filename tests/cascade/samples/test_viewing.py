import numpy as np
import pytest

from fercli.cascade.samples.viewing import LINES, contact_sheet, export, show
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
    with pytest.raises(OptionError, match="would have 286 megapixels, more than 256"):
        show(make_vec()[0], tmp_path / "p.png", scale=1000)
    with pytest.raises(OptionError, match="no page 4: the file has 3 pages of 4"):
        show(tmp_path / "a.vec", tmp_path / "p.png", page=4, per_page=4)


def test_layout_pixel_by_pixel():
    samples = np.array([[[1, 2]], [[3, 4]], [[5, 6]]], np.uint8)
    line = LINES
    assert contact_sheet(samples, 2).tolist() == [
        [line] * 7,
        [line, 1, 2, line, 3, 4, line],
        [line] * 7,
        [line, 5, 6, line, line, line, line],
        [line] * 7,
    ]


def test_scale_and_gap():
    sheet = contact_sheet(np.array([[[9]]], np.uint8), scale=3, gap=2)
    assert sheet.shape == (7, 7)
    assert (sheet[2:5, 2:5] == 9).all()
    assert (sheet == 9).sum() == 9


@pytest.mark.parametrize("count", [1, 2, 7, 50])
def test_default_columns_fill_a_sheet_that_is_wider_than_high(count, rng):
    samples = rng.integers(0, 256, (count, 30, 20), np.uint8)
    sheet = contact_sheet(samples, gap=0)
    height, width = sheet.shape
    assert height % 30 == width % 20 == 0
    assert (height // 30) * (width // 20) >= count
    assert count < 50 or 1.0 < width / height < 2.2


def test_each_sample_is_where_it_should_be(rng):
    samples = rng.integers(0, 256, (11, 4, 3), np.uint8)
    sheet = contact_sheet(samples, 4)
    for number, sample in enumerate(samples):
        y, x = 1 + number // 4 * 5, 1 + number % 4 * 4
        np.testing.assert_array_equal(sheet[y : y + 4, x : x + 3], sample)


def test_numbers_stand_in_a_margin_beside_the_same_sheet(rng):
    samples = rng.integers(0, 256, (6, 24, 24), np.uint8)
    plain = contact_sheet(samples, 3)
    numbered = contact_sheet(samples, 3, first_number=100)
    margin = numbered.shape[1] - plain.shape[1]
    np.testing.assert_array_equal(numbered[:, margin:], plain)
    assert (numbered[:, :margin] < 100).any()
    assert not (
        contact_sheet(samples, 3, first_number=999)[:, :margin] == numbered[:, :margin]
    ).all()


def test_a_view_of_a_vec_file_will_do(make_vec):
    from fercli.cascade.samples.vec import read_vec

    path, samples = make_vec()
    np.testing.assert_array_equal(contact_sheet(read_vec(path, (6, 5))), contact_sheet(samples))
