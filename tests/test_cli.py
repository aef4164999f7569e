import os
import subprocess
import sys

import click
import pytest

from fercli import __version__
from fercli.cli import fer, main
from fercli.common import errors

HEAVY = {"cv2", "numpy", "numba", "tensorflow", "keras", "matplotlib", "joblib", "PIL", "tqdm"}


def all_groups(group=fer, path=()):
    yield path
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        if isinstance(command, click.Group):
            yield from all_groups(command, (*path, name))


def all_commands(group=fer, path=()):
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from all_commands(command, (*path, name))


def test_errors_show_the_option_for_a_size():
    """Whether the parameter of the command is called `size` or `size_wh`."""
    sized = [
        command
        for _, command in all_commands()
        if any("--size" in param.opts and param.name != "window_wh" for param in command.params)
    ]
    assert len(sized) > 10
    assert {command.in_its_words("set `size_wh`") for command in sized} == {"set --size"}


def test_version(fer):
    result = fer("--version")
    assert (result.status, result.out) == (0, f"fer, version {__version__}\n")


@pytest.mark.parametrize("path", list(all_groups()), ids=" ".join)
def test_help_of_groups_imports_nothing_heavy(path):
    code = (
        "import sys; from fercli.cli import main; status = main(sys.argv[1:]); "
        f"print(sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr); sys.exit(status)"
    )
    command = [sys.executable, "-c", code, *path, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
    assert done.stdout.startswith("Usage: fer")


@pytest.mark.parametrize(("path", "command"), list(all_commands()), ids=lambda v: str(v)[:40])
def test_help_of_commands_is_complete(path, command, fer):
    result = fer(*path, "--help")
    assert result.status == 0
    assert "Examples:" in result.out or isinstance(command, click.Group)
    for parameter in command.params:
        assert parameter.param_type_name == "argument" or parameter.help, parameter.name


#: Types that click itself would put into the help, as INTEGER and so on.
CLICKS = {"text", "integer", "float"}


def test_options_are_named_alike():
    """One letter and one kind of placeholder, whatever the command."""
    for path, command in all_commands():
        for option in (one for one in command.params if isinstance(one, click.Option)):
            plain = isinstance(option.type, click.Path) or option.type.name.split()[0] in CLICKS
            assert option.is_flag or option.metavar or not plain, (path, option.name)
            assert ("-o" in option.opts) == ("--out" in option.opts), (path, option.name)


def test_wrong_usage_ends_with_2(fer):
    result = fer("no-such-command")
    assert result.status == 2
    assert "No such command" in result.err


def test_named_errors_end_with_1_on_one_line(monkeypatch, fer, capfd):
    def fail(*args, **kwargs):
        raise errors.AnnotationError("wanted 4\nfound 3", hint="a fix", path="a.dat", line=7)

    monkeypatch.setattr("fercli.cli.fer.main", fail)
    assert main([]) == 1
    assert capfd.readouterr().err == "fer: error: a.dat:7: wanted 4 found 3; try: a fix\n"


def test_interruption_ends_with_130(monkeypatch, capfd):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("fercli.cli.fer.main", interrupt)
    assert main([]) == 130
    assert capfd.readouterr().err == "fer: interrupted\n"


def test_names_on_standard_input_need_not_be_utf_8(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "fercli", "classify", "-"],
        input=b"missing \xe4.png\n",
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},  # as in the locale en_US.UTF-8
    )
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"nothing of that name" in done.stderr


@pytest.mark.parametrize(
    ("closed", "status"), [("<&-", 1), (">&-", 0), ("2>&-", 0), ("<&- >&- 2>&-", 1)]
)
def test_standard_streams_that_are_closed(closed, status, make_image, tmp_path):
    make_image("a.png")
    names = "-" if "<" in closed else "a.png"
    # Bars are slow to appear: here they are drawn at once, to whatever stderr is.
    code = (
        "import sys; from fercli import cli; from fercli.common import progress; "
        "progress.DELAY = progress.INTERVAL = 0; "
        "open('status', 'w').write(str(cli.main(sys.argv[1:])))"
    )
    command = [sys.executable, "-c", code, "classify", names]
    subprocess.run(["bash", "-c", f'exec "$@" {closed}', "-", *command], cwd=tmp_path, check=True)
    assert (tmp_path / "status").read_text() == str(status)
