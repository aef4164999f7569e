import numpy as np
import pytest

from fercli.cascade.samples.viewing import LINES, contact_sheet


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
