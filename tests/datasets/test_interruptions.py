"""Commands that are killed, interrupted, or run out of space: the same command then goes on.

They run as programs of their own, for what is tested is how these end.
"""

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import skimage.data

from fercli.common.errors import InputError
from fercli.datasets.tree import read_tree

FER = [sys.executable, "-m", "fercli", "datasets"]


def files(root):
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def noted(root):
    """The images that a run has noted so far."""
    for name in (".unfinished.csv", "crops.csv"):
        if (root / name).exists():
            return (root / name).read_bytes().count(b"\n")
    return 0


@pytest.fixture
def arguments(command, put, fer_csv, tmp_path, face_cascade):
    """A command that has work for a while, and what it works on."""
    if command == "import":
        return ["import", fer_csv([(n % 7, "Training") for n in range(300)]), "--size=300x300"]
    faces = np.load(f"{skimage.data.__path__[0]}/lfw_subset.npy")[:100]
    for number in range(200):
        face = np.round(faces[number % 100] * 255).astype(np.uint8)
        face = np.kron(face, np.ones((4, 4), np.uint8)) // 4 * 4 + number // 100
        put(f"tree/train/{('happy', 'sad')[number % 2]}/{number}.png", image=face)
    tree = tmp_path / "tree"
    return {
        "crop": ["crop", tree, "--cascade", face_cascade],
        "split": ["split", tree, "--files=copy", "--duplicates=apart"],
        "augment": ["augment", tree, "--copies=3", "--files=copy"],
    }[command]


def start(arguments, out, workers, **settings):
    command = [*FER, *map(str, arguments), "--out", str(out), "-q", f"-j{workers}"]
    # Where tests run in the background, they and their children are deaf to Ctrl-C.
    settings.setdefault("preexec_fn", lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **settings
    )


def wait_for(process, out, images):
    while noted(out) < images:
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)


def same_as_in_one_run(arguments, out, whole):
    """Run the command again to its end, and once more elsewhere; whether both give the same."""
    for folder in (out, whole):
        process = start(arguments, folder, 1)
        assert process.communicate()[1] == ""
    return files(out) == files(whole)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["import", "crop", "augment"])
def test_a_killed_command_goes_on_and_ends_the_same(arguments, tmp_path):
    out = tmp_path / "out"
    process = start(arguments, out, 1)
    wait_for(process, out, 60)
    process.kill()
    process.communicate()
    with pytest.raises(InputError, match="The data set is unfinished"):
        read_tree(out)
    half = next(out.rglob("*.png")).with_name(".fer-half.png")
    half.touch()
    assert same_as_in_one_run(arguments, out, tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["import", "crop", "augment"])
def test_interrupted_commands_end_with_130_and_go_on(arguments, tmp_path):
    out = tmp_path / "out"
    process = start(arguments, out, 2, start_new_session=True)
    # A worker that is still importing its modules would say so: both are at work by then.
    wait_for(process, out, 90)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in err) == (130, False), err
    assert same_as_in_one_run(arguments, out, tmp_path / "whole")


def test_an_unfinished_tree_can_be_replaced(fer, fer_csv, tmp_path):
    rows = [(number % 7, "Training") for number in range(100)]
    bad, out = fer_csv(rows, "bad.csv", pixels={90: "1 2 3"}), tmp_path / "out"
    command = ["datasets", "import", "-j1", "--out", out]
    assert fer(*command, "--strict", bad).status == 1
    assert noted(out) == 1 + 64  # of the third batch some were written and none noted
    assert len(list(out.rglob("*.png"))) == 90
    good = fer_csv(rows)
    assert "unfinished data set of other sources" in fer(*command, "--strict", good).err
    assert fer(*command, good, "--overwrite").status == 0
    assert len(list(out.rglob("*.png"))) == 100


def test_what_fails_before_anything_is_noted_leaves_nothing(fer, fer_csv, tmp_path):
    bad = fer_csv([(0, "Training")] * 5, pixels={3: "1 2 3"})
    assert fer("datasets", "import", bad, "--strict", "--out", tmp_path / "out").status == 1
    assert not (tmp_path / "out").exists()


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a file system of 300 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small file system: run as root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["import", "crop", "split", "augment"])
def test_a_full_disk_is_named_and_gone_on_from(fer, arguments, small_disk, tmp_path):
    command = ["datasets", *arguments, "-j1", "-q", "--out"]
    result = fer(*command, small_disk / "out")
    assert result.status == 1
    assert os.strerror(errno.ENOSPC) in result.err
    assert "try: free some space" in result.err
    assert not list(small_disk.rglob(".fer-*"))
    subprocess.run(["mount", "-o", "remount,size=200M", str(small_disk)], check=True)
    assert fer(*command, small_disk / "out").status == 0
    assert fer(*command, tmp_path / "whole").status == 0
    assert files(small_disk / "out") == files(tmp_path / "whole")


def test_a_file_that_may_grow_no_further_is_named(fer_csv, tmp_path):
    """Where no small disk can be made: the system refuses to let files grow over 20 kB."""
    table = fer_csv([(number % 7, "Training") for number in range(300)])
    process = start(
        ["import", table], tmp_path / "out", 1,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )  # fmt: skip
    _, err = process.communicate()
    assert process.returncode == 1
    assert os.strerror(errno.EFBIG) in err
    assert "Traceback" not in err
    assert same_as_in_one_run(["import", table], tmp_path / "out", tmp_path / "whole")


@pytest.fixture
def without_rights():
    """What to put before a command so that rights of files count for root too."""
    if os.geteuid() != 0:
        return []
    if not shutil.which("setpriv"):
        pytest.skip("root may read everything, and setpriv is not there")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


@pytest.mark.parametrize(
    ("command", "name", "message"),
    [
        (["import"], "in/sad", "in/sad: Expected a folder, found no permission to read it"),
        (["crop"], "in/sad", "in/sad: Expected a folder, found no permission to read it"),
        (["import"], "fer2013.csv", "fer2013.csv: Expected a file, found no permission to read it"),
        (["import"], "out", "out/.unfinished.csv: cannot be written: Permission denied"),
        (["crop"], "out", "out/crop.json: cannot be written: Permission denied"),
    ],
)
def test_missing_rights_are_named(
    put, fer_csv, tmp_path, face_cascade, without_rights, command, name, message
):
    put("in/happy/a.png")
    put("in/sad/b.png")
    (tmp_path / "out").mkdir()
    source = fer_csv([(0, "Training")]) if name.endswith(".csv") else tmp_path / "in"
    cascade = ["--cascade", face_cascade] if command == ["crop"] else []
    (tmp_path / name).chmod(0o500 if name == "out" else 0)
    arguments = map(str, [*command, source, *cascade, "--out", tmp_path / "out"])
    result = subprocess.run([*without_rights, *FER, *arguments], capture_output=True, text=True)
    (tmp_path / name).chmod(0o755)
    assert (result.returncode, message in result.stderr) == (1, True), result.stderr
    assert list((tmp_path / "out").iterdir()) == []
