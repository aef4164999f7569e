"""Each format on a tree in its published layout, made in code, and on damaged ones."""

import gzip
import zipfile

import numpy as np
import pytest

from fercli.datasets.entries import Dropped, Entry, ReadOptions
from fercli.datasets.formats import FORMATS, detect_format
from fercli.datasets.vocabulary import expression_of
from fercli.errors import InputError

OPTIONS = ReadOptions(label_of=expression_of)


def read(path, options=OPTIONS, form=None):
    """Return {name: (label, split, subject)} and [reason, …] as the found-out format reads it."""
    form = FORMATS[form] if form else detect_format(path)
    items = list(form.read(path, options))
    entries = {e.name: (e.label, e.split, e.subject) for e in items if isinstance(e, Entry)}
    return form.name, entries, [e.reason for e in items if isinstance(e, Dropped)]


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
        (lambda t: t.replace("3,", "9,", 1), "fer2013.csv:2: wanted an emotion from 0 to 6"),
        (lambda t: t.replace(",Training", ",Trainig"), "fer2013.csv:2: wanted one of Training"),
        (lambda t: t.replace("pixels", "pixel"), "fer2013.csv:1: wanted a column pixels"),
        (lambda t: t.replace(",PrivateTest", ""), r"fer2013.csv:4: wanted 3 cells .*found 2"),
        (lambda t: "", "wanted a column emotion, found none"),
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
        ("a.csv", b"\xff\xfe\x00emotion", "wanted a table of text"),
        ("a.csv.gz", b"not gzip", "cannot be unpacked"),
        ("a.csv.gz", TRUNCATED, "cannot be unpacked"),
        ("a.zip", b"PK\x03\x04", "cannot be unpacked"),
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
    with pytest.raises(InputError, match=r"wanted one \.csv file in the zip, found README"):
        read(tmp_path / "a.zip", form="fer2013")


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
    items = list(FORMATS["ferplus"].read(path, OPTIONS))
    assert items[0].votes == (5, 8, 6, 7, 2, 1, 4, 3, 9, 10)
    assert [item.name for item in items] == list(WANTED)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("Training,a,1,0,0,0,0,0,0,0,0,0\n", "each of the 3 pictures .* found 1"),
        (
            "Training,a,1,0,0,0,0,0,0,0,0,0\n" * 3,
            "wanted the usage of the picture in fer2013.csv:3",
        ),
        ("Training,a,x,0,0,0,0,0,0,0,0,0\n" * 3, "fer2013new.csv:2: wanted whole numbers"),
        ("Training,a,-1,0,0,0,0,0,0,0,0,0\n" * 3, "fer2013new.csv:2: wanted counts"),
    ],
)
def test_votes_that_do_not_go_with_the_pictures(fer_csv, tmp_path, rows, message):
    path = fer_csv(ROWS)
    (tmp_path / "fer2013new.csv").write_text(VOTES_HEADER + rows)
    with pytest.raises(InputError, match=message):
        read(path, form="ferplus")


def test_ferplus_without_votes(fer_csv):
    with pytest.raises(InputError, match="wanted the votes of FER"):
        read(fer_csv(ROWS), form="ferplus")


AFFECTNET_HEADER = (
    "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,"
    "valence,arousal\n"
)


@pytest.mark.parametrize("lists", ["", "Manually_Annotated_file_lists/"])
def test_affectnet_tables(put, tmp_path, lists):
    root = tmp_path / "AffectNet"
    for name in ("1/a.jpg", "2/b.jpg"):
        put(f"AffectNet/Manually_Annotated_Images/{name}")
    (root / lists).mkdir(exist_ok=True)
    (root / lists / "training.csv").write_text(
        AFFECTNET_HEADER + "1/a.jpg,4,5,30,31,1;2,6,-0.1,0.2\n1/c.jpg,0,0,9,9,1;2,10,-2,-2\n"
    )
    (root / lists / "validation.csv").write_text(
        AFFECTNET_HEADER + "2/b.jpg,NULL,NULL,NULL,NULL,NULL,7,0,0\n"
    )
    name, entries, dropped = read(root)
    assert (name, dropped) == ("affectnet", ["labelled no face"])
    assert entries == {"1-a": ("angry", "train", ""), "2-b": ("contempt", "validation", "")}
    first, _, last = FORMATS["affectnet"].read(root, OPTIONS)
    assert first.box_xywh == (4, 5, 30, 31)
    assert last.box_xywh is None
    assert first.picture == root / "Manually_Annotated_Images/1/a.jpg"


def test_affectnet_annotations(put, tmp_path):
    root = tmp_path / "AffectNet"
    for split, stem, label in (
        ("train_set", "10", "1"),
        ("train_set", "9", np.int64(3)),
        ("val_set", "0", "8"),
    ):
        put(f"AffectNet/{split}/images/{stem}.jpg")
        (root / split / "annotations").mkdir(exist_ok=True)
        for kind, value in (("exp", label), ("val", "0.5")):
            np.save(root / split / "annotations" / f"{stem}_{kind}.npy", np.array(value))
    name, entries, dropped = read(root)
    assert (name, dropped) == ("affectnet", ["labelled none"])
    assert list(entries.items()) == [
        ("train-9", ("surprise", "train", "")),
        ("train-10", ("happy", "train", "")),
    ]
    (root / "train_set/annotations/9_exp.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(InputError, match=r"9_exp\.npy: wanted an array"):
        read(root)
    (root / "train_set/annotations/9_exp.npy").unlink()
    with pytest.raises(InputError, match=r"9_exp\.npy: wanted an array"):
        read(root)


def test_rafd_is_frontal_unless_asked(put, tmp_path):
    put("RaFD/Rafd090_01_Caucasian_female_angry_frontal.jpg")
    put("RaFD/Rafd090_10_Moroccan_male_contemptuous_left.jpg")
    put("RaFD/Rafd045_07_Kid_female_surprised_right.jpg")
    frontal = {
        "Rafd090_01_Caucasian_female_angry_frontal": ("angry", "all", "01"),
        "Rafd090_10_Moroccan_male_contemptuous_left": ("contempt", "all", "10"),
    }
    assert read(tmp_path / "RaFD") == ("rafd", frontal, ["not seen from the front"])
    everything = read(tmp_path / "RaFD", ReadOptions(all_angles=True))[1]
    assert everything["Rafd045_07_Kid_female_surprised_right"] == ("surprise", "all", "07")


def test_jaffe(put, tmp_path):
    put("jaffe/KA.AN1.39.tiff")
    put("jaffe/YM.SU3.60.tiff")
    put("jaffe/other.tiff")
    wanted = {"KA.AN1.39": ("angry", "all", "KA"), "YM.SU3.60": ("surprise", "all", "YM")}
    assert read(tmp_path / "jaffe") == ("jaffe", wanted, ["its name has another form"])


def test_kdef(put, tmp_path):
    put("KDEF/AF01/AF01AFS.JPG")
    put("KDEF/AF01/AF01HAHL.JPG")
    put("KDEF/BM35/BM35SAS.JPG")
    wanted = {"AF01AFS": ("fear", "all", "F01"), "BM35SAS": ("sad", "all", "M35")}
    assert read(tmp_path / "KDEF") == ("kdef", wanted, ["not seen from the front"])


def test_names_that_do_not_fit_the_named_format(put, tmp_path):
    put("a/b.png")
    with pytest.raises(InputError, match=r"wanted pictures with names such as AF01ANS\.JPG"):
        read(tmp_path, form="kdef")


def ckplus(put, root):
    for sequence, frames in (("S005/001", 4), ("S005/002", 2), ("S010/001", 1), ("S011/001", 3)):
        for frame in range(1, frames + 1):
            name = f"{sequence.replace('/', '_')}_{frame:08d}"
            put(f"ck/cohn-kanade-images/{sequence}/{name}.png")
        folder = root / "ck" / "Emotion" / sequence
        folder.mkdir(parents=True)
        if sequence != "S011/001":
            (folder / f"{name}_emotion.txt").write_text("   3.0000000e+00\n")
    return root / "ck"


def test_ckplus_sequences(put, tmp_path):
    name, entries, dropped = read(ckplus(put, tmp_path))
    assert name == "ckplus"
    assert {name[:8] + name[-1]: row for name, row in entries.items()} == {
        "S005_0011": ("neutral", "all", "S005"),
        "S005_0012": ("disgust", "all", "S005"),
        "S005_0013": ("disgust", "all", "S005"),
        "S005_0014": ("disgust", "all", "S005"),
        "S005_0021": ("neutral", "all", "S005"),
        "S005_0022": ("disgust", "all", "S005"),
    }
    assert dropped == ["a sequence of a single frame", "a sequence without a label"]


def test_ckplus_peak_frames(put, tmp_path):
    entries = read(ckplus(put, tmp_path), ReadOptions(peak_frames=1))[1]
    assert sorted(entries) == [
        "S005_001_00000001", "S005_001_00000004", "S005_002_00000001", "S005_002_00000002",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "nan", "8.0", "1.5", "inf"])
def test_ckplus_labels_that_are_none(put, tmp_path, text):
    root = ckplus(put, tmp_path)
    (root / "Emotion/S005/001/S005_001_00000004_emotion.txt").write_text(text)
    with pytest.raises(InputError, match="wanted a label from 0 to 7"):
        read(root)


def test_ckplus_cropped(put, tmp_path):
    put("ck48/anger/S010_004_00000017.png")
    wanted = {"S010_004_00000017": ("angry", "all", "S010")}
    assert read(tmp_path / "ck48") == ("ckplus", wanted, [])


@pytest.mark.parametrize("folder", ["RAF", "RAF/basic"])
def test_rafdb(put, tmp_path, folder):
    put(f"{folder}/Image/aligned/train_00001_aligned.jpg")
    put(f"{folder}/Image/aligned/test_0001_aligned.jpg")
    labels = tmp_path / folder / "EmoLabel" / "list_patition_label.txt"
    labels.parent.mkdir()
    labels.write_text("train_00001.jpg 5\ntest_0001.jpg 7\n")
    wanted = {"train_00001": ("sad", "train", ""), "test_0001": ("neutral", "test", "")}
    assert read(tmp_path / "RAF") == ("rafdb", wanted, [])
    entry = next(FORMATS["rafdb"].read(tmp_path / "RAF", OPTIONS))
    assert entry.picture.is_file()
    labels.write_text("train_00001.jpg 5\ntrain_00002.jpg 8\n")
    with pytest.raises(InputError, match=r"list_patition_label\.txt:2: wanted a line such as"):
        read(tmp_path / "RAF")


def test_a_list_of_paths(tmp_path):
    (tmp_path / "list.csv").write_text(
        "File,Emotion,Subject,Split\npictures/subject01.happy,happy,s1,training\n"
        "pictures/a.gif,Normal,s2,\n"
    )
    wanted = {
        "pictures-subject01.happy": ("happy", "train", "s1"),
        "pictures-a": ("neutral", "all", "s2"),
    }
    assert read(tmp_path / "list.csv") == ("csv", wanted, [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na.png,wink\n", "list.csv:2: wanted an expression, found 'wink'; try: --map"),
        ("path,label,split\na.png,sad,odd\n", "list.csv:2: wanted train, validation or test"),
        ("path\na.png\n", "list.csv:1: wanted a column label or expression"),
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
    with pytest.raises(InputError, match="wanted an expression, found 'wink'"):
        read(tmp_path / "mine")
    put("flat/train/a.png")
    with pytest.raises(InputError, match=r"found the picture train/a\.png outside of one"):
        read(tmp_path / "flat")


def test_what_is_of_no_known_form(tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(InputError, match="wanted a data set of a known form"):
        detect_format(tmp_path / "a.txt")
    with pytest.raises(InputError, match="found nothing of that name"):
        detect_format(tmp_path / "missing")
