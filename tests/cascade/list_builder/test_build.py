import csv
import json
import os
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from PIL import Image

from fercli.annotations.opencv_lists import read_background_list
from fercli.annotations.reading import read_annotations
from fercli.annotations.validate import check_list
from fercli.cascade.list_builder.build import build_description
from fercli.cascade.list_builder.options import BoxRules, CollectOptions, FileOptions
from fercli.cascade.model import (
    Cascade,
    HaarFeature,
    Node,
    Stage,
    WeakClassifier,
    WeightedRectangle,
    write_cascade,
)
from fercli.common.errors import (
    AnnotationError,
    FerError,
    InputError,
    OptionError,
    OutputError,
    OutputExistsError,
)


@pytest.fixture
def crops(tmp_path, make_image):
    """A folder of 20 different crops."""
    for number in range(20):
        make_image(f"faces/{number:02}.png", 30 + number, 30)
    return tmp_path / "faces"


@pytest.fixture
def scenes(tmp_path, make_image):
    """A folder of 10 different images."""
    for number in range(10):
        make_image(f"scenes/{number}.png", 90 + number, 70)
    return tmp_path / "scenes"


@pytest.fixture
def build(tmp_path):
    """Build into tmp_path/out: ``build([positives], [negatives], take=5)``."""

    def run(positives, negatives=(), names="auto", overwrite=False, also=None, **options):
        files = FileOptions(names=names, overwrite=overwrite, also=also)
        out = tmp_path / "out"
        return build_description(positives, negatives, out, CollectOptions(**options), files)

    return run


def info(tmp_path, name="info.dat"):
    path = tmp_path / "out" / name
    return {p.path.resolve().name: p.boxes_xywh for p in read_annotations(path, format="info")}


def table(path):
    with path.open(newline="", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def test_whole_images_and_negatives(tmp_path, crops, scenes, build):
    report = build([crops], [scenes])
    assert info(tmp_path) == {f"{n:02}.png": ((0, 0, 30 + n, 30),) for n in range(20)}
    names = read_background_list(tmp_path / "out" / "bg.txt")
    assert sorted(names) == sorted(scenes.iterdir())
    assert all(name.is_absolute() for name in names)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["bg.txt", "info.dat"]
    assert {path.name: text for path, text in report.files.items()} == {
        "info.dat": "20 boxes in 20 images",
        "bg.txt": "10 images",
    }
    assert report.sizes.window_wh == (24, 24) or report.sizes.window_wh[1] < 24


def test_what_it_writes_has_no_problem(tmp_path, crops, scenes, build):
    build([crops], [scenes], test=0.2)
    for name in ("info.dat", "test_info.dat", "bg.txt", "test_bg.txt"):
        assert check_list(tmp_path / "out" / name).problems == ()


def test_a_broken_image_among_them(tmp_path, crops, scenes, build):
    (crops / "07.png").write_bytes((crops / "07.png").read_bytes()[:99])
    (scenes / "3.png").write_bytes(b"")
    report = build([crops], [scenes])
    assert "07.png" not in info(tmp_path)
    assert len(info(tmp_path)) == 19
    assert report.positives.reasons == {"unreadable": 1}
    assert f"unreadable: {crops / '07.png'}: The image is truncated" in report.to_text()
    assert f"unreadable: {scenes / '3.png'}: Expected an image, got an empty" in report.to_text()
    (row,) = table(tmp_path / "out" / "info_left_out.csv")
    assert (row["path"], row["reason"]) == (str(crops / "07.png"), "unreadable")
    (row,) = table(tmp_path / "out" / "bg_left_out.csv")
    assert (row["path"], row["reason"]) == (str(scenes / "3.png"), "unreadable")


def test_nothing_usable(tmp_path, build):
    (tmp_path / "faces").mkdir()
    with pytest.raises(
        AnnotationError, match=r"no usable positive in 0 images; try: use --extensions"
    ):
        build([tmp_path / "faces"])
    (tmp_path / "faces" / "a.png").touch()
    with pytest.raises(
        AnnotationError, match=r"no usable positive in 1 image: 1 unreadable; .* a\.png|empty"
    ):
        build([tmp_path / "faces"])
    with pytest.raises(AnnotationError, match="usable negative"):
        build([], [tmp_path / "faces"])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", "path,x,y,w,h\n"), ("a.json", '{"images": [], "annotations": []}')],
)
def test_endings_are_no_advice_for_an_empty_file(tmp_path, build, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(AnnotationError, match=r"no usable positive in 0 images$"):
        build([tmp_path / name])


@pytest.mark.parametrize("extensions", [(".jpg",), ("",)])
def test_endings_are_those_of_images_in_folders_alone(tmp_path, crops, scenes, build, extensions):
    (tmp_path / "list").write_text(f"{scenes / '1.png'}\n")
    build([crops / "00.png"], [scenes / "0.png", tmp_path / "list"], extensions=extensions)
    names = read_background_list(tmp_path / "out" / "bg.txt")
    assert sorted(names) == [scenes / "0.png", scenes / "1.png"]


def test_annotations_of_which_some_are_malformed(tmp_path, crops, build):
    text = "00.png,1,2,10,10\n01.png,1,2,x,10\n02.png,1,2,0,10\n03.png\n04.png,20,20,40,40\n"
    (crops / "boxes.csv").write_text(text + "05.png,-2,0,12,12\n")
    report = build([crops / "boxes.csv"])
    assert info(tmp_path) == {"00.png": ((1, 2, 10, 10),), "05.png": ((0, 0, 10, 12),)}
    assert report.positives.reasons == {
        "malformed annotation": 1,
        "empty box": 1,
        "box outside the image": 1,
    }
    assert report.positives.without_box == 1
    assert "boxes clipped to the image: 1" in report.to_text()
    assert "line 2: Expected x,y,w,h as numbers, got '1,2,x,10'" in report.to_text()


def test_a_malformed_info_file_ends_the_run_because_the_rest_of_it_is_lost(crops, build):
    (crops / "info.dat").write_text("00.png 1 0 0 5 5\n01.png 1 0 0 5\n02.png 1 0 0 5 5\n")
    with pytest.raises(AnnotationError, match=r"info\.dat:2: .* check-info"):
        build([crops / "info.dat"])


def test_several_sources_of_the_same_image_are_joined(tmp_path, crops, build):
    (crops / "a.csv").write_text("00.png,1,2,10,10\n")
    (crops / "b.csv").write_text("00.png,1,2,10,10\n00.png,5,5,10,10\n")
    report = build([crops / "a.csv", crops / "b.csv"])
    assert info(tmp_path) == {"00.png": ((1, 2, 10, 10), (5, 5, 10, 10))}
    assert report.positives.reasons == {"duplicate": 1}


def test_boxes_are_widened_padded_and_sifted(tmp_path, crops, build):
    (crops / "a.csv").write_text("00.png,10,10,8,4\n01.png,3,3,4,4\n")
    build([crops / "a.csv"], rules=BoxRules((24, 24), 0.25, (12, 12)))
    assert info(tmp_path) == {"00.png": ((8, 6, 12, 12),)}


def test_labels_that_are_not_chosen_are_told(crops, build):
    (crops / "a.csv").write_text("path,x,y,w,h,label\n00.png,1,1,9,9,cat\n00.png,5,5,9,9,dog\n")
    report = build([crops / "a.csv"])
    assert "of several labels (--label takes one): 1 cat, 1 dog" in report.to_text()


def test_duplicates(tmp_path, crops, scenes, build):
    for folder in (crops, scenes):
        first = min(folder.iterdir())
        (folder / "copy.png").write_bytes(first.read_bytes())
    (scenes / "face.png").write_bytes((crops / "05.png").read_bytes())
    report = build([crops], [scenes])
    assert report.positives.reasons == {"duplicate": 1}
    assert report.negatives.reasons == {"also a positive": 1, "duplicate": 1}
    kept = build([crops], [scenes], overwrite=True, keep_duplicates=True)
    assert kept.positives.reasons == kept.negatives.reasons == {}
    assert not (tmp_path / "out" / "bg_left_out.csv").exists()


def test_a_image_whose_objects_are_to_be_ignored_is_no_negative(tmp_path, crops, build):
    boxes = "<box left='1' top='1' width='9' height='9'{}/>"
    images = "".join(
        f"<image file='{name}'>{boxes.format(mark)}</image>"
        for name, mark in (("00.png", ""), ("01.png", " ignore='1'"))
    )
    (crops / "boxes.xml").write_text(f"<dataset><images>{images}</images></dataset>")
    report = build([crops / "boxes.xml"], [crops])
    assert list(info(tmp_path)) == ["00.png"]
    assert report.positives.reasons == {"to be ignored": 1}
    assert report.negatives.reasons == {"the object is marked in it": 2}


def test_links_of_an_earlier_run_are_no_images_of_either_kind(tmp_path, build, make_image):
    make_image("out/face.png")
    scene = tmp_path / "scenes" / "scene.gif"
    Image.open(make_image("scenes/scene.png", 90, 70)).save(scene)
    scene.with_suffix(".png").unlink()
    for overwrite in (False, True):
        report = build([tmp_path / "out"], [tmp_path / "scenes"], overwrite=overwrite)
        assert list(info(tmp_path)) == ["face.png"]
        assert report.negatives.training[0].path == scene
    assert (tmp_path / "out" / "negative_links").is_dir()


def test_folders_and_extensions(tmp_path, crops, build, make_image):
    make_image("faces/deep/x.png")
    make_image("faces/y.bmp")
    assert len(build([crops]).positives.used) == 22
    assert len(build([crops], overwrite=True, recursive=False).positives.used) == 21
    assert len(build([crops], overwrite=True, extensions=(".bmp",)).positives.used) == 1


def test_negatives_from_lists_and_single_images(tmp_path, scenes, build):
    (scenes / "bg.txt").write_text("0.png\n\n1.png\r\nnone.png\n")
    report = build([], [scenes / "bg.txt", scenes / "2.png"])
    assert sorted(path.path.name for path in report.negatives.used) == ["0.png", "1.png", "2.png"]
    assert report.negatives.reasons == {"unreadable": 1}
    assert report.positives is report.sizes is None


def test_sampling(tmp_path, crops, scenes, build):
    def drawn(**options):
        report = build([crops], [scenes], overwrite=True, **options)
        parts = (report.positives, report.negatives)
        return [
            [p.path.name for p in side] for part in parts for side in (part.training, part.test)
        ]

    everything = drawn()
    assert everything == drawn()
    assert everything != drawn(seed=1)
    assert sorted(everything[0]) != everything[0]
    in_order = drawn(in_order=True)
    assert in_order[0] == sorted(in_order[0])
    split = drawn(test=0.3)
    assert [len(side) for side in split] == [14, 6, 7, 3]
    assert sorted(split[0] + split[1]) == sorted(everything[0])
    assert [len(side) for side in drawn(test=4)] == [16, 4, 6, 4]
    taken = drawn(take=5, take_negatives=0.5, test=0.2)
    assert [len(side) for side in taken] == [4, 1, 4, 1]
    assert build([crops], overwrite=True, take=5).positives.not_taken == 15


def test_sampling_that_cannot_be_drawn(crops, build):
    with pytest.raises(OptionError, match="21 positives were asked for, but there are only 20"):
        build([crops], take=21)
    with pytest.raises(OptionError, match="all 20 are set aside"):
        build([crops], test=20)
    with pytest.raises(OptionError, match="of 20 positives for testing is none"):
        build([crops], test=0.01)


def test_images_that_are_the_same_never_part_at_the_split(tmp_path, crops, build):
    lines = []
    for number in range(20):
        copy = crops / f"copy{number:02}.png"
        copy.write_bytes((crops / f"{number:02}.png").read_bytes())
        lines += [f"{number:02}.png,0,0,10,10", f"{copy.name},10,10,10,10"]
    (crops / "a.csv").write_text("\n".join(lines))
    report = build([crops / "a.csv"], test=0.5)
    sides = (report.positives.training, report.positives.test)
    digests = [{image.digest for image in side} for side in sides]
    assert not digests[0] & digests[1]
    assert len(report.positives.used) == 40


def test_names_that_lists_cannot_hold(tmp_path, build, make_image):
    names = ["my face.png", "tab\there.png", "line\nbreak.png", os.fsdecode(b"\xff.png"), "ä.png"]
    for number, name in enumerate(names):
        for folder in ("faces", "scenes"):
            path = make_image(f"{folder}/{number}.png", 30 + number, 30)
            path.rename(path.with_name(name))
    Image.fromarray(np.eye(40, dtype=np.uint8) * 200).save(tmp_path / "faces" / "x.gif")
    (tmp_path / "faces" / os.fsdecode(b"bro\nken\xff.png")).touch()
    report = build([tmp_path / "faces"], [tmp_path / "scenes"])
    out = tmp_path / "out"
    assert check_list(out / "info.dat").problems == ()
    assert check_list(out / "bg.txt").problems == ()
    assert len(read_annotations(out / "info.dat")) == 6
    assert len(table(out / "positive_links" / "names.csv")) == 5
    assert len(table(out / "negative_links" / "names.csv")) == 2
    assert "bro\\nken\\udcff.png: Expected an image, got an" in report.to_text()
    assert json.loads(json.dumps(report.to_dict()))["positives"]["images"] == 6
    again = build([tmp_path], overwrite=True)
    assert len(again.positives.used) == 11  # not the links of the time before


def test_names_of_other_kinds(tmp_path, crops, scenes, build):
    build([crops], [scenes], names="relative", in_order=True)
    assert (tmp_path / "out" / "info.dat").read_text().startswith("../faces/00.png 1 ")
    assert (tmp_path / "out" / "bg.txt").read_text().startswith("../scenes/0.png\n")
    build([crops], [scenes], names="absolute", in_order=True, overwrite=True)
    assert (tmp_path / "out" / "info.dat").read_text().startswith(f"{crops}/00.png 1 ")


def test_other_formats_beside(tmp_path, crops, build):
    for number, also in enumerate(("csv", "coco", "dlib")):
        build([crops], also=also, in_order=True, overwrite=number > 0)
        path = next((tmp_path / "out").glob("annotations.*"))
        assert {p.path.name: p.boxes_xywh for p in read_annotations(path)} == info(tmp_path)
        path.unlink()


def test_nothing_is_overwritten_and_nothing_old_stays(tmp_path, crops, scenes, build):
    build([crops], test=0.5)
    before = (tmp_path / "out" / "info.dat").read_bytes()
    with pytest.raises(OutputExistsError):
        build([crops], in_order=True)
    assert (tmp_path / "out" / "info.dat").read_bytes() == before
    build([], [scenes])  # the negatives can follow later
    build([crops], overwrite=True)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["bg.txt", "info.dat"]


def test_what_breaks_off_leaves_nothing_behind(tmp_path, build, make_image, monkeypatch):
    def fail(*args, **kwargs):
        raise OutputError("no space left")

    make_image("faces/a b.png")
    monkeypatch.setattr("fercli.cascade.list_builder.output_files.write_background_list", fail)
    with pytest.raises(OutputError):
        build([tmp_path / "faces"], [make_image("c.png", 70, 70)])
    assert list((tmp_path / "out").iterdir()) == []


def test_what_is_not_there(tmp_path, crops, build):
    with pytest.raises(InputError, match="nothing of that name"):
        build([tmp_path / "nope"])
    with pytest.raises(InputError, match="nothing of that name"):
        build([crops], [tmp_path / "nope"])
    with pytest.raises(FerError, match=r"nope\.xml"):
        build([crops], detect=tmp_path / "nope.xml")
    with pytest.raises(OptionError, match="Neither positives nor negatives"):
        build([])
    assert not (tmp_path / "out").exists()


@pytest.fixture
def edges(tmp_path):
    """A cascade that finds what is dark on the left and bright on the right."""
    feature = HaarFeature(
        (WeightedRectangle(0, 0, 24, 24, -1.0), WeightedRectangle(12, 0, 12, 24, 2.0))
    )
    weak = WeakClassifier((Node(0, -1, 0, 1.0),), (-1.0, 1.0))
    path = tmp_path / "edges.xml"
    # Two stages: of one stage cv2 reports, with levels, windows that it refuses for their contrast.
    stages = (Stage(0.5, (weak,)),) * 2
    write_cascade(path, Cascade("HAAR", (24, 24), stages, (feature,)))
    return path


def test_negatives_that_seem_to_hold_the_object(tmp_path, scenes, build, edges):
    pixels = np.zeros((60, 60), np.uint8)
    pixels[:, 30:] = 255
    cv2.imwrite(str(scenes / "edge.png"), pixels)
    report = build([], [scenes], check_negatives=edges)
    (left_out,) = report.negatives.left_out
    assert left_out.path == scenes / "edge.png"
    assert left_out.reason == "seems to hold the object"
    assert f"seems to hold the object: {scenes / 'edge.png'}: " in report.to_text()
    assert len(read_background_list(tmp_path / "out" / "bg.txt")) == 10


def test_boxes_that_a_cascade_finds(tmp_path, scenes, build, edges):
    pixels = np.zeros((60, 90), np.uint8)
    pixels[:, 45:] = 255
    cv2.imwrite(str(scenes / "edge.png"), pixels)
    report = build([scenes], detect=edges)
    assert report.positives.without_box == 10
    ((name, boxes),) = info(tmp_path).items()
    assert name == "edge.png"
    assert all(x < 45 < x + width for x, _, width, _ in boxes)


def write_many(folder, count, rng):
    folder.mkdir()
    noise = rng.integers(0, 256, (count, 24, 24), np.uint8)
    for number, pixels in enumerate(noise):
        (folder / f"{number:05}.bmp").write_bytes(cv2.imencode(".bmp", pixels)[1].tobytes())


@pytest.mark.slow
def test_thousands_of_images_and_broken_ones_among_them(tmp_path, rng, build):
    folder = tmp_path / "many"
    write_many(folder, 4_000, rng)
    for number, content in {7: b"", 1_999: b"BM", 3_999: b"no image"}.items():
        (folder / f"{number:05}.bmp").write_bytes(content)
    start = time.process_time()  # of the processor, which other work does not lengthen
    report = build([folder])
    assert time.process_time() - start < 12
    assert len(report.positives.used) == 3_997
    assert report.positives.reasons == {"unreadable": 3}
    assert [each.path.stem for each in report.positives.left_out] == ["00007", "01999", "03999"]
    assert len((tmp_path / "out" / "info.dat").read_text().splitlines()) == 3_997
    assert check_list(tmp_path / "out" / "info.dat").problems == ()


@pytest.mark.slow
def test_killed_in_the_middle_leaves_nothing_half_written(tmp_path, rng):
    folder = tmp_path / "many"
    write_many(folder, 3000, rng)
    (folder / "00000.bmp").rename(folder / "a b.bmp")
    code = "import sys; from fercli.cli import main; sys.exit(main(sys.argv[1:]))"
    words = ["cascade", "build-info", folder, "--out", tmp_path / "out", "-q"]
    for seconds in (0.3, 0.6, 0.9, 1.2):
        process = subprocess.Popen([sys.executable, "-c", code, *map(str, words)])
        time.sleep(seconds)
        process.kill()
        process.wait()
        if (tmp_path / "out" / "info.dat").exists():
            assert len((tmp_path / "out" / "info.dat").read_text().splitlines()) == 3000
            break


@pytest.fixture
def awkward(tmp_path, make_image):
    """Images with awkward names, built into a folder: the folder of the lists."""
    for number in range(12):
        name = f"faces {number}/{number}.png" if number % 2 else f"faces/{number}.png"
        make_image(name, 30 + number, 30)
        make_image(f"scenes/my scene {number}.png", 90, 70 + number)
    Image.fromarray(np.eye(30, dtype=np.uint8) * 99).save(tmp_path / "faces" / "x.gif")
    sources = [tmp_path / "faces", *tmp_path.glob("faces *")]
    build_description(sources, [tmp_path / "scenes"], tmp_path / "out")
    return tmp_path / "out"


def run(program, *arguments, cwd):
    words = [str(program), *map(str, arguments)]
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=120)


@pytest.mark.opencv3
@pytest.mark.parametrize("where", ["out", ".", "elsewhere"])
def test_opencv_createsamples_reads_what_it_writes_from_any_directory(
    awkward, opencv_tools, tmp_path, where
):
    cwd = tmp_path / where
    cwd.mkdir(exist_ok=True)
    for number, name in enumerate(
        (awkward / "info.dat", os.path.relpath(awkward / "info.dat", cwd))
    ):
        vec = tmp_path / f"{number}.vec"
        arguments = ["-info", name, "-vec", vec, "-num", 13, "-w", 20, "-h", 20]
        done = run(opencv_tools / "opencv_createsamples", *arguments, cwd=cwd)
        assert "Done. Created 13 samples" in done.stdout
        assert done.returncode == 0
        assert vec.stat().st_size == 12 + 13 * (1 + 2 * 20 * 20)


@pytest.mark.opencv3
@pytest.mark.parametrize("where", ["out", "elsewhere"])
def test_opencv_traincascade_reads_what_it_writes_from_any_directory(
    awkward, opencv_tools, tmp_path, where
):
    cwd = tmp_path / where
    cwd.mkdir(exist_ok=True)
    (tmp_path / "data").mkdir()
    arguments = ["-info", awkward / "info.dat", "-vec", tmp_path / "a.vec", "-num", 13]
    run(opencv_tools / "opencv_createsamples", *arguments, cwd=cwd)
    arguments = ["-data", tmp_path / "data", "-vec", tmp_path / "a.vec", "-bg", awkward / "bg.txt"]
    arguments += ["-numPos", 12, "-numNeg", 60, "-numStages", 1, "-featureType", "LBP"]
    done = run(opencv_tools / "opencv_traincascade", *arguments, cwd=cwd)
    assert "can't open/read file" not in done.stderr
    assert "NEG count : acceptanceRatio    60 : 1" in done.stdout
    assert (tmp_path / "data" / "cascade.xml").is_file()


def voc(folder, name, label="sign"):
    (folder / f"{name}.xml").write_text(
        f"<annotation><filename>{name}.png</filename><object><name>{label}</name><bndbox>"
        "<xmin>3</xmin><ymin>3</ymin><xmax>20</xmax><ymax>20</ymax></bndbox></object></annotation>"
    )


def test_negatives_in_which_the_object_is_marked(tmp_path, make_image, build):
    for name in ("pos/a.png", "neg/b.png", "neg/c.png", "neg/d.png"):
        make_image(name, 40, 40)
    voc(tmp_path / "pos", "a")
    voc(tmp_path / "neg", "b")
    voc(tmp_path / "neg", "c", "car")
    report = build([tmp_path / "pos"], [tmp_path / "neg"])
    assert report.negatives.reasons == {"the object is marked in it": 1}
    assert [each.path.name for each in report.negatives.left_out] == ["b.png"]
    assert sorted(image.path.name for image in report.negatives.used) == ["c.png", "d.png"]
    assert (
        f"{tmp_path / 'neg'}: boxes of other labels in negatives, not considered: 1" in report.notes
    )
    assert report.to_dict()["notes"] == list(report.notes)


def test_negatives_that_a_file_of_annotations_names(tmp_path, make_image, build):
    for name in ("neg/b.png", "neg/c.png", "pos/a.png"):
        make_image(name, 40, 40)
    (tmp_path / "neg" / "boxes.csv").write_text("path,x,y,w,h\nb.png,1,2,9,9\nc.png,,,,\n")
    report = build([tmp_path / "pos"], [tmp_path / "neg" / "boxes.csv"])
    assert [image.path.name for image in report.negatives.used] == ["c.png"]


def test_files_that_are_skipped_are_counted(tmp_path, make_image, build):
    make_image("pos/a.png", 40, 40)
    (tmp_path / "pos" / "notes.md").write_text("x")
    report = build([tmp_path / "pos"], [])
    (note,) = report.notes
    assert note.startswith(f"{tmp_path / 'pos'}: skipped 1 of 2 files that are not images")
