"""FER-2013, FER+, tables and folders: whole and damaged ones."""

import gzip
import zipfile

import pytest

from fercli.common.errors import InputError
from fercli.datasets.entries import Note
from fercli.datasets.formats import DATASET_FORMATS, detect_format

from .conftest import OPTIONS, read

ROWS = [(3, "Training"), (0, "PublicTest"), (6, "PrivateTest")]
WANTED = {
    "fer0000000": ("happy", "train", ""),
    "fer0000001": ("angry", "validation", ""),
    "fer0000002": ("neutral", "test", ""),
}


@pytest.mark.parametrize("packing", ["csv", "gz", "zip"])
def test_fer2013_table(fer_csv, tmp_path, packing):
    path = fer_csv(ROWS)
    if packing == "gz":
        packed = tmp_path / "fer2013.csv.gz"
        packed.write_bytes(gzip.compress(path.read_bytes()))
        path = packed
    elif packing == "zip":
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.write(path, "fer2013/fer2013.csv")
            archive.writestr("fer2013/README", "")
        path = tmp_path / "a.zip"
    assert read(path) == ("fer2013", WANTED, [])


def test_fer2013_with_crlf_spaces_and_other_order(fer_csv):
    path = fer_csv(ROWS)
    lines = [line.split(",") for line in path.read_text().splitlines()]
    path.write_text("\r\n".join(f"{e}, {u}, {p}" for e, p, u in lines) + "\r\n")
    assert read(path)[1] == WANTED


def test_fer2013_as_folders(put, tmp_path):
    put("train/angry/Training_1.jpg")
    put("test/angry/PublicTest_2.jpg")
    put("test/happy/PrivateTest_3.jpg")
    name, entries, _ = read(tmp_path)
    assert name == "fer2013"
    assert entries == {
        "Training_1": ("angry", "train", ""),
        "PublicTest_2": ("angry", "validation", ""),
        "PrivateTest_3": ("happy", "test", ""),
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.replace("3,", "9,", 1), "fer2013.csv:2: Expected an emotion from 0 to 6"),
        (lambda t: t.replace(",Training", ",Trainig"), "fer2013.csv:2: Expected one of Training"),
        (lambda t: t.replace("pixels", "pixel"), "fer2013.csv:1: Expected a column pixels"),
        (lambda t: t.replace(",PrivateTest", ""), r"fer2013.csv:4: Expected 3 cells .*got 2"),
        (lambda t: "", "Expected a column emotion, got none"),
        (lambda t: t.replace("3,", '3,"', 1), "fer2013.csv:.: "),
    ],
)
def test_damaged_tables_are_named(fer_csv, change, message):
    path = fer_csv(ROWS, pixels={0: "1 2", 1: "3 4", 2: "5 6"})
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=message):
        read(path, form="fer2013")


TRUNCATED = gzip.compress(b"emotion,pixels,Usage\n" + b"0,1 2,Training\n" * 99)[:-20]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"\xff\x00emotion", "not a text table"),
        ("a.csv.gz", b"not gzip", "Cannot be unpacked"),
        ("a.csv.gz", TRUNCATED, "Cannot be unpacked"),
        ("a.zip", b"PK\x03\x04", "Cannot be unpacked"),
    ],
    ids=["no text", "no gzip", "truncated gzip", "truncated zip"],
)
def test_damaged_files_are_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read(tmp_path / name, form="fer2013")


def test_a_zip_without_the_table(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("README", "")
    with pytest.raises(InputError, match=r"Expected one \.csv file in the zip, got README"):
        read(tmp_path / "a.zip", form="fer2013")


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [(0, 1, "'a.csv' is encrypted"), (2, 99, "compression method is not supported")],
    ids=["password", "compression"],
)
def test_zips_that_python_cannot_unpack_are_named(tmp_path, offset, value, message):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "emotion,pixels,Usage\n")
    content = bytearray(path.read_bytes())
    # The flags stand before the compression, in the member's header and in the directory.
    for at in (6, content.index(b"PK\x01\x02") + 8):
        content[at + offset] = value
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"a.zip: Cannot be unpacked: .*{message}.*; try: unpack"):
        read(path)


def test_a_zip_with_damaged_lzma_is_named(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.csv", "emotion,pixels,Usage\n")
    content = path.read_bytes()
    # Behind the header of 30 bytes and the name: a version, and that five bytes describe the rest.
    path.write_bytes(content[:39] + b"\xff" * 5 + content[44:])
    with pytest.raises(InputError, match=r"a\.zip: Cannot be unpacked"):
        read(path, form="fer2013")


VOTES_HEADER = (
    "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"
)


def test_ferplus_votes_come_in_the_order_of_expressions(fer_csv, tmp_path):
    path = fer_csv(ROWS)
    votes = tmp_path / "fer2013new.csv"
    votes.write_text(
        VOTES_HEADER + "Training,fer0000000.png,1,2,3,4,5,6,7,8,9,10\n"
        "PublicTest,fer0000001.png,0,9,0,0,0,0,0,0,1,0\nPrivateTest,,0,0,0,0,0,0,0,0,0,10\n"
    )
    items = list(DATASET_FORMATS["ferplus"].read(path, OPTIONS))
    assert items[0].votes == (5, 8, 6, 7, 2, 1, 4, 3, 9, 10)
    assert [item.name for item in items] == list(WANTED)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("Training,a,1,0,0,0,0,0,0,0,0,0\n", "each of the 3 images .* got 1"),
        (
            "Training,a,1,0,0,0,0,0,0,0,0,0\n" * 3,
            "Expected the usage of the image in fer2013.csv:3",
        ),
        ("Training,a,x,0,0,0,0,0,0,0,0,0\n" * 3, "fer2013new.csv:2: Expected whole numbers"),
        ("Training,a,-1,0,0,0,0,0,0,0,0,0\n" * 3, "Expected whole numbers of votes, got '-1'"),
    ],
)
def test_votes_that_do_not_go_with_the_images(fer_csv, tmp_path, rows, message):
    path = fer_csv(ROWS)
    (tmp_path / "fer2013new.csv").write_text(VOTES_HEADER + rows)
    with pytest.raises(InputError, match=message):
        read(path, form="ferplus")


def test_votes_that_were_put_into_another_order_are_told(fer_csv, tmp_path):
    path = fer_csv([(3, "Training"), (4, "Training"), (5, "Training")])
    for numbers, expected in (((0, 2, 4), []), ((0, 4, 2), ["fer2013new.csv, line 4: the image"])):
        rows = "".join(f"Training,fer{n:07d}.png,1,0,0,0,0,0,0,0,0,0\n" for n in numbers)
        (tmp_path / "fer2013new.csv").write_text(VOTES_HEADER + rows)
        items = DATASET_FORMATS["ferplus"].read(path, OPTIONS)
        assert [one.text[:33] for one in items if isinstance(one, Note)] == expected


def test_a_column_that_is_there_twice(fer_csv):
    path = fer_csv(ROWS)
    path.write_text(path.read_text().replace("Usage", "emotion", 1))
    with pytest.raises(InputError, match="csv:1: Expected each column once, got 2 called emotion"):
        read(path, form="fer2013")


def test_the_table_in_a_folder_is_named(fer_csv):
    path = fer_csv(ROWS)
    with pytest.raises(InputError, match=f"holds a table that is; try: name it: {path}"):
        detect_format(path.parent)


def test_ferplus_without_votes(fer_csv):
    with pytest.raises(InputError, match="The votes of FER"):
        read(fer_csv(ROWS), form="ferplus")


@pytest.mark.parametrize(
    "header", ["File,Emotion,Subject,Split", '"File","Emotion", Subject,"Split"']
)
def test_a_list_of_paths(tmp_path, header):
    (tmp_path / "list.csv").write_text(
        f"{header}\nimages/subject01.happy,happy,s1,training\nimages/a.gif,Normal,s2,\n"
    )
    wanted = {
        "images-subject01.happy": ("happy", "train", "s1"),
        "images-a": ("neutral", "all", "s2"),
    }
    assert read(tmp_path / "list.csv") == ("csv", wanted, [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na.png,wink\n", "list.csv:2: 'wink' is not an expression; try: use --map"),
        ("path,label,split\na.png,sad,odd\n", "list.csv:2: Expected a split train, "),
        ("path\na.png\n", "list.csv:1: Expected a column label or expression"),
    ],
)
def test_lists_that_cannot_be_used(tmp_path, text, message):
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read(tmp_path / "list.csv", form="csv")


def test_folders_nested_and_with_splits(put, tmp_path):
    put("mine/Training/Joy/day 1/ä b.png")
    put("mine/Training/Joy/c.png")
    wanted = {"day 1-ä b": ("happy", "train", ""), "c": ("happy", "train", "")}
    assert read(tmp_path / "mine") == ("folder", wanted, [])


def test_folders_that_cannot_be_used(put, tmp_path):
    put("mine/wink/a.png")
    with pytest.raises(InputError, match="'wink' is not an expression"):
        read(tmp_path / "mine")
    put("flat/train/a.png")
    with pytest.raises(InputError, match=r"got the image train/a\.png outside one"):
        read(tmp_path / "flat")


def test_what_is_of_no_known_form(tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(InputError, match="The format is none of those known"):
        detect_format(tmp_path / "a.txt")
    with pytest.raises(InputError, match="found nothing of that name"):
        detect_format(tmp_path / "missing")
