import json

import cv2
import numpy as np
import pytest

from fercli.common.errors import InputError
from fercli.datasets.manifest import FileRecord, Manifest, to_line, write_files, write_manifest
from fercli.datasets.statistics import describe_tree
from fercli.datasets.tree import read_tree


@pytest.fixture
def faulty_tree(small_tree, put):
    """The small tree with a bit of everything that can be wrong."""
    put("tree/train/happy/x.png", seed=1)
    put("tree/validation/sad/x.png", seed=1)
    put("tree/train/happy/y.png", seed=1)
    put("tree/train/happy/flat.png", image=np.full((20, 30), 7, np.uint8))
    put("tree/train/sad/red.png", image=np.zeros((20, 30, 3), np.uint8) + np.uint8([0, 0, 9]))
    (small_tree / "train/sad/text.png").write_text("not an image")
    return small_tree


def test_what_is_wrong_is_found(faulty_tree):
    found = describe_tree(read_tree(faulty_tree))
    assert found.counts == {
        "train": {"happy": 9, "sad": 8},
        "validation": {"happy": 6, "sad": 7},
    }
    assert found.sizes == {"48x48": 27, "30x20": 2}
    assert found.color == 1
    for alike in (found.exact, found.near):
        assert (alike.groups, alike.images, alike.superfluous) == (1, 3, 2)
        assert (alike.crossing, alike.conflicts) == (3, 1)
        assert alike.crossing_by_split == {"train": 2, "validation": 1}
        assert alike.conflicting == [
            ["train/happy/x.png", "train/happy/y.png", "validation/sad/x.png"]
        ]
    assert sorted(found.constant) == ["train/happy/flat.png", "train/sad/red.png"]
    assert list(found.unreadable) == ["train/sad/text.png"]
    assert sum(found.histograms["happy"]) == pytest.approx(1)


def test_near_duplicates_that_are_not_exact(small_tree):
    image = cv2.imread(str(small_tree / "train/sad/0.png"), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(small_tree / "validation/sad/again.jpg"), image)
    found = describe_tree(read_tree(small_tree))
    assert (found.exact.groups, found.near.groups, found.near.crossing) == (0, 1, 2)


def test_persons_in_several_splits_are_counted(small_tree):
    files = [r.file for r in read_tree(small_tree).records]
    lines = [to_line(FileRecord(f, subject="S1" if "/0" in f else f)) for f in files]
    write_files(small_tree, lines)
    write_manifest(small_tree, Manifest(["happy", "sad"], {}))
    found = describe_tree(read_tree(small_tree))
    assert (found.subjects, found.subjects_crossing) == (21, 1)


def test_the_command_says_it_and_draws_it(fer, faulty_tree, tmp_path):
    plot = tmp_path / "plot.png"
    result = fer("datasets", "stats", faulty_tree, "--plot", plot)
    assert result.status == 0
    assert "LEAK: 3 of them are in more than one split (2 in train, 1 in validation)" in result.out
    assert "constant images: 2: train/happy/flat.png, train/sad/red.png" in result.out
    assert "unreadable files: 1: train/sad/text.png (" in result.out
    assert cv2.imread(str(plot)).shape[1] > 1000
    assert "already exists" in fer("datasets", "stats", faulty_tree, "--plot", plot).err
    as_json = json.loads(fer("datasets", "stats", faulty_tree, "--json").out)
    assert as_json["exact"]["crossing"] == 3


def test_previews(fer, faulty_tree, tmp_path):
    command = ["datasets", "preview", faulty_tree, "--out", tmp_path / "sheets"]
    result = fer(*command, "--columns", 4, "--size", "32x32", "--seed", 1)
    assert result.out == (
        f"{tmp_path}/sheets/happy.png: 15 images\n"
        f"{tmp_path}/sheets/sad.png: 14 images; left out 1 image that cannot be read: "
        "train/sad/text.png (The file is not an image: neither OpenCV nor Pillow can decode it)\n"
    )
    assert cv2.imread(str(tmp_path / "sheets/sad.png")).shape == (4 * 33 + 1, 4 * 33 + 1, 3)
    assert "already exists" in fer(*command).err
    assert "No split 'test': the tree has train, validation" in fer(*command, "--split=test").err


def test_classes_that_the_manifest_lacks_are_shown(fer, small_tree, put, tmp_path):
    write_manifest(small_tree, Manifest(["sad", "happy", "angry"], {}))
    put("tree/train/zzz/a.png")
    result = fer("datasets", "stats", small_tree)
    rows = [line.split() for line in result.out.splitlines()]
    assert [(row[0], row[-1]) for row in rows[1:6]] == [
        ("sad", "12"), ("happy", "12"), ("angry", "0"), ("zzz", "1"), ("total", "25"),
    ]  # fmt: skip
    sheets = fer("datasets", "preview", small_tree, "--out", tmp_path / "sheets").out
    assert f"{tmp_path}/sheets/zzz.png: 1 image\n" in sheets


def test_a_sheet_without_images_is_not_written(fer, small_tree, tmp_path):
    for path in small_tree.glob("*/happy/*.png"):
        path.write_text("not an image")
    result = fer("datasets", "preview", small_tree, "--out", tmp_path / "sheets")
    assert f"{tmp_path}/sheets/happy.png: not written; left out 12 images" in result.out
    assert [path.name for path in (tmp_path / "sheets").iterdir()] == ["sad.png"]


def test_a_tree_without_a_readable_image(fer, small_tree, tmp_path):
    for path in small_tree.glob("*/*/*.png"):
        path.write_text("not an image")
    assert "unreadable files: 24: " in fer("datasets", "stats", small_tree).out
    result = fer("datasets", "preview", small_tree, "--out", tmp_path / "sheets")
    assert result.status == 1
    assert "No image can be drawn: left out 24 images that cannot be read, such as" in result.err
    assert not (tmp_path / "sheets").exists()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "No images"),
        (["a.png"], "got a.png"),
        (["train/b.png"], "got train/b.png"),
        (["a/b/c/d.png"], "got a/b/c/d.png"),
        (["a/b\\c/d.png"], "Expected <split>/<class>/<image>, got a/b"),
    ],
)
def test_what_is_no_tree(put, tmp_path, names, message):
    (tmp_path / "tree").mkdir()
    for name in names:
        put(f"tree/{name}")
    with pytest.raises(InputError, match=message):
        read_tree(tmp_path / "tree")


def test_what_is_not_used_of_a_tree_is_told(fer, small_tree, tmp_path):
    """A file that is no image, and one of 24 images that was removed by hand."""
    assert fer("datasets", "import", small_tree, "--out", tmp_path / "made").status == 0
    (tmp_path / "made/train/happy/notes.txt").touch()
    (tmp_path / "made/train/sad/0.png").unlink()
    command = ["--out", tmp_path / "out", "--json"]
    for words in (["stats"], ["split", *command], ["augment", *command[:1], tmp_path / "more",
                  "--copies=1", "--json"]):  # fmt: skip
        result = fer("datasets", words[0], tmp_path / "made", *words[1:])
        assert result.status == 0, result.err
        assert "skipped 1 of 24 files that are not images by their suffix (1 .txt)" in result.out
        assert "files.csv lists and that are missing: 1, such as train/sad/0.png" in result.out
