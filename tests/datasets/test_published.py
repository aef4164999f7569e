"""Sets that are not to be had freely, on small trees in the layout in which they are published."""

import numpy as np
import pytest

from fercli.common.errors import InputError
from fercli.common.images import read_color
from fercli.datasets.entries import ReadOptions
from fercli.datasets.formats import DATASET_FORMATS
from fercli.datasets.tree import read_tree

from .conftest import AFFECTNET_HEADER, OPTIONS, read


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
    assert (name, dropped) == ("affectnet", ["labeled no face"])
    assert entries == {"1-a": ("angry", "train", ""), "2-b": ("contempt", "validation", "")}
    first, _, last = DATASET_FORMATS["affectnet"].read(root, OPTIONS)
    assert first.box_xywh == (4, 5, 30, 31)
    assert last.box_xywh is None
    assert first.image == root / "Manually_Annotated_Images/1/a.jpg"


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
    assert (name, dropped) == ("affectnet", ["labeled none"])
    assert list(entries.items()) == [
        ("train-9", ("surprise", "train", "")),
        ("train-10", ("happy", "train", "")),
    ]
    (root / "train_set/annotations/9_exp.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(InputError, match=r"9_exp\.npy: Expected an array"):
        read(root)
    (root / "train_set/annotations/9_exp.npy").unlink()
    assert read(root)[2] == ["without an annotation", "labeled none"]


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
    with pytest.raises(InputError, match=r"No image has a name such as AF01ANS\.JPG"):
        read(tmp_path, form="kdef")


def few_sequences(put, root):
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
    name, entries, dropped = read(few_sequences(put, tmp_path))
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
    entries = read(few_sequences(put, tmp_path), ReadOptions(peak_frames=1))[1]
    assert sorted(entries) == [
        "S005_001_00000001", "S005_001_00000004", "S005_002_00000001", "S005_002_00000002",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "nan", "8.0", "1.5", "inf"])
def test_ckplus_labels_that_are_none(put, tmp_path, text):
    root = few_sequences(put, tmp_path)
    (root / "Emotion/S005/001/S005_001_00000004_emotion.txt").write_text(text)
    with pytest.raises(InputError, match="Expected a label from 0 to 7"):
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
    entry = next(DATASET_FORMATS["rafdb"].read(tmp_path / "RAF", OPTIONS))
    assert entry.image.is_file()
    labels.write_text("train_00001.jpg 5\ntrain_00002.jpg 8\n")
    with pytest.raises(InputError, match=r"list_patition_label\.txt:2: Expected a line such as"):
        read(tmp_path / "RAF")


SMALL = {
    "rafd": ["Rafd090_01_Caucasian_female_angry_frontal.jpg",
             "Rafd090_58_Kid_male_contemptuous_left.jpg"],
    "kdef": ["AF01/AF01ANS.JPG", "BM35/BM35SUS.JPG"],
    "jaffe": ["KA.AN1.39.tiff", "YM.SU3.60.tiff"],
}  # fmt: skip


@pytest.mark.parametrize("form", SMALL)
def test_named_files_become_a_tree(fer, put, tmp_path, form):
    for name in SMALL[form]:
        put(f"set/{name}", width=60, height=80)
    command = ["datasets", "import", tmp_path / "set", "--size=48x48", "--out", tmp_path / "out"]
    assert f"{form} ({tmp_path}/set): 2 images" in fer(*command).out
    first, last = read_tree(tmp_path / "out").records
    assert first.label == "angry"
    assert first.origin == SMALL[form][0]
    assert first.subject.startswith(f"{form}:")
    assert first.subject != last.subject


def test_affectnet_and_ferplus_become_one_tree(fer, fer_csv, put, tmp_path):
    """Faces are cut out by their boxes; each image's source is kept."""
    face = np.full((64, 64, 3), 30, np.uint8)
    face[10:50, 20:60] = np.arange(40 * 40 * 3).reshape(40, 40, 3) % 251
    put("AffectNet/Manually_Annotated_Images/1/a.png", image=face)
    (tmp_path / "AffectNet/training.csv").write_text(
        AFFECTNET_HEADER + "1/a.png,20,10,40,40,1;2,7,0,0\n"
    )
    votes = tmp_path / "fer2013new.csv"
    votes.write_text(
        "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,"
        "NF\nTraining,fer0000000.png,0,10,0,0,0,0,0,0,0,0\n"
    )
    result = fer(
        "datasets", "import", f"ferplus={fer_csv([(3, 'Training')])}", tmp_path / "AffectNet",
        "--classes", "8", "--size", "40x40", "--out", tmp_path / "both",
    )  # fmt: skip
    assert result.status == 0
    tree = read_tree(tmp_path / "both")
    assert {r.file: (r.source, r.origin, r.votes) for r in tree.records} == {
        "train/contempt/affectnet-1-a.png": ("affectnet", "1/a.png", ()),
        "train/happy/ferplus-fer0000000.png": (
            "ferplus", "fer2013.csv:2", (0, 0, 0, 0, 10, 0, 0, 0),
        ),
    }  # fmt: skip
    assert (read_color(tree.path(tree.records[0])) == face[10:50, 20:60]).all()
    assert [source["name"] for source in tree.manifest.sources] == ["ferplus", "affectnet"]


@pytest.mark.parametrize(
    "content",
    [
        b"\x93NUMPY\x01\x00\x20\x00{'descr': '<i8', 'shape': ((    ",
        b"\x93NUMPY\x01\x00\x38\x00{'descr': '<U1', 'fortran_order': False, 'shape': (), }\n"
        b"\xff\xff\xff\x7f",
    ],
)
def test_affectnet_arrays_that_are_damaged(put, tmp_path, content):
    put("AffectNet/train_set/images/9.jpg")
    (tmp_path / "AffectNet/train_set/annotations").mkdir()
    (tmp_path / "AffectNet/train_set/annotations/9_exp.npy").write_bytes(content)
    with pytest.raises(InputError, match=r"9_exp\.npy: Expected an array"):
        read(tmp_path / "AffectNet")


@pytest.mark.parametrize("path", ["a" * 300 + ".jpg", "", ".", "a/"])
def test_affectnet_tables_of_odd_names_and_boxes(tmp_path, path):
    table = tmp_path / "training.csv"
    table.write_text(AFFECTNET_HEADER + f"{path},inf,nan,9,1e999,,6,,\n")
    (entry,) = DATASET_FORMATS["affectnet"].read(tmp_path, OPTIONS)
    assert entry.box_xywh is None
