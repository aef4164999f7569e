"""Tables and folders of data sets as others pass them on, and what is said of each."""

import csv
import json

import pytest

from fercli.common.errors import InputError
from fercli.datasets.expressions import expression_of
from fercli.datasets.formats import detect_format
from fercli.datasets.manifest import read_files
from fercli.datasets.tree import read_tree

from .conftest import notes, read, texture

PIXELS = " ".join(map(str, texture(1).ravel()))


def write(path, header, *rows, delimiter=",", encoding="utf-8"):
    lines = [delimiter.join(row) for row in (header, *rows)]
    path.write_bytes(("\r\n".join(lines) + "\r\n").encode(encoding))
    return path


def labels(path):
    _, entries, dropped = read(path)
    return [label for label, _, _ in entries.values()], dropped


@pytest.mark.parametrize(
    ("name", "split"), [("train.csv", "train"), ("test.csv", "test"), ("faces.csv", "all")]
)
def test_the_contest_has_no_usage(tmp_path, name, split):
    """Kaggle's train.csv: 3 is happy, 6 neutral; the split is that of the file's name."""
    path = write(tmp_path / name, ("emotion", "pixels"), ("3", PIXELS), ("6", PIXELS))
    wanted = {"fer0000000": ("happy", split, ""), "fer0000001": ("neutral", split, "")}
    assert read(path) == ("fer2013", wanted, [])
    assert notes(path) == [f"no column usage: the images are in the split {split}"]


def test_columns_with_a_leading_blank(tmp_path):
    path = write(
        tmp_path / "icml_face_data.csv",
        ("emotion", " Usage", " pixels"),
        ("0", "Training", PIXELS),
        ("1", "PublicTest", PIXELS),
    )
    wanted = {"fer0000000": ("angry", "train", ""), "fer0000001": ("disgust", "validation", "")}
    assert read(path) == ("fer2013", wanted, [])
    assert notes(path) == []


def test_ck_plus_as_one_table(fer, tmp_path):
    """Labels to 7, which is contempt; FER-2013's published counts are not those of CK+."""
    images = [" ".join(map(str, texture(seed).ravel())) for seed in range(8)]
    rows = [(str(number), pixels, "Training") for number, pixels in enumerate(images)]
    path = write(tmp_path / "ckextended.csv", ("emotion", "pixels", "Usage"), *rows)
    wanted = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "contempt"]
    assert labels(path) == (wanted, [])
    result = fer("datasets", "import", path, "--out", tmp_path / "out")
    assert "note: label 7 is taken for contempt" in result.out
    assert "as published" not in result.out
    again = fer("datasets", "import", path, "--map", "7=fear", "--out", tmp_path / "map")
    assert (again.status, "renamed: 7 to fear (1)" in again.out) == (0, True)
    assert len(list((tmp_path / "map/train/fear").iterdir())) == 2


@pytest.mark.parametrize("label", ["3", "3.0", "3,0", " 3", "happiness"])
def test_labels_that_are_floats_or_words(tmp_path, label):
    header = ("emotion", "pixels", "usage")
    path = write(tmp_path / "a.csv", header, (label, PIXELS, "Training"), delimiter=";")
    assert labels(path)[0] == ["happy"]
    path = write(tmp_path / "a.csv", header, ("3.5", PIXELS, "Training"), delimiter=";")
    with pytest.raises(InputError, match=r"a\.csv:2: Expected an emotion .*; try: use --map"):
        read(path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_tables_of_excel(tmp_path, delimiter, encoding):
    header = ("path", "label", "subject")
    row = ("faces/ü.png", "happy", "anna")
    path = write(tmp_path / "a.csv", header, row, delimiter=delimiter, encoding=encoding)
    assert read(path) == ("csv", {"faces-ü": ("happy", "all", "anna")}, [])


def test_the_line_sep_of_excel(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("sep=;\npath;label\na.png;wink\n;;\n", encoding="utf-8-sig")
    with pytest.raises(InputError, match=r"a\.csv:3: 'wink'"):
        read(path)


def test_affectnet_of_kaggle(fer, put, tmp_path):
    """Columns without a name, pth and label; folders that say otherwise are not asked."""
    put("set/anger/1.jpg")
    put("set/happy/2.jpg")
    rows = [("0", "anger/1.jpg", "surprise", "0.9"), ("1", "happy\\2.jpg", "happy", "0.8")]
    table = write(tmp_path / "set/labels.csv", ("", "pth", "label", "relFCs"), *rows)
    result = fer("datasets", "import", table, "--out", tmp_path / "out")
    assert "note: the column pth is read as the path" in result.out
    files = {record.file for record in read_files(tmp_path / "out")}
    assert files == {"all/surprise/anger-1.png", "all/happy/happy-2.png"}
    # The folder alone: its labels contradict the table's, which is said with a count.
    result = fer("datasets", "import", tmp_path / "set", "--out", tmp_path / "folders")
    assert "note: labels.csv lists labels, which were not read; 1 of them differ" in result.out
    assert "renamed: anger to angry (1)" in result.out


def test_images_that_a_table_lists_again(tmp_path):
    rows = [("a.png", "sad"), ("a.png", "sad"), ("b.png", "sad"), ("b.png", "happy")]
    path = write(tmp_path / "a.csv", ("path", "label"), *rows)
    assert labels(path)[1] == ["listed twice"]
    assert notes(path) == ["images listed again with another label: 1"]


def test_of_several_columns_the_plainest_is_read_and_said(tmp_path):
    header = ("emotion", "image", "path", "label")
    path = write(tmp_path / "a.csv", header, ("sad", "x.png", "y.png", "happy"))
    assert read(path)[1] == {"y": ("happy", "all", "")}
    assert notes(path) == [
        "the column path is read as the path, not image",
        "the column label is read as the label, not emotion",
    ]


def test_columns_that_are_not_read_are_said(tmp_path):
    """Boxes would cut the faces out; a number of the row means nothing, and has no name."""
    header = ("", "path", "label", "split", "x", "y", "w", "h")
    path = write(tmp_path / "a.csv", header, ("0", "a.png", "sad", "train", "1", "2", "30", "30"))
    assert notes(path) == ["columns not read: x, y, w, h; the whole of each image is taken"]


def test_the_only_folder_in_an_unpacked_archive_is_named(put, tmp_path):
    put("set/data/train/happy/1.jpg")
    with pytest.raises(InputError, match=r"'data' is not an expression; try: use .*set/data, what"):
        read(tmp_path / "set")


@pytest.mark.parametrize("top", ["", "DATASET/"])
def test_rafdb_as_folders(fer, put, tmp_path, top):
    """1 is surprise, 6 angry: the order of RAF-DB's own list."""
    for number in range(1, 8):
        put(f"raf/{top}train/{number}/train_0000{number}_aligned.jpg")
    put(f"raf/{top}test/6/test_0001_aligned.jpg")
    name, entries, _ = read(tmp_path / "raf")
    assert name == "rafdb"
    order = ["surprise", "fear", "disgust", "happy", "sad", "angry", "neutral"]
    assert [entries[f"train_0000{at}_aligned"][0] for at in range(1, 8)] == order
    assert entries["test_0001_aligned"] == ("angry", "test", "")
    assert notes(tmp_path / "raf")[0].startswith("the folders 1 to 7 are those of RAF-DB: 1 surpr")
    command = ["datasets", "import", tmp_path / "raf", "--out", tmp_path / "out"]
    result = fer(*command, "--map", "1=happy", "--json")
    counts = json.loads(result.out)["counts"]["train"]
    assert (counts["happy"], counts.get("surprise", 0)) == (2, 0)


def test_other_folders_of_numbers_are_not_guessed(put, tmp_path):
    put("mine/1/a.png")
    with pytest.raises(InputError, match=r"'1' is not .*: 1 surprise, 2 fear.* or rafdb="):
        read(tmp_path / "mine")
    # A table is no folder of RAF-DB, whatever its numbers mean.
    path = write(tmp_path / "a.csv", ("path", "label"), ("a.png", "1"))
    with pytest.raises(InputError, match=r"'1' is not .*: 1 surprise") as caught:
        read(path)
    assert "rafdb=" not in str(caught.value)


def test_pixels_of_another_size(tmp_path):
    small = " ".join(["7"] * 256)
    path = write(tmp_path / "a.csv", ("emotion", "pixels", "usage"), ("3", small, "Training"))
    assert notes(path) == ["the pixels are of images of 16 × 16"]
    # A row that is cut off is no size of its own: most of the first rows decide.
    rows = [("3", pixels, "Training") for pixels in (small, PIXELS, PIXELS)]
    path = write(tmp_path / "b.csv", ("emotion", "pixels", "usage"), *rows)
    assert notes(path) == []


def test_what_lies_in_a_folder_beside_its_images(fer, put, tmp_path):
    put("in/Happy/a.png")
    put("in/sad/b.png")
    put("in/sheet.png")
    (tmp_path / "in/fear").mkdir()
    for name in (".DS_Store", "Thumbs.db", "sad/notes.txt", "__MACOSX/sad/._b.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).touch()
    result = fer("datasets", "import", tmp_path / "in", "--out", tmp_path / "out", "--json")
    (source,) = json.loads(result.out)["sources"]
    assert source["images"] == 2
    assert source["dropped"] == {
        "not an image by its suffix": 2,
        "outside the folder of a class": 1,
    }
    assert source["renamed"] == {"Happy to happy": 1}
    assert source["notes"] == ["folders without an image: 2 (__MACOSX, fear)"]


def test_a_tree_of_fer_keeps_persons_votes_and_classes(fer, put, tmp_path):
    put("in/calm/S1_a.png")
    put("in/wild/S2_b.png")
    write(
        tmp_path / "in/list.csv",
        ("path", "label", "subject", "split"),
        ("calm/S1_a.png", "calm", "S1", "train"),
        ("wild/S2_b.png", "wild", "S2", "test"),
    )
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    command = ["datasets", "import", tmp_path / "in/list.csv", "--classes", "calm,wild"]
    assert fer(*command, "--out", one).status == 0
    lines = (one / "files.csv").read_text().splitlines()
    (one / "files.csv").write_text("\n".join([lines[0], lines[1] + "4 1", lines[2] + "0 9"]) + "\n")
    result = fer("datasets", "import", one, "--out", two)
    assert result.status == 0, result.err
    rows = {record.file: (record.subject, record.votes) for record in read_files(two)}
    # The lines of files.csv are in the order of paths: test first.
    assert rows == {
        "test/wild/wild-S2_b.png": ("csv:S2", (4, 1)),
        "train/calm/calm-S1_a.png": ("csv:S1", (0, 9)),
    }
    assert read_tree(two).classes == ("calm", "wild")
    # Merged into other classes, votes are added up: of (calm, wild) there is one class left.
    result = fer("datasets", "import", one, "--classes", "all=calm+wild,none", "--out", three)
    assert {record.votes for record in read_files(three)} == {(5, 0), (9, 0)}


def test_the_same_pixels_in_several_splits_are_told(fer, put, tmp_path):
    for name in ("train/happy/a", "test/happy/b", "test/sad/c"):
        put(f"in/{name}.png", seed=1)
    put("in/train/sad/d.png", seed=2)
    command = ["datasets", "import", tmp_path / "in", "--out", tmp_path / "out"]
    result = fer(*command, "--json")
    wanted = {"images": 3, "across_splits": 3, "across_classes": 3}
    assert json.loads(result.out)["repeated"] == wanted


def test_known_sets_have_synonyms_for_classes_of_ones_own(fer, tmp_path):
    rows = [(str(number), PIXELS, "Training") for number in (3, 4)]
    path = write(tmp_path / "fer2013.csv", ("emotion", "pixels", "Usage"), *rows)
    command = ["datasets", "import", path, "--classes", "smile,sad", "--out", tmp_path / "out"]
    result = fer(*command)
    assert "renamed: happy to smile (1)" in result.out
    assert read_tree(tmp_path / "out").classes == ("sad", "smile")


def test_which_format_is_found(tmp_path):
    path = write(tmp_path / "a.csv", ("Emotion", "Pixels"), ("0", PIXELS), delimiter=";")
    assert detect_format(path).name == "fer2013"
    assert expression_of("an") is None


def test_what_workers_assumed_about_images_is_told(fer, tmp_path):
    """Of 20 images, which two processes read, three are animated: their first frames are taken."""
    from PIL import Image

    for number in range(20):
        path = tmp_path / f"in/{'happy' if number % 2 else 'sad'}/{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(texture(number)).save(path)
    frames = [Image.fromarray(texture(seed)) for seed in (50, 51)]
    for number in range(3):
        path = tmp_path / f"in/sad/moving{number}.webp"
        frames[0].save(path, save_all=True, append_images=frames[1:])
    command = ["datasets", "import", tmp_path / "in", "-j2", "--out", tmp_path / "out", "--json"]
    result = fer(*command)
    (note,) = json.loads(result.out)["image_notes"]
    assert note.startswith("3 images: ")
    assert note in result.err


def test_cells_that_are_longer_than_python_reads_by_itself(tmp_path):
    """An image of 300 × 300 has 360,000 characters; csv stops at 131,072."""
    limit = csv.field_size_limit()
    header = ("emotion", "pixels", "usage")
    path = write(tmp_path / "a.csv", header, ("3", " ".join(["100"] * 90_000), "Training"))
    assert notes(path) == ["the pixels are of images of 300 × 300"]
    assert csv.field_size_limit() == limit
