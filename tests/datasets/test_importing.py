"""The whole way from sources to a tree, through the command."""

import csv
import hashlib
import json
import os
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from fercli.common.errors import (
    FerError,
    InputError,
    OptionError,
    OutputError,
    OutputExistsError,
)
from fercli.common.files import folder_lock
from fercli.datasets.entries import fit
from fercli.datasets.expressions import ImportOptions, decide_by_votes, parse_classes
from fercli.datasets.importing import import_sources
from fercli.datasets.manifest import read_files
from fercli.datasets.sources import find_sources
from fercli.datasets.tree import read_tree

ROWS = [(3, "Training"), (0, "PublicTest"), (6, "PrivateTest"), (3, "Training")]


def files(root):
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def do_import(sources, out, classes=None, **options):
    options = ImportOptions(parse_classes(classes), **options)
    return import_sources(find_sources([str(s) for s in sources], options.votes), out, options)


def test_fer2013_to_a_tree(fer, fer_csv, tmp_path):
    table = fer_csv(ROWS)
    result = fer("datasets", "import", table, "--out", tmp_path / "out", "--json")
    assert result.status == 0
    assert json.loads(result.out)["counts"]["train"] == {"angry": 0, "happy": 2, "neutral": 0}
    tree = read_tree(tmp_path / "out")
    assert [record.file for record in tree.records] == [
        "test/neutral/fer0000002.png",
        "train/happy/fer0000000.png",
        "train/happy/fer0000003.png",
        "validation/angry/fer0000001.png",
    ]
    pixels = cv2.imread(str(tmp_path / "out/train/happy/fer0000003.png"), cv2.IMREAD_UNCHANGED)
    row = table.read_text().splitlines()[4].split(",")[1]
    assert pixels.shape == (48, 48)
    assert row == " ".join(map(str, pixels.ravel()))
    for record in tree.records:
        assert hashlib.sha256(tree.path(record).read_bytes()).hexdigest() == record.sha256
        assert record.origin.startswith("fer2013.csv:")
    # Keras takes classes from folders: each split must have all of them.
    assert {p.name for p in (tmp_path / "out/test").iterdir()} == {"angry", "happy", "neutral"}
    assert tree.manifest.sources[0]["sha256"] == hashlib.sha256(table.read_bytes()).hexdigest()
    assert (
        "train: not as published"
        in fer("datasets", "import", table, "--out", tmp_path / "again").out
    )


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (" ".join(["7"] * 2303), "fer2013.csv:3: Expected 2304 gray levels .*got 2303"),
        (" ".join(["256"] * 2304), "fer2013.csv:3: Expected gray levels from 0 to 255"),
        (" ".join(["nan"] * 2304), "fer2013.csv:3: Expected gray levels from 0 to 255"),
        (
            ",".join(["7"] * 2304),
            "fer2013.csv:3: Expected gray levels .*got '7,7,7,7,7,7,7,7,7,7,'",
        ),
        ("9" * 5000, "fer2013.csv:3: Expected gray levels .*got '99999999999999999999'"),
    ],
)
def test_a_row_of_other_pixels_is_named_and_counted(fer_csv, tmp_path, pixels, message):
    table = fer_csv(ROWS, pixels={1: pixels})
    with pytest.raises(InputError, match=message):
        do_import([table], tmp_path / "strict", strict=True)
    (report,) = do_import([table], tmp_path / "out").reports
    assert (report.images, [one.origin for one in report.skipped]) == (3, ["fer2013.csv:3"])
    assert message.split(": ")[1].split(" .*")[0] in report.skipped[0].reason


def test_an_import_is_the_same_with_any_number_of_workers(fer, fer_csv, tmp_path):
    table = fer_csv([(number % 7, "Training") for number in range(40)])
    trees = []
    for name, options in (("a", ["-j1"]), ("b", ["-j2"]), ("c", ["-j2", "--parallel", "threads"])):
        out = tmp_path / name
        assert fer("datasets", "import", table, "--out", out, *options).status == 0
        trees.append(files(out))
    assert trees[0] == trees[1] == trees[2]


def test_finished_trees_are_not_overwritten_unless_asked(fer_csv, tmp_path):
    table = fer_csv(ROWS)
    do_import([table], tmp_path / "out")
    before = files(tmp_path / "out")
    with pytest.raises(OutputExistsError, match="holds a data set already; try: use --overwrite"):
        do_import([table], tmp_path / "out")
    assert files(tmp_path / "out") == before
    scheme = ImportOptions(parse_classes("happy,rest=neutral"))
    import_sources(find_sources([str(table)]), tmp_path / "out", scheme, overwrite=True)
    assert sorted(p.name for p in (tmp_path / "out/train").iterdir()) == ["happy", "rest"]
    assert not (tmp_path / "out/validation").exists()


def test_a_folder_with_other_things_is_left_alone_even_with_overwrite(fer_csv, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.txt").write_text("years of work")
    with pytest.raises(OutputExistsError, match=r"thesis\.txt in it was not written by fer"):
        import_sources(
            find_sources([str(fer_csv(ROWS))]),
            tmp_path / "out",
            ImportOptions(parse_classes(None)),
            overwrite=True,
        )
    assert (tmp_path / "out/thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize(
    "other", ["notes.txt", "happy.png", "train/bored/0.png", "train/happy/.DS_Store", "a/b/c/d.txt"]
)
def test_a_tree_with_files_of_others_stays_whole_even_with_overwrite(fer, fer_csv, tmp_path, other):
    command = ["datasets", "import", fer_csv(ROWS), "-j1", "--out", tmp_path / "out"]
    assert fer(*command).status == 0
    (tmp_path / "out" / other).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "out" / other).write_text("work of others")
    before = files(tmp_path / "out")
    result = fer(*command, "--overwrite")
    told = f"{'/'.join(other.split('/')[:3])} in it was not"
    assert (result.status, told in result.err) == (1, True), result.err
    assert files(tmp_path / "out") == before


def test_what_a_killed_run_left_can_be_overwritten(fer, fer_csv, tmp_path):
    command = ["datasets", "import", fer_csv(ROWS), "-j1", "--out", tmp_path / "out"]
    assert fer(*command).status == 0
    before = files(tmp_path / "out")
    for name in (".fer-a.json", "train/happy/.fer-b.png"):
        (tmp_path / "out" / name).touch()
    assert fer(*command, "--overwrite").status == 0
    assert files(tmp_path / "out") == before


def test_a_stopped_import_goes_on(fer_csv, tmp_path):
    rows = [(number % 7, "Training") for number in range(200)]
    bad = fer_csv(rows, pixels={150: "1 2 3"})
    with pytest.raises(InputError, match=r"fer2013\.csv:152"):
        do_import([bad], tmp_path / "out", strict=True)
    there = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*.png")}
    assert len(there) >= 128
    assert not (tmp_path / "out/dataset.json").exists()
    # The last line is cut off, as by a power failure; the row is still wrong.
    journal = tmp_path / "out/.unfinished.csv"
    journal.write_bytes(journal.read_bytes()[:-10])
    with pytest.raises(InputError):
        do_import([bad], tmp_path / "out", strict=True)
    again = {p: p.stat().st_mtime_ns for p in there}
    assert sum(again[p] != there[p] for p in there) <= 32 + 150 - 128
    good = fer_csv(rows)
    with pytest.raises(OutputExistsError, match="unfinished data set of other sources"):
        do_import([good], tmp_path / "out")


def test_only_one_works_in_a_tree(fer_csv, tmp_path):
    table = fer_csv(ROWS)
    (tmp_path / "out").mkdir()
    with folder_lock(tmp_path / "out", "another"), pytest.raises(OutputError, match="under way"):
        do_import([table], tmp_path / "out")
    assert do_import([table], tmp_path / "out").reports[0].images == 4


def test_names_that_are_not_utf8(fer, put, tmp_path):
    odd = os.fsdecode(b"\xff")
    put(f"{odd}/happy/{odd}.png")
    put(f"{odd}/sad/b.png")
    (tmp_path / f"{odd}/sad/{odd}.png").touch()
    result = fer("datasets", "import", tmp_path / odd, "--out", tmp_path / "out")
    assert (result.status, "could not be used: 1" in result.out) == (0, True)
    assert [record.file for record in read_tree(tmp_path / "out").records] == [
        "all/happy/_.png", "all/sad/b.png",
    ]  # fmt: skip
    for name in ("happy", "sad"):
        put(f"tree/train/{name}/{odd}.png")
    out = tmp_path / odd / "s"
    assert fer("datasets", "split", tmp_path / "tree", "--ratios=1,1", "--out", out).status == 0
    assert fer("datasets", "stats", out).status == 0


def png_header(width, height):
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height) + b"IEND" * 3


def test_images_that_cannot_be_used_are_listed(fer, put, tmp_path):
    put("in/happy/good.png")
    put("in/sad/good.jpg")
    put("in/sad/one.png", width=1, height=1)
    (tmp_path / "in/sad/text.png").write_text("not an image")
    (tmp_path / "in/sad/empty.png").touch()
    (tmp_path / "in/sad/huge.png").write_bytes(png_header(40_000, 40_000))
    result = fer("datasets", "import", tmp_path / "in", "--out", tmp_path / "out")
    assert result.status == 0
    assert "could not be used: 4, listed in" in result.out
    with (tmp_path / "out/skipped.csv").open() as stream:
        reasons = {row["origin"]: row["reason"] for row in csv.DictReader(stream)}
    assert {name: reasons[f"sad/{name}.png"].split(",")[0] for name in ("one", "empty")} == {
        "one": "Expected sides of at least 8 pixels",
        "empty": "Expected an image",
    }
    assert "megapixels" in reasons["sad/huge.png"]
    assert len(read_tree(tmp_path / "out").records) == 2
    strict = fer("datasets", "import", tmp_path / "in", "--out", tmp_path / "s", "--strict")
    assert strict.status == 1
    assert "in/sad/" in strict.err


def test_several_sources_in_one_tree_keep_where_images_came_from(fer_csv, put, tmp_path):
    put("mine/happy/a.png")
    put("mine/happy/A.jpg")
    put("yours/happy/a.png")
    sources = [fer_csv(ROWS), tmp_path / "mine", f"folder={tmp_path / 'yours'}"]
    result = do_import(sources, tmp_path / "out")
    rows = {r.file: (r.source, r.origin) for r in read_files(tmp_path / "out")}
    assert rows["train/happy/fer2013-fer0000000.png"] == ("fer2013", "fer2013.csv:2")
    assert rows["all/happy/folder-A.png"] == ("folder", "happy/A.jpg")
    assert rows["all/happy/folder-a-2.png"] == ("folder", "happy/a.png")
    assert rows["all/happy/folder2-a.png"] == ("folder2", "happy/a.png")
    assert [report.images for report in result.reports] == [4, 2, 1]


def test_own_classes_and_words(fer, put, tmp_path):
    put("in/smirk/a.png")
    put("in/blurred/b.png")
    put("in/masked/c.png")
    command = ["datasets", "import", tmp_path / "in", "--out", tmp_path / "out"]
    assert "'blurred' is not an expression" in fer(*command).err
    result = fer(
        *command, "--map", "smirk=contempt", "--map", "blurred=", "--classes", "contempt,masked",
    )  # fmt: skip
    assert "left out: 1 labeled blurred" in result.out
    assert read_tree(tmp_path / "out").classes == ("contempt", "masked")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (".cache/h0.png", "cache-h0"),
        ("../.cache/..x.png", "cache-..x"),
        ("...png", "image"),
        ("表" * 80 + "/" + "情" * 80 + ".png", "表" * 57 + "-b64fa448"),
        ("x/" + "情" * 80 + ".png", "x-" + "情" * 56 + "-9627e3a6"),
    ],
    ids=["hidden folder", "above", "dots", "long path", "cut within a letter"],
)
def test_names_that_are_hidden_or_long(put, tmp_path, name, wanted):
    (tmp_path / "in").mkdir()
    put(f"in/{name}")
    (tmp_path / "in/list.csv").write_text(f"path,label\n{name},happy\n")
    do_import([tmp_path / "in/list.csv"], tmp_path / "out")
    records = read_tree(tmp_path / "out").records
    assert [record.file for record in records] == [f"all/happy/{wanted}.png"]


def test_long_names_of_several_sources_stay_apart(put, tmp_path):
    for name in ("a", "b"):
        put(f"in/happy/{'情' * 80}{name}.png")
    do_import([tmp_path / "in", tmp_path / "in"], tmp_path / "out")
    found = [record.file.split("/")[2] for record in read_tree(tmp_path / "out").records]
    assert len(found) == 4
    assert max(len(name.encode()) for name in found) <= 186


def test_long_names_that_begin_alike_stay_apart_without_numbers(put, tmp_path):
    for name in "abc":
        put(f"all/happy/{'情' * 80}{name}.png")
    put(f"one/happy/{'情' * 80}b.png")
    do_import([tmp_path / "all"], tmp_path / "out")
    do_import([tmp_path / "one"], tmp_path / "alone")
    found = [record.file for record in read_tree(tmp_path / "out").records]
    assert {len(Path(name).stem.encode()) for name in found} == {180}
    assert len(found) == 3
    assert {record.file for record in read_tree(tmp_path / "alone").records} < set(found)


def labels(root):
    return sorted(record.label for record in read_tree(root).records)


def test_a_word_means_something_else_where_labels_are_numbers(fer, fer_csv, tmp_path):
    command = ["datasets", "import", fer_csv([(1, "Training"), (2, "Training"), (3, "Training")])]
    result = fer(*command, "--map", "Disgust=anger", "--map", "fear=", "--out", tmp_path / "out")
    assert "left out: 1 labeled fear" in result.out
    assert labels(tmp_path / "out") == ["angry", "happy"]


@pytest.mark.parametrize("word", ["di", "disgust", "disgusted"])
def test_a_word_means_something_else_where_labels_are_codes(put, tmp_path, word):
    for name in ("KA.DI1.42.png", "KA.HA1.29.png"):
        put(f"in/{name}")
    do_import([tmp_path / "in"], tmp_path / "out", renames={word: "angry"})
    assert labels(tmp_path / "out") == ["angry", "happy"]


@pytest.mark.parametrize("source", ["in", "in/list.csv"])
def test_words_are_not_given_another_meaning_twice(put, tmp_path, source):
    for label in ("fear", "sad"):
        put(f"in/{label}/a.png")
    (tmp_path / "in/list.csv").write_text("path,label\nfear/a.png,fear\nsad/a.png,sad\n")
    do_import([tmp_path / source], tmp_path / "out", renames={"fear": "sad", "sad": "fear"})
    rows = {r.label: r.origin for r in read_files(tmp_path / "out")}
    assert rows == {"sad": "fear/a.png", "fear": "sad/a.png"}


HEADER_OF_VOTES = (
    "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"
)


@pytest.mark.parametrize(
    ("word", "others", "refused"),
    [("disgust", False, True), ("di", True, True), ("wink", False, True), ("wink", True, False)],
)
def test_words_where_votes_decide(fer_csv, put, tmp_path, word, others, refused):
    table = fer_csv([(3, "Training")])
    votes = HEADER_OF_VOTES + "Training,fer0000000.png,0,9,0,0,0,0,0,0,0,1\n"
    (tmp_path / "fer2013new.csv").write_text(votes)
    put("in/wink/a.png")
    sources = [f"ferplus={table}", *([tmp_path / "in"] if others else [])]
    if refused:
        with pytest.raises(OptionError, match=f"`renames`: {word}=sad cannot .*use `classes`"):
            do_import(sources, tmp_path / "out", renames={word: "sad"})
    else:
        do_import(sources, tmp_path / "out", renames={word: "sad"})
        assert labels(tmp_path / "out") == ["happy", "sad"]


def test_votes_are_for_the_classes_that_occur(fer_csv, tmp_path):
    table = fer_csv([(3, "Training"), (4, "Training")])
    votes = ("0,6,0,0,0,0,0,3,1,0", "0,0,0,9,1,0,0,0,0,0")
    rows = "".join(f"Training,fer{at}.png,{row}\n" for at, row in enumerate(votes))
    (tmp_path / "fer2013new.csv").write_text(HEADER_OF_VOTES + rows)
    do_import([f"ferplus={table}"], tmp_path / "out")
    tree = read_tree(tmp_path / "out")
    assert tree.classes == ("happy", "sad")
    assert [record.votes for record in tree.records] == [(6, 0), (0, 9)]


GOOD_ROWS = "emotion,pixels,Usage\n" + f"4,{' '.join(['9'] * 2304)},Training\n" * 100


@pytest.mark.parametrize(
    ("text", "classes", "message"),
    [
        ("path,label\na.png,wink\n", None, "list.csv:2: 'wink' is not an expression"),
        ("path,label\n", None, "list.csv: No image can be used: there is none in it"),
        ("path,label\na.png,sad\n", "happy,angry", r"used: sad: not among the classes \(1\)"),
        ("path,label\na/b.png,sad\n", None, r"found nothing of that name \(1\), such as a/b\.png"),
        ("emotion,pixels,Usage\n3,1 2 3,Training\n", None, r"gray levels .* such as list\.csv:2"),
        (f"{GOOD_ROWS}9,1 2 3,Training\n", None, "list.csv:102: Expected an emotion"),
    ],
    ids=["label", "no row", "no class", "no image", "pixels", "label of the last row"],
)
def test_a_tree_stays_if_nothing_can_replace_it(fer_csv, tmp_path, text, classes, message):
    do_import([fer_csv(ROWS)], tmp_path / "out")
    before = files(tmp_path / "out")
    (tmp_path / "list.csv").write_text(text)
    options = ImportOptions(parse_classes(classes))
    with pytest.raises(FerError, match=message):
        import_sources(
            find_sources([str(tmp_path / "list.csv")]), tmp_path / "out", options, overwrite=True
        )
    assert files(tmp_path / "out") == before


def test_size_and_channels(put, tmp_path):
    gray, color = texture(1, 60, 40), np.dstack([texture(seed, 60, 40) for seed in (1, 2, 3)])
    put("in/happy/gray.png", image=cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR))
    put("in/happy/color.png", image=color)
    for channels, wanted in (
        ("keep", {"gray": (20, 20), "color": (20, 20, 3)}),
        ("gray", {"gray": (20, 20), "color": (20, 20)}),
        ("color", {"gray": (20, 20, 3), "color": (20, 20, 3)}),
    ):
        out = tmp_path / channels
        do_import([tmp_path / "in"], out, size_wh=(20, 20), channels=channels)
        found = {
            name: cv2.imread(str(out / f"all/happy/{name}.png"), cv2.IMREAD_UNCHANGED).shape
            for name in wanted
        }
        assert found == wanted


def test_fit_cuts_about_the_center():
    image = np.zeros((40, 60), np.uint8)
    image[:, 10:50] = 200
    assert (fit(image, (20, 20)) == 200).all()
    assert fit(image, (30, 20)).min() == 0


def texture(seed, width=48, height=48):
    noise = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2)


def naive_majority(row):
    """The rule of the authors' own program, for the file's columns without the first two."""
    votes = [0 if count < 2 else count for count in row]
    best = max(range(10), key=lambda at: votes[at])
    return best if votes[best] > 0.5 * sum(votes) and best < 8 else None


FILE_ORDER = ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt")


def test_votes_are_decided_as_by_the_authors(rng):
    options = ImportOptions(parse_classes("8"))
    for row in rng.multinomial(10, [0.4, 0.2, *[0.05] * 8], 500).tolist():
        by_name = dict(zip((*FILE_ORDER, "unknown", "not-a-face"), row, strict=True))
        votes = [by_name[name] for name in (*sorted(FILE_ORDER), "unknown", "not-a-face")]
        best = naive_majority(row)
        wanted = None if best is None else FILE_ORDER[best]
        assert decide_by_votes(votes, options)[0] == wanted


@pytest.mark.parametrize(
    ("votes", "options", "wanted"),
    [
        # angry contempt disgust fear happy neutral sad surprise unknown not-a-face
        ([3, 0, 3, 0, 0, 4, 0, 0, 0, 0], {"classes": "8"}, (None, (), "no agreement")),
        ([3, 0, 3, 0, 0, 4, 0, 0, 0, 0], {"classes": "5"}, ("angry", (6, 0, 4, 0, 0), "")),
        ([0, 0, 0, 8, 0, 2, 0, 0, 0, 0], {"classes": "5"}, (None, (), "voted fear")),
        ([0, 0, 0, 0, 0, 0, 0, 0, 0, 9], {"classes": "5"}, (None, (), "voted not-a-face")),
        ([1] * 10, {"classes": "8"}, (None, (), "no votes that count")),
        ([0, 0, 0, 0, 4, 3, 3, 0, 0, 0], {"classes": "5", "agreement": 0.0},
         ("happy", (0, 4, 3, 3, 0), "")),
        ([0, 0, 0, 0, 4, 4, 2, 0, 0, 0], {"classes": "5", "agreement": 0.0},
         (None, (), "no agreement")),
        ([0, 0, 0, 0, 6, 1, 1, 1, 1, 0], {"classes": "5", "least_votes": 1},
         ("happy", (0, 6, 1, 1, 1), "")),
    ],
)  # fmt: skip
def test_votes_by_hand(votes, options, wanted):
    scheme = parse_classes(options.pop("classes"))
    assert decide_by_votes(votes, ImportOptions(scheme, **options)) == wanted


@pytest.mark.data
@pytest.mark.slow
def test_the_real_ferplus_votes_as_the_authors_decide_them(data):
    options = ImportOptions(parse_classes("8"))
    differing = 0
    with (data / "ferplus" / "fer2013new.csv").open() as stream:
        for row in csv.reader(stream):
            if row[0] == "Usage":
                continue
            counts = list(map(int, row[2:]))
            by_name = dict(zip((*FILE_ORDER, "unknown", "not-a-face"), counts, strict=True))
            votes = [by_name[name] for name in (*sorted(FILE_ORDER), "unknown", "not-a-face")]
            best = naive_majority(counts)
            wanted = None if best is None else FILE_ORDER[best]
            differing += decide_by_votes(votes, options)[0] != wanted
    assert differing == 0
