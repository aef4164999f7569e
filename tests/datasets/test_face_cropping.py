import csv
import json
import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image

from fercli.cascade.detection import DetectionOptions
from fercli.cascade.detection.detector import Detector
from fercli.cascade.model import FRONTAL_FACE
from fercli.common.errors import InputError, OptionError, OutputError, OutputExistsError
from fercli.common.files import folder_lock
from fercli.datasets.face_boxes import (
    _ranges,
    cut_turned,
    find_eyes,
    find_faces,
    find_largest,
    tilt,
)
from fercli.datasets.face_cropping import (
    COLUMNS,
    CROPS,
    PLAN,
    CropRecord,
    crop_folder,
    crop_names,
    open_log,
    remove_crops,
    rewrite_log,
    unique_stems,
)
from fercli.datasets.manifest import FileRecord, Manifest, to_line, write_files, write_manifest
from fercli.datasets.options import FaceOptions
from fercli.datasets.tree import read_tree

PACKAGE = skimage.data.__path__[0]
#: The astronaut's eyes, read off the photograph.
EYES = ((202, 106), (246, 106))


@pytest.fixture(scope="session")
def cascade(face_cascade):
    return (face_cascade,)


@pytest.fixture(scope="session")
def astronaut():
    return cv2.imread(f"{PACKAGE}/astronaut.png")


@pytest.fixture
def photos(astronaut, put, tmp_path):
    """One face; two faces, one large; none; no image at all."""
    put("photos/one.png", image=astronaut)
    two = np.hstack([cv2.resize(astronaut, (256, 256)), np.zeros((256, 64, 3), np.uint8)])
    put("photos/sub/two.jpg", image=np.hstack([two, astronaut[:256]]))
    put("photos/none.png", image=cv2.imread(f"{PACKAGE}/brick.png"))
    (tmp_path / "photos/text.png").write_text("not an image")
    return tmp_path / "photos"


def crops(root):
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*.png")}


def test_the_face_is_found_and_cut(photos, cascade, tmp_path, astronaut):
    result = crop_folder(photos, tmp_path / "out", FaceOptions(cascade))
    assert set(crops(tmp_path / "out")) == {"one.png", "sub/two.png"}
    assert (result.without_face, list(result.unreadable)) == (["none.png"], ["text.png"])
    box = next(r for r in result.records if r.image == "one.png").boxes
    x, y, width, height = map(int, box.split())
    assert all(x < eye_x < x + width and y < eye_y < y + height for eye_x, eye_y in EYES)
    face = cv2.imread(str(tmp_path / "out/one.png"), cv2.IMREAD_UNCHANGED)
    gray = cv2.imread(str(photos / "one.png"), cv2.IMREAD_GRAYSCALE)[y : y + height, x : x + width]
    wanted = cv2.resize(gray, (48, 48), interpolation=cv2.INTER_AREA)
    assert np.abs(face.astype(int) - wanted).max() <= 1


def test_all_faces_color_size_and_margin(photos, cascade, tmp_path):
    options = FaceOptions(cascade, (40, 60), margin=0.2, channels="color", faces="all")
    crop_folder(photos, tmp_path / "out", options)
    assert set(crops(tmp_path / "out")) == {"one.png", "sub/two.png", "sub/two-face2.png"}
    assert cv2.imread(str(tmp_path / "out/one.png"), cv2.IMREAD_UNCHANGED).shape == (60, 40, 3)
    with (tmp_path / "out/crops.csv").open() as stream:
        rows = {row["image"]: row for row in csv.DictReader(stream)}
    assert rows["sub/two.jpg"]["faces"] == "2"
    assert rows["none.png"]["problem"] == "no face"


def test_images_without_a_face_can_be_kept(photos, cascade, tmp_path):
    result = crop_folder(photos, tmp_path / "out", FaceOptions(cascade, without_face="keep"))
    assert result.without_face == ["none.png"]
    assert cv2.imread(str(tmp_path / "out/none.png")).shape == (48, 48, 3)


def test_orientation_is_honoured(photos, cascade, tmp_path):
    turned = Image.open(photos / "one.png").transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "phone").mkdir()
    turned.save(tmp_path / "phone/one.jpg", exif=exif, quality=100, subsampling=0)
    crop_folder(tmp_path / "phone", tmp_path / "a", FaceOptions(cascade))
    crop_folder(photos, tmp_path / "b", FaceOptions(cascade))
    phone, upright = (
        cv2.imread(str(tmp_path / name / "one.png"), cv2.IMREAD_GRAYSCALE).astype(int)
        for name in "ab"
    )
    assert np.abs(phone - upright).mean() < 12


def test_the_result_is_the_same_with_any_number_of_workers(
    photos, put, astronaut, cascade, fer, tmp_path
):
    for number in range(20):
        put(f"photos/{number}.jpg", image=astronaut[number:260, 20 + number : 360])
    found = []
    for name, options in (("a", ["-j1"]), ("b", ["-j2"]), ("c", ["-j2", "--parallel=threads"])):
        command = ["datasets", "crop", photos, "--cascade", *cascade, "--out", tmp_path / name]
        result = fer(*command, *options, "--json")
        assert result.status == 0
        found.append((json.loads(result.out), crops(tmp_path / name)))
    assert found[0] == found[1] == found[2]
    assert found[0][0]["crops"] == 22


def test_a_later_run_does_only_what_is_missing(photos, put, astronaut, cascade, tmp_path):
    out = tmp_path / "out"
    assert crop_folder(photos, out, FaceOptions(cascade)).looked_at == 4
    first = crops(out)
    (out / "one.png").unlink()
    put("photos/new.png", image=astronaut)
    put("photos/none.png", image=astronaut[:300])
    result = crop_folder(photos, out, FaceOptions(cascade))
    assert (result.looked_at, len(result.records)) == (3, 5)
    assert crops(out).items() >= first.items()
    # A line that a killed run left half written costs that image and no more.
    log = out / "crops.csv"
    log.write_text(log.read_text()[:-8])
    assert crop_folder(photos, out, FaceOptions(cascade)).looked_at == 1
    assert crop_folder(photos, out, FaceOptions(cascade)).looked_at == 0


def test_other_options_need_overwrite(photos, cascade, tmp_path):
    out = tmp_path / "out"
    crop_folder(photos, out, FaceOptions(cascade, faces="all"))
    with pytest.raises(OutputExistsError, match="of other images or options; try: use --overwrite"):
        crop_folder(photos, out, FaceOptions(cascade, (20, 20)))
    crop_folder(photos, out, FaceOptions(cascade, (20, 20)), overwrite=True)
    assert set(crops(out)) == {"one.png", "sub/two.png"}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/a.txt").touch()
    with pytest.raises(OutputExistsError, match="The folder is not empty"):
        crop_folder(photos, tmp_path / "mine", FaceOptions(cascade), overwrite=True)


def test_another_cascade_beside_the_first_is_another_plan(photos, cascade, tmp_path):
    out, both = tmp_path / "out", FaceOptions((*cascade, FRONTAL_FACE))
    crop_folder(photos, out, FaceOptions(cascade))
    with pytest.raises(OutputExistsError):
        crop_folder(photos, out, both)
    assert crop_folder(photos, out, both, overwrite=True).without_face == ["none.png"]
    assert crop_folder(photos, out, both).looked_at == 0


def test_a_tree_gives_a_tree(put, astronaut, cascade, tmp_path):
    file = put("tree/train/happy/a.jpg", image=astronaut).relative_to(tmp_path / "tree")
    record = FileRecord(file.as_posix(), "mine", "x.jpg", "S1", votes=(3, 1))
    write_files(tmp_path / "tree", [to_line(record)])
    write_manifest(tmp_path / "tree", Manifest(["happy", "sad"], {}))
    crop_folder(tmp_path / "tree", tmp_path / "out", FaceOptions(cascade))
    tree = read_tree(tmp_path / "out")
    assert tree.classes == ("happy", "sad")
    assert tree.manifest.counts == {"train": {"happy": 1, "sad": 0}}
    (crop,) = tree.records
    assert (crop.file, crop.source, crop.subject, crop.votes) == (
        "train/happy/a.png", "mine", "S1", (3, 1),
    )  # fmt: skip
    assert (tmp_path / "out/train/sad").is_dir()


def test_the_crops_of_a_class_that_was_added_by_hand_are_one(put, astronaut, cascade, tmp_path):
    put("tree/train/bored/a.jpg", image=astronaut)
    write_manifest(tmp_path / "tree", Manifest(["happy", "sad"], {}))
    crop_folder(tmp_path / "tree", tmp_path / "out", FaceOptions(cascade))
    tree = read_tree(tmp_path / "out")
    assert tree.classes == ("happy", "sad", "bored")
    assert tree.manifest.counts == {"train": {"happy": 0, "sad": 0, "bored": 1}}


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["a.png", "b.jpg"], ["a", "b"]),
        (["a.jpg", "A.png", "b.png"], ["a-jpg", "A-png", "b"]),
        (["x.png/a.png", "x.png/a.jpg"], ["x.png/a-png", "x.png/a-jpg"]),
        # The crops of a folder of crops: the second face of x.png is called x-face2.png.
        (["x-face2.png", "x.png"], ["x-face2-png", "x"]),
        (["a-png.gif", "a.gif", "a.png"], ["a-png", "a-gif", "a-png-2"]),
        (["a-jpg-face2.png", "a.jpg", "a.png"], ["a-jpg-face2", "a-jpg-2", "a-png"]),
        (["a.jpg", "a.png", "A-JPG-face2.png"], ["a-jpg-2", "a-png", "A-JPG-face2"]),
    ],
)
def test_no_two_crops_have_one_name(names, wanted):
    stems = unique_stems([Path(name) for name in names])
    assert stems == wanted
    crops = [name.casefold() for stem in stems for name in crop_names(stem, 3)]
    assert len(set(crops)) == len(crops)


def test_two_images_of_one_name_become_two_crops(put, astronaut, cascade, tmp_path):
    put("in/a.png", image=astronaut)
    put("in/a.jpg", image=astronaut)
    crop_folder(tmp_path / "in", tmp_path / "out", FaceOptions(cascade))
    assert set(crops(tmp_path / "out")) == {"a-png.png", "a-jpg.png"}


def test_later_runs_give_what_one_run_gives(photos, put, astronaut, cascade, tmp_path):
    """Images that come, go and change, and what a killed run was writing."""
    out, options = tmp_path / "out", FaceOptions(cascade, faces="all")
    put("photos/gone.png", image=astronaut)
    crop_folder(photos, out, options)
    (photos / "gone.png").unlink()
    put("photos/sub/two.jpg", image=astronaut)  # two faces before
    put("photos/one.jpg", image=astronaut)  # there is a one.png
    (out / "sub/.fer-half.png").touch()
    crop_folder(photos, out, options)
    crop_folder(photos, tmp_path / "fresh", options)
    assert crops(out) == crops(tmp_path / "fresh")
    assert set(crops(out)) == {"one-png.png", "one-jpg.png", "sub/two.png"}
    assert (out / "crops.csv").read_bytes() == (tmp_path / "fresh/crops.csv").read_bytes()


def test_odd_names(photos, put, astronaut, cascade, tmp_path):
    names = ["a;b, c.png", "line\nbreak.png", "ä 'q'.png", os.fsdecode(b"\xff.png")]
    for name in names:
        put(f"odd/{name}", image=astronaut)
    for looked_at in (4, 0):
        result = crop_folder(tmp_path / "odd", tmp_path / "out", FaceOptions(cascade))
        assert result.looked_at == looked_at
        assert {file for record in result.records for file in record.files} == set(names)


def test_a_tree_with_a_image_beside_its_classes(put, cascade, tmp_path):
    put("tree/sheet.png")
    write_manifest(tmp_path / "tree", Manifest(["happy", "sad"], {}))
    with pytest.raises(InputError, match=r"Expected <split>/<class>/<image>, got sheet\.png"):
        crop_folder(tmp_path / "tree", tmp_path / "out", FaceOptions(cascade))
    assert not (tmp_path / "out").exists()


def test_without_images_or_with_a_silly_margin(cascade, tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError, match="No images"):
        crop_folder(tmp_path / "in", tmp_path / "out", FaceOptions(cascade))
    assert not (tmp_path / "out").exists()
    (tmp_path / "in/subject01.happy").touch()
    with pytest.raises(InputError, match="No image by its suffix among 1 file; try: rename"):
        crop_folder(tmp_path / "in", tmp_path / "out", FaceOptions(cascade))
    for margin in (-0.5, 5, float("nan")):
        with pytest.raises(OptionError, match="`margin`: expected"):
            FaceOptions(cascade, margin=margin)


def naive_largest(detector, image, options):
    boxes = sorted(map(tuple, detector.detect(image, options).boxes_xywh.tolist()))
    return max(boxes, key=lambda box: box[2] * box[3], default=None)


@pytest.mark.parametrize("min_neighbors", [0, 1, 3])
@pytest.mark.parametrize("scale_factor", [1.1, 2])
def test_the_largest_face_is_that_of_a_search_over_all_sizes(
    astronaut, cascade, rng, scale_factor, min_neighbors
):
    detector = Detector(cascade)
    options = DetectionOptions(scale_factor, min_neighbors, min_size_wh=(24, 24))
    face, found = astronaut[:300, 80:380], 0
    for _ in range(6):
        # Faces of several sizes, overlapping, so that groups of windows touch and oust each other.
        scene = rng.integers(0, 60, (200, 320, 3), np.uint8)
        for side in rng.integers(60, 200, 3):
            x, y = rng.integers(0, 320 - side), rng.integers(0, 200 - side + 1)
            scene[y : y + side, x : x + side] = cv2.resize(face, (side, side))
        wanted = naive_largest(detector, scene, options)
        assert find_largest(detector, scene, options) == wanted
        found += wanted is not None
    assert found >= 3


@pytest.mark.parametrize("cascades", [1, 2])
def test_of_equally_large_faces_the_left_one_is_taken(astronaut, cascade, cascades):
    options = FaceOptions(cascade * cascades, least_face=24, scale_factor=9, min_neighbors=1)
    face = cv2.resize(astronaut[:300, 80:380], (76, 76))
    twice = np.concatenate([face, face], axis=1)
    boxes = find_faces(twice, replace(options, faces="all"))
    assert len(boxes) == 2
    assert boxes[0][2:] == boxes[1][2:]
    assert find_faces(twice, options) == boxes[:1]


@pytest.mark.parametrize("smallest", [8, 24, 60])
def test_the_ranges_of_widths_hold_each_width_once(smallest):
    """Of all sides to 2,000: at one in twenty-five the last range was empty, and cv2 refused it."""
    options = DetectionOptions(min_size_wh=(smallest, smallest))
    for side in range(smallest, 2001):
        for shape in ((side, side), (side, 2000), (2000, side)):
            image = np.broadcast_to(np.uint8(0), shape)
            ranges = list(_ranges((24, 24), image, options))
            widths = [w for least, most in reversed(ranges) for w in range(least, most + 1)]
            assert widths == list(range(smallest, shape[1] + 1))


# The last range of these was (24, 23): 640 × 427 is 427 / 1.5^7 = 24.99, below 1.5 times 24.
@pytest.mark.parametrize("size_wh", [(640, 427), (427, 640), (55, 55), (1250, 1250), (24, 24)])
def test_an_image_of_any_size_without_a_face(cascade, rng, size_wh):
    image = rng.integers(0, 60, size_wh[::-1], np.uint8)
    assert find_faces(image, FaceOptions(cascade)) == []


def test_eyes_are_found_where_they_are(astronaut, cascade):
    (box,) = find_faces(astronaut, FaceOptions(cascade))
    left, right = find_eyes(cv2.cvtColor(astronaut, cv2.COLOR_BGR2GRAY), box)
    # Within a twentieth of the distance between the eyes or so, that is, within the iris.
    assert np.abs(np.array([left, right]) - EYES).max() < 6


@pytest.mark.parametrize("angle", [-12, 12])
def test_faces_are_set_upright(astronaut, cascade, angle):
    turn = cv2.getRotationMatrix2D((224, 110), -angle, 1.0)
    turned = cv2.warpAffine(astronaut, turn, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    (box,) = find_faces(turned, FaceOptions(cascade))
    eyes = find_eyes(cv2.cvtColor(turned, cv2.COLOR_BGR2GRAY), box)
    level = tilt(*EYES)
    # More than half of the tilt is seen, so that more than half of it goes.
    assert tilt(*eyes) - level == pytest.approx(angle, abs=6.5)


def test_no_eyes_in_a_wall(cascade):
    assert find_eyes(np.full((100, 100), 80, np.uint8), (0, 0, 100, 100)) is None
    assert find_eyes(np.full((100, 100), 80, np.uint8), (90, 90, 100, 100)) is None


def test_a_part_is_turned_and_cut_where_it_is():
    image = np.zeros((100, 100), np.uint8)
    image[20:40, 30:50] = 200
    assert (cut_turned(image, (40, 30), 20, 0, (20, 20)) == 200).all()
    # Beyond the edge, the edge is repeated.
    corner = cut_turned(image, (0, 0), 20, 0, (20, 20))
    assert corner.shape == (20, 20)
    line = np.zeros((101, 101), np.uint8)
    cv2.line(line, (20, 20), (80, 80), 255, 3)
    level = cut_turned(line, (50, 50), 60, 45, (60, 60))
    assert level[29:31, 5:55].max(axis=0).min() > 100
    assert level[:20].max() == level[40:].max() == 0


def test_only_one_crops_into_a_folder(photos, cascade, tmp_path):
    """The second looks at nothing and removes nothing, not even with --overwrite."""
    out = tmp_path / "out"
    crop_folder(photos, out, FaceOptions(cascade))
    before = crops(out)
    with folder_lock(out, "another"), pytest.raises(OutputError, match="cropping is under way"):
        crop_folder(photos, out, FaceOptions(cascade, margin=0.1), overwrite=True)
    assert crops(out) == before


def test_what_is_no_image_is_counted_and_listed(fer, photos, cascade, tmp_path):
    (photos / "notes.txt").touch()
    (photos / "sub/talk.mp4").touch()
    command = ["datasets", "crop", photos, "--cascade", *cascade, "--out", tmp_path / "out"]
    result = fer(*command)
    assert "skipped 2 of 6 files that are not images by their suffix" in result.out
    again = json.loads(fer(*command, "--json").out)
    assert again["skipped"] == ["notes.txt", "sub/talk.mp4"]


@pytest.mark.parametrize(
    ("suffix", "form"), [(".avif", "AVIF"), (".mpo", "MPO"), (".JP2", "JPEG2000")]
)
def test_formats_that_few_know_are_cropped_in_a_folder(astronaut, cascade, tmp_path, suffix, form):
    from PIL import features

    if form == "AVIF" and not features.check("avif"):
        pytest.skip("needs a Pillow with AVIF: pip install -U pillow")
    (tmp_path / "in/day 1").mkdir(parents=True)
    image = Image.fromarray(np.ascontiguousarray(astronaut[:, :, ::-1]))
    image.save(tmp_path / f"in/day 1/a{suffix}", form)
    result = crop_folder(tmp_path / "in", tmp_path / "out", FaceOptions(cascade))
    assert (result.crops, result.skipped) == (1, [])
    assert set(crops(tmp_path / "out")) == {"day 1/a.png"}


OPTIONS = FaceOptions((FRONTAL_FACE,))
WHOLE = CropRecord("b.png", 2, 3, 1, "1 2 3 4", "b.png", "00")


@pytest.fixture
def log(tmp_path):
    open_log(tmp_path / "out", tmp_path / "in", OPTIONS, overwrite=False)
    rewrite_log(tmp_path / "out", [WHOLE])
    return tmp_path / "out"


@pytest.mark.parametrize(
    "line", ["a.png,1,2,-0.0,,,,", "a.png,²,2,1,,,,", "a,b", "a.png,1,x,1,,,,"]
)
def test_damaged_lines_are_passed_over(log, tmp_path, line):
    text = (log / CROPS).read_text(encoding="utf-8")
    (log / CROPS).write_text(f"{','.join(COLUMNS)}\n{line}\n{text}", encoding="utf-8")
    found = open_log(log, tmp_path / "in", OPTIONS, overwrite=False)
    assert found == {"b.png": WHOLE}


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("crop", ["../victim.png", "a/../../victim.png", "{}/victim.png"])
def test_crops_elsewhere_are_refused_and_left_alone(log, tmp_path, crop, overwrite):
    victim = tmp_path / "victim.png"
    victim.touch()
    with (log / CROPS).open("a") as stream:
        stream.write(f"gone.png,1,2,1,1 2 3 4,{crop.format(tmp_path)},00,\n")
    options = replace(OPTIONS, margin=0.1) if overwrite else OPTIONS
    with pytest.raises(InputError, match=r"crops\.csv:3: The crop .* is not below"):
        open_log(log, tmp_path / "in", options, overwrite=overwrite)
    assert victim.exists()


def test_a_field_without_an_end_ends_the_reading(log, tmp_path):
    with (log / CROPS).open("a") as stream:
        stream.write('"' + 200_000 * "a" + "\n")
    assert open_log(log, tmp_path / "in", OPTIONS, overwrite=False) == {"b.png": WHOLE}


def test_a_plan_that_is_no_text_is_another_plan(log, tmp_path):
    (log / PLAN).write_bytes(b"\xff\xfe")
    with pytest.raises(OutputExistsError, match="holds crops of other images"):
        open_log(log, tmp_path / "in", OPTIONS, overwrite=False)


def test_names_that_no_disk_takes_and_folders_called_as_crops(tmp_path):
    (tmp_path / "a.png").mkdir()
    remove_crops(tmp_path, [CropRecord("a.jpg", 1, 1, 1, crop="x" * 5000 + ".png")])
    with pytest.raises(OutputError, match=r"a\.png: "):
        remove_crops(tmp_path, [CropRecord("a.jpg", 1, 1, 1, crop="a.png")])
