import json

import pytest
from PIL import Image


@pytest.fixture
def folders(tmp_path, make_image, monkeypatch):
    """Folders faces/ and scenes/ in the working directory."""
    for number in range(10):
        make_image(f"faces/{number}.png", 40 + number, 40)
        make_image(f"scenes/{number}.png", 90 + number, 70)
    (tmp_path / "scenes" / "broken.png").write_text("no image")
    monkeypatch.chdir(tmp_path)


def test_the_usual_way(folders, fer, tmp_path):
    result = fer("cascade", "build-info", "faces", "--negatives", "scenes", "--out", "work")
    assert result.status == 0
    assert result.out.startswith(
        "positives: 10 images, 10 boxes\n"
        "  from faces (whole images): 10\n"
        "\n"
        "negatives: 10 images\n"
        "  from scenes (folder): 11\n"
        "  left out, unreadable: 1\n"
        "  unreadable: scenes/broken.png: The file is not an image: neither OpenCV nor "
        "Pillow can decode it\n"
        "\n"
        "shorter sides of the boxes, pixels\n"
        "        32–47       10  ████████████████████████████████████████\n"
    )
    assert "window: -w 25 -h 23 (--size 25x23); the median box is 44x40" in result.out
    assert "the median box is 44x40, smaller: 0 boxes" in result.out
    assert "20 stages can use 9 positives of 10 at a hit rate of 0.995" in result.out
    assert "work/info.dat: 10 boxes in 10 images\nwork/bg.txt: 10 images\n" in result.out
    assert (tmp_path / "work" / "info.dat").read_text().count(" 1 0 0 4") == 10
    assert fer("cascade", "check-info", "work/info.dat").status == 0


def test_one_image_is_counted_as_one(folders, fer):
    words = ("--take", 1, "--negatives", "scenes", "--take-negatives", 1, "--out", "work")
    result = fer("cascade", "build-info", "faces", *words)
    assert result.out.startswith("positives: 1 image, 1 box\n")
    assert "work/info.dat: 1 box in 1 image\nwork/bg.txt: 1 image\n" in result.out


def test_all_options(folders, fer, tmp_path):
    (tmp_path / "faces" / "boxes.csv").write_text(
        "path,x,y,w,h,label\n" + "".join(f"{n}.png,5,{n},20,10,face\n" for n in range(10))
    )
    words = (
        "faces/boxes.csv -n scenes -o work --format csv --images faces --label face"
        " --extensions png --no-recursive --size 24 --padding 0.1 --min-size 10x10"
        " --keep-duplicates --take 80% --take-negatives 8 --test 25% --seed 3 --in-order"
        " --separator tab --names relative --also coco --plot work/sizes.png -j 2 --json -q"
    )
    result = fer("cascade", "build-info", *words.split())
    assert (result.status, result.err) == (0, "")
    report = json.loads(result.out)
    assert report["positives"]["training_images"] == 6
    assert report["positives"]["test_boxes"] == 2
    assert report["negatives"]["left_out_counts"] == {"unreadable": 1}
    assert report["sizes"]["window_wh"] == [24, 24]
    assert list(report["files"]) == [
        "work/info.dat",
        "work/test_info.dat",
        "work/annotations.json",
        "work/bg.txt",
        "work/test_bg.txt",
        "work/bg_left_out.csv",
        "work/sizes.png",
    ]
    name, count, *box = (tmp_path / "work" / "info.dat").read_text().split("\n")[0].split("\t")
    assert (name.startswith("../faces/"), count, box[2:]) == (True, "1", ["24", "24"])


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ("faces", 2, "Missing option '-o' / '--out'"),
        ("-o work", 1, "Neither positives nor negatives were given"),
        ("nope -o work", 1, "nope: Expected annotations or a folder of images, found nothing"),
        ("faces -n nope -o work", 1, "nope: Expected a list of images, found nothing"),
        ("faces -o faces/0.png", 1, "Expected a folder to write to, found a file"),
        ("faces -o work --take 0", 2, "expected more than none and at most 100%"),
        ("faces -o work --take 101%", 2, "expected more than none and at most 100%"),
        (
            "faces -o work --test many",
            2,
            "expected a number such as 500, or a share such as 20% or 0.2",
        ),
        ("faces -o work --take 11", 1, "11 positives were asked for, but there are only 10"),
        ("faces -o work --format coco", 1, "Expected a file, found a folder"),
        ("faces -o work --plot sizes.xyz", 1, "'.xyz' is not a file type of plots"),
        ("-n scenes -o work --plot sizes.png", 1, "--plot and --also need positives"),
        ("faces -o work --detect faces/0.png", 1, "faces/0.png"),
        ("faces -o work --min-size 99", 1, "no usable positive in 10 images: 10 too small"),
        (
            "faces -o work --extensions jpg",
            1,
            "no usable positive in 0 images; try: use --extensions",
        ),
    ],
)
def test_what_goes_wrong_is_said_and_nothing_is_written(folders, fer, words, status, message):
    result = fer("cascade", "build-info", *words.split())
    assert result.status == status
    assert message in result.err
    assert not fer("cascade", "build-info", "faces", "-o", "work").status


def test_nothing_is_overwritten(folders, fer):
    assert fer("cascade", "build-info", "faces", "-o", "work").status == 0
    result = fer("cascade", "build-info", "faces", "-o", "work")
    assert result.status == 1
    assert result.err == (
        "fer: error: work/info.dat: already exists; try: --overwrite, or another name\n"
    )
    assert fer("cascade", "build-info", "faces", "-o", "work", "--overwrite").status == 0


def test_its_own_lists_are_divided_in_place(folders, fer, tmp_path):
    (tmp_path / "faces" / "0.png").rename(tmp_path / "faces" / "my face.png")
    (tmp_path / "scenes" / "0.png").rename(tmp_path / "scenes" / "two\nlines.png")
    for image, suffix in (("faces/1.png", ".tif"), ("scenes/1.png", ".webp")):
        Image.open(tmp_path / image).save((tmp_path / image).with_suffix(suffix), lossless=True)
        (tmp_path / image).unlink()
    assert fer("cascade", "build-info", "faces", "-n", "scenes", "-o", "work").status == 0
    links = sorted(tmp_path.glob("work/*_links/*"))
    tables = [path.read_bytes() for path in links if path.suffix == ".csv"]
    words = "work/info.dat -n work/bg.txt --out work --overwrite --test 25%"
    assert fer("cascade", "build-info", *words.split()).status == 0
    assert sorted(tmp_path.glob("work/*_links/*")) == links
    assert all(path.is_file() for path in links)
    assert [sorted(p.read_bytes().split()) for p in links if p.suffix == ".csv"] == [
        sorted(content.split()) for content in tables
    ]
    for names in (("info.dat", "test_info.dat"), ("bg.txt", "test_bg.txt")):
        reports = [json.loads(fer("cascade", "check-info", tmp_path / "work" / name, "--json").out)
                   for name in names]  # fmt: skip
        assert [report["problems"] for report in reports] == [[], []]
        assert sum(report["records"] for report in reports) == 10
