import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fercli.annotations.base import AnnotatedImage
from fercli.annotations.formats import FORMATS
from fercli.annotations.reading import detect_format, read_annotations
from fercli.common.errors import AnnotationError, InputError, OptionError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("format", FORMATS.values(), ids=lambda format: format.name)
def test_each_format_is_documented_and_fuzzed(format):
    row = re.search(rf"^\| `{format.name}` \|.*$", (ROOT / "docs/formats.md").read_text(), re.M)
    assert row is not None
    assert row[0].endswith("✓ |" if format.writer else " |")
    assert ("✓" in row[0]) == bool(format.writer)
    targets = (ROOT / "scripts/fuzz/targets/boxes.py").read_text()
    assert format.name == "images" or f'_read_as("{format.name}",' in targets


def test_an_info_file_asks_no_reader_of_another_format(tmp_path):
    (tmp_path / "info.dat").write_text("a.png 1 0 0 5 5\n")
    code = (
        "import sys; from pathlib import Path\n"
        "from fercli.annotations.reading import read_records\n"
        "files = set()\n"
        "def note(frame, *_):\n"
        "    name, function = frame.f_code.co_filename, frame.f_code.co_name\n"
        "    if '/fercli/annotations/' in name and function[0] != '<': files.add(name)\n"
        "sys.setprofile(note); read_records(Path('info.dat')); sys.setprofile(None)\n"
        "print(*sorted(Path(name).name for name in files))"
    )
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout.split() == [
        *("base.py", "formats.py", "image_paths.py", "opencv_lists.py", "reading.py")
    ]


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("a.csv", "", "csv"),
        ("a.JSON", "", "coco"),
        ("a.xml", "<dataset/>", "dlib"),
        ("a.xml", "<?xml version='1.0'?>\n<annotation>", "voc"),
        ("a.txt", "0 0.5 0.5 1 1", "yolo"),
        ("a.txt", "a.png 1 0 0 5 5", "info"),
        ("positives", "a.png 0\n", "info"),
        ("a.jpg", "", "images"),
    ],
)
def test_formats_are_told_apart(tmp_path, name, content, wanted):
    (tmp_path / name).write_text(content)
    assert detect_format(tmp_path / name).name == wanted


def test_folders_are_told_apart(tmp_path, make_image):
    make_image("deep/down/a.png")
    assert detect_format(tmp_path).name == "images"
    (tmp_path / "deep" / "a.xml").write_text("<annotation/>")
    (tmp_path / "deep" / "0.xml").write_text("<other/>")
    assert detect_format(tmp_path).name == "voc"


@pytest.mark.parametrize("content", [b"", b"hello world\n", b"\0\0", b"<html></html>", b"1 2 3"])
def test_what_is_no_annotation(tmp_path, content):
    (tmp_path / "a.dat").write_bytes(content)
    with pytest.raises(AnnotationError, match=r"CSV table.*looks like none of them"):
        read_annotations(tmp_path / "a.dat")


@pytest.mark.parametrize("format", [None, *FORMATS])
def test_missing(tmp_path, format):
    with pytest.raises(InputError, match="nothing of that name"):
        read_annotations(tmp_path / "nope", format=format)


def test_unknown_format(tmp_path):
    with pytest.raises(OptionError, match="not xyz"):
        read_annotations(tmp_path, format="xyz")


def test_whole_images(tmp_path, make_image):
    for name in ("b.png", "a.JPG", "deep/c.bmp", ".hidden.png", "notes.md"):
        make_image(name if name != "notes.md" else "notes.png", 20, 10)
    (tmp_path / "notes.png").rename(tmp_path / "notes.md")
    images = read_annotations(tmp_path)
    assert [p.path.relative_to(tmp_path) for p in images] == [
        Path("a.JPG"),
        Path("b.png"),
        Path("deep/c.bmp"),
    ]
    assert {p.boxes_xywh for p in images} == {((0, 0, 20, 10),)}
    assert len(read_annotations(tmp_path / "b.png")) == 1


LATIN_1 = os.fsdecode(b"caf\xe9.png")


@pytest.mark.parametrize("name", ["csv", "coco"])
@pytest.mark.parametrize("image", [LATIN_1, "ü.png"])
def test_names_of_any_bytes_survive(tmp_path, name, image):
    written = [AnnotatedImage(tmp_path / image, ((1, 2, 3, 4),))]
    path = tmp_path / f"boxes.{'json' if name == 'coco' else name}"
    FORMATS[name].write(path, written)
    assert read_annotations(path) == written


@pytest.mark.parametrize("image", [LATIN_1, "a\x01.png"])
def test_xml_refuses_the_names_that_it_cannot_hold(tmp_path, image):
    written = [AnnotatedImage(tmp_path / image, ((1, 2, 3, 4),))]
    with pytest.raises(
        AnnotationError, match=r"boxes\.xml: The file cannot hold the name .*try: write CSV"
    ):
        FORMATS["dlib"].write(tmp_path / "boxes.xml", written)
    assert not (tmp_path / "boxes.xml").exists()


@pytest.mark.parametrize("name", ["csv", "coco", "dlib"])
def test_names_are_right_in_a_folder_behind_a_link(tmp_path, make_image, name):
    image = make_image("faces/a.png")
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "out").symlink_to(Path("far", "away"))
    path = tmp_path / "out" / "boxes"
    FORMATS[name].write(path, [AnnotatedImage(image, ((1, 2, 3, 4),))])
    (found,) = read_annotations(path, format=name)
    assert found.path.samefile(image)
