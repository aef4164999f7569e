"""Whole sets of empty files, with every name that the published one has: the counts are right."""

import itertools
from collections import Counter

import pytest

from fercli.datasets.entries import Entry
from fercli.datasets.formats import DATASET_FORMATS, ckplus, detect_format, rafdb
from fercli.datasets.formats.affectnet import LABELS as AFFECTNET_LABELS
from fercli.datasets.formats.affectnet import PUBLISHED as AFFECTNET
from fercli.datasets.sources import compare_counts

from .conftest import AFFECTNET_HEADER, OPTIONS


def touch(root, names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def whole_rafd(root):
    """57 adults and 10 children; 5 angles, 8 expressions, 3 gazes."""
    people = [(f"{number:02d}", "Caucasian", "female") for number in range(1, 40)]
    people += [(f"{number:02d}", "Moroccan", "male") for number in range(40, 58)]
    people += [(f"{number:02d}", "Kid", "male") for number in range(58, 68)]
    expressions = ("angry", "contemptuous", "disgusted", "fearful", "happy", "neutral", "sad",
                   "surprised")  # fmt: skip
    touch(root, [
        f"Rafd{angle}_{number}_{group}_{gender}_{expression}_{gaze}.jpg"
        for (number, group, gender), angle, expression, gaze in itertools.product(
            people, ("000", "045", "090", "135", "180"), expressions, ("frontal", "left", "right")
        )
    ])  # fmt: skip


def whole_kdef(root):
    """70 people, a folder each session, 7 expressions, 5 angles."""
    touch(root, [
        f"{who}/{who}{expression}{angle}.JPG"
        for session, gender, number in itertools.product("AB", "FM", range(1, 36))
        for who in [f"{session}{gender}{number:02d}"]
        for expression in ("AF", "AN", "DI", "HA", "NE", "SA", "SU")
        for angle in ("FL", "HL", "S", "HR", "FR")
    ])  # fmt: skip


def whole_jaffe(root):
    codes = {"AN": 30, "DI": 29, "FE": 32, "HA": 31, "NE": 30, "SA": 31, "SU": 30}
    people = itertools.cycle(("KA", "KL", "KM", "KR", "MK", "NA", "NM", "TM", "UY", "YM"))
    number = itertools.count(1)
    touch(root, [
        f"{who}.{code}{at // 10 + 1}.{next(number)}.tiff"
        for code, count in codes.items()
        for at, who in zip(range(count), people, strict=False)
    ])  # fmt: skip
    touch(root, ["README_FIRST.txt"])


def whole_ckplus(root):
    """593 sequences, of which 327 have a label; those without have an empty folder."""
    labels = [label for label, count in ckplus.SEQUENCES.items() for _ in range(count)]
    for at in range(593):
        sequence = f"S{5 + at // 5:03d}/{at % 5 + 1:03d}"
        stem = sequence.replace("/", "_")
        touch(root / ckplus.IMAGES / sequence, [f"{stem}_{n:08d}.png" for n in range(1, 7)])
        folder = root / ckplus.EMOTIONS / sequence
        folder.mkdir(parents=True)
        if at < len(labels):
            number = ckplus.LABELS.index(labels[at])
            (folder / f"{stem}_00000006_emotion.txt").write_text(f"   {number:.7e}\n")


def whole_rafdb(root):
    lines = [
        f"{split}_{number:05d}.jpg {rafdb.LABELS.index(label) + 1}"
        for split, row in rafdb.PUBLISHED.items()
        for number, label in enumerate((n for n, count in row.items() for _ in range(count)), 1)
    ]
    (root / "basic/EmoLabel").mkdir(parents=True)
    (root / "basic/EmoLabel/list_patition_label.txt").write_text("\n".join(lines) + "\n")
    (root / "basic/Image/aligned").mkdir(parents=True)


def whole_affectnet(root):
    """Both tables, with images of no expression among the others."""
    folder = root / "Manually_Annotated_file_lists"
    folder.mkdir(parents=True)
    for name, split in (("training.csv", "train"), ("validation.csv", "validation")):
        with (folder / name).open("w") as stream:
            stream.write(AFFECTNET_HEADER)
            for number, label in enumerate(AFFECTNET_LABELS):
                line = f",10,20,100,110,0.1;0.2,{number},-0.5,0.25\n"
                some = AFFECTNET[split][label]
                stream.writelines(f"{at % 1000}/{number}{at:08x}.jpg{line}" for at in range(some))
            stream.writelines(f"7/{n:08x}.jpg,0,0,9,9,,{8 + n % 3},-2,-2\n" for n in range(900))


@pytest.mark.parametrize(
    ("form", "make", "total", "dropped"),
    [
        ("rafd", whole_rafd, 1608, {"not seen from the front": 8040 - 1608}),
        ("kdef", whole_kdef, 980, {"not seen from the front": 4900 - 980}),
        ("jaffe", whole_jaffe, 213, {"not an image by its suffix": 1}),
        ("ckplus", whole_ckplus, 981 + 327, {"a sequence without a label": 593 - 327}),
        ("rafdb", whole_rafdb, 15_339, {}),
        pytest.param(
            "affectnet", whole_affectnet, 291_651,
            {f"labeled {why}": 600 for why in ("none", "uncertain", "no face")},
            marks=pytest.mark.slow,
        ),
    ],
)  # fmt: skip
def test_whole_sets_have_the_published_counts(tmp_path, form, make, total, dropped):
    make(tmp_path / "set")
    assert detect_format(tmp_path / "set").name == form
    found, left_out = Counter(), Counter()
    for item in DATASET_FORMATS[form].read(tmp_path / "set", OPTIONS):
        if isinstance(item, Entry):
            found[item.split, item.label] += 1
        else:
            left_out[item.reason] += 1
    assert (found.total(), left_out) == (total, dropped)
    verdicts = compare_counts(found, DATASET_FORMATS[form].published)
    assert set(verdicts.values()) == {"as published"}
