import json
import re
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from fercli.cascade.samples.vec import describe_vec, read_vec


@pytest.fixture
def info(tmp_path, make_image):
    names = [make_image(f"p{at}.png", 40, 30).name for at in range(20)]
    (tmp_path / "info.dat").write_text("".join(f"{name} 1 5 5 24 24\n" for name in names))
    return tmp_path / "info.dat"


@pytest.fixture
def backgrounds(tmp_path, make_image):
    names = [make_image(f"scenes/{at}.png", 90, 80).name for at in range(5)]
    (tmp_path / "scenes" / "bg.txt").write_text("".join(f"{name}\n" for name in names))
    return tmp_path / "scenes" / "bg.txt"


def test_boxes_to_samples(fer, info, tmp_path):
    out = tmp_path / "new" / "faces.vec"
    result = fer("cascade", "create-samples", "--info", info, "--size", "20x16", "--out", out)
    assert (result.status, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[-2].startswith(f"{out}: 20 samples of 20x16 in ")
    assert lines[-1] == f"look at them: fer cascade samples show {out} --size 20x16"
    assert read_vec(out, (20, 16)).shape == (20, 16, 20)


def test_json_for_programs(fer, info, tmp_path):
    (tmp_path / "p3.png").write_bytes(b"")
    arguments = ("--info", info, "--out", tmp_path / "a.vec", "--num", 100, "--skip-bad", "--json")
    created = json.loads(fer("cascade", "create-samples", *arguments).out)
    assert (created["count"], created["size"]) == (19, [24, 24])
    assert len(created["left_out"]) == 1
    assert "info.dat:4" in created["left_out"][0]
    assert created["notes"] == ["100 samples were asked for, the annotations give 19"]


def test_one_image_to_samples(fer, make_image, backgrounds, tmp_path):
    image = make_image("logo.png")
    options = ("--bg", backgrounds, "--num", 30, "--invert", "random", "--seed", 4)
    for name in ("a.vec", "b.vec"):
        arguments = ("--image", image, *options, "--out", tmp_path / name)
        assert fer("cascade", "create-samples", *arguments).status == 0
    assert (tmp_path / "a.vec").read_bytes() == (tmp_path / "b.vec").read_bytes()
    assert describe_vec(tmp_path / "a.vec").count == 30


def test_one_image_to_test_images(fer, make_image, backgrounds, tmp_path):
    arguments = ("--image", make_image("logo.png"), "--bg", backgrounds, "--size", 12)
    result = fer("cascade", "create-samples", *arguments, "--test-images", tmp_path / "test")
    assert result.out.startswith(f"{tmp_path}/test/info.dat: 5 test images in ")
    assert len(list((tmp_path / "test").iterdir())) == 6


@pytest.mark.opencv3
def test_the_real_program_gives_the_same(fer, info, tmp_path, opencv_tools):
    for engine in ("native", "opencv"):
        arguments = ("--info", info, "--out", tmp_path / f"{engine}.vec", "--engine", engine)
        assert fer("cascade", "create-samples", *arguments, "--tools", opencv_tools).status == 0
    native, opencv = (read_vec(tmp_path / f"{name}.vec", (24, 24)) for name in ("native", "opencv"))
    np.testing.assert_array_equal(native, opencv)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "one of --info and --image is needed"),
        (("--info", "a", "--image", "b", "--out", "c"), "and not both"),
        (("--info", "a"), "--out FILE.vec is needed"),
        (("--image", "a", "--out", "b", "--test-images", "c"), "is needed"),
        (("--info", "a", "--out", "b", "--bg", "c"), "--bg has no meaning with --info"),
        (("--info", "a", "--out", "b", "--seed", "0"), "--seed has no meaning with --info"),
        (("--info", "a", "--test-images", "c"), "--test-images has no meaning with --info"),
        (("--image", "a", "--out", "b", "--mirror"), "--mirror has no meaning with --image"),
        (("--image", "a", "--out", "b", "--max-scale", "2"), "--max-scale has no meaning"),
        (("--image", "a", "--out", "b", "--bg-threshold", "9"), "without --bg-color"),
        (("--image", "a", "--out", "b", "--max-x-angle", "45"), "expected 0 to 1.5, got 45"),
        (("--info", "a", "--out", "b", "--size", "24by24"), "WIDTHxHEIGHT"),
    ],
)
def test_options_that_contradict_each_other(fer, arguments, words):
    result = fer("cascade", "create-samples", *arguments)
    assert result.status == 2
    assert words in result.err


def broken_info(name):
    return {
        "missing": (None, "Expected annotations or a folder of images, found nothing of that name"),
        "empty": ("", "looks like none of them"),
        "outside": ("p1.png 1 30 0 24 24", "info.dat:1: .*p1.png: The box .* is not inside"),
        "negative": ("p1.png 1 -1 0 24 24", "info.dat:1: .* The box -1 0 24 24"),
        "no width": ("p1.png 1 0 0 0 24", "info.dat:1: .*The box is empty: 0 0 0 24"),
        "no image": ("no.png 1 0 0 9 9", "info.dat:1: .*no.png: Expected an image, found nothing"),
        "a folder": (". 1 0 0 9 9", "info.dat:1: .*Expected an image, found a folder"),
        "a space": ("p 1.png 1 0 0 9 9", "info.dat:1: .*as integers"),
        "too few": ("p1.png 1 0 0 9", "info.dat:1: .*got the end of the file"),
        "too many": ("p1.png 1 0 0 9 9 9 9", "info.dat:2: Expected the name of an image, got '9'"),
        "decimals": ("p1.png 1 0.5 0 9 9", "info.dat:1: .*as integers, got '0.5'"),
        "no boxes": ("p1.png 0", "The annotations have no boxes"),
    }[name]


@pytest.mark.parametrize(
    "name",
    [
        "missing", "empty", "outside", "negative", "no width", "no image", "a folder",
        "a space", "too few", "too many", "decimals", "no boxes",
    ],
)  # fmt: skip
@pytest.mark.parametrize("engine", ["native", "opencv"])
def test_every_trap_of_an_info_file_is_named(fer, info, tmp_path, name, engine, request):
    content, words = broken_info(name)
    info.unlink()
    if content is not None:
        info.write_text(content)
    options = ["--info", info, "--out", tmp_path / "a.vec", "--engine", engine]
    if name != "empty":
        options += ["--format", "info"] if content is not None else []
    if engine == "opencv":
        # All of this is found out before the program is run.
        program = tmp_path / "tools" / "opencv_createsamples"
        program.parent.mkdir()
        program.touch(0o755)
        options += ["--tools", program.parent]
    result = fer("cascade", "create-samples", *options)
    assert result.status == 1
    assert result.err.startswith("fer: error: ")
    assert result.err.count("\n") == 1
    assert re.search(words, result.err), result.err
    assert not (tmp_path / "a.vec").exists()


@pytest.mark.parametrize("content", ["p1.png\t1\t0\t0\t9\t9\r\n", "\n\n p1.png 1 0\n0 9 9"])
def test_white_space_is_white_space(fer, info, tmp_path, content):
    info.write_bytes(content.encode())
    result = fer("cascade", "create-samples", "--info", info, "--out", tmp_path / "a.vec")
    assert result.status == 0
    assert describe_vec(tmp_path / "a.vec").count == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "num"), [("native", 20_000), ("native", 1_000_000), ("opencv", 1_000_000)]
)
def test_an_interruption_leaves_nothing(tmp_path, backgrounds, engine, num, request):
    if engine == "opencv":
        request.getfixturevalue("opencv_tools")
    image = np.random.default_rng(0).integers(0, 256, (900, 900), np.uint8)
    cv2.imwrite(str(tmp_path / "large.png"), image)
    before = sorted(tmp_path.iterdir())
    command = [
        sys.executable, "-m", "fercli", "cascade", "create-samples", "--image", "large.png",
        "--bg", str(backgrounds), "--num", str(num), "--out", "a.vec", "--engine", engine,
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    while not any(tmp_path.glob(".fer-*")):
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(0.7)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "fer: interrupted" in err
    assert "Traceback" not in err
    assert sorted(tmp_path.iterdir()) == before
