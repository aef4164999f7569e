"""Run the benchmarks one after the other and write BENCHMARKS.md with all that they print.

    python scripts/benchmarks.py --data DIR [NAME…] [--out BENCHMARKS.md]

What a benchmark printed is kept below --work. BENCHMARKS.md is written anew after each, from all
that is there, so that a few can be run again by name. Results of another machine or of other
versions do not go into the same file: they are refused unless --afresh removes them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from benchmark_list import BENCHMARKS, Benchmark, Settings
from benchmark_machine import commit, describe_machine

from fercli.common.files import write_text

ROOT = Path(__file__).parents[1]

INTRODUCTION = """# Benchmarks

Written by `make bench DATA=folder`; nothing here is typed by hand. Each section holds the command,
what it printed, when it ran, for how long, and the machine's load before it: a load near 0 means
that nothing else ran. `DATA` is the folder of the development data, `WORK` what was made from it,
`PACKAGES` where pip installs.
"""


@dataclass(frozen=True)
class Result:
    """What one benchmark printed.

    Parameters
    ----------
    commands : list of str
        As typed, with DATA and WORK for the folders.
    output : str
        Of all commands; empty if it was not run.
    commit : str
        That was checked out.
    began : str
        Local date and time.
    seconds : float
        Wall time.
    load : float
        Of the machine before it began: the average over a minute.
    trouble : str
        Why there is no output, or why it may be incomplete.
    """

    commands: list[str]
    output: str = ""
    commit: str = ""
    began: str = ""
    seconds: float = 0.0
    load: float = 0.0
    trouble: str = ""


def main() -> int:
    parser, given = parse()
    unknown = set(given.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"wanted names out of {', '.join(BENCHMARKS)}; found {', '.join(unknown)}")
    if not given.data.is_dir():
        parser.error(f"--data: no folder {given.data}")
    settings = Settings(
        given.data.resolve(), given.work.resolve(), given.minutes, given.quick, given.fer_python
    )
    prepare(settings.work, given.afresh)
    for name in given.names or BENCHMARKS:
        if name not in given.skip:
            print(f"== {name}", file=sys.stderr, flush=True)
            keep(settings.work / f"{name}.json", run(BENCHMARKS[name], settings))
            write_text(given.out, page(settings.work), overwrite=True)
    troubles = {name: result.trouble for name, result in kept(settings.work) if result.trouble}
    for name, trouble in troubles.items():
        print(f"{name}: {trouble}", file=sys.stderr)
    print(given.out)
    return int(bool(troubles))


def parse() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("BENCHMARKS.md"))
    parser.add_argument("--work", type=Path, default=Path("runs/benchmarks"))
    parser.add_argument("--skip", action="append", default=[], choices=list(BENCHMARKS))
    parser.add_argument(
        "--minutes",
        type=float,
        default=10,
        help="stop each run of opencv_traincascade after so long",
    )
    parser.add_argument(
        "--quick", action="store_true", help="the least of each, to see that all works"
    )
    parser.add_argument("--fer-python", type=Path, help="a Python that has PyPI's fer (video)")
    parser.add_argument("--afresh", action="store_true", help="remove kept results first")
    return parser, parser.parse_args()


def prepare(work: Path, afresh: bool) -> None:
    """Make the folder of results, or end if what it holds is of another machine or version."""
    if afresh:
        shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    machine = describe_machine()
    place = work / "machine.json"
    if place.exists() and json.loads(place.read_text()) != machine and any(kept(work)):
        sys.exit(f"{work} holds results of another machine or other versions; try: --afresh")
    place.write_text(json.dumps(machine, indent=2))


def run(benchmark: Benchmark, settings: Settings) -> Result:
    """Return what a benchmark printed, or what is missing to run it."""
    try:
        commands = [list(map(str, command)) for command in benchmark.commands(settings)]
    except FileNotFoundError as error:
        return Result([], trouble=f"not run: {error}")
    began, load, started = datetime.now(), os.getloadavg()[0], time.perf_counter()
    outputs, trouble = [], ""
    for command in commands:
        output, status = run_command(command, settings)
        outputs.append(anonymous(output, settings).strip("\n"))
        if status:
            trouble = f"ended with status {status}"
            break
    seconds = time.perf_counter() - started
    shown = [anonymous(" ".join(["python", *command]), settings) for command in commands]
    return Result(
        shown, "\n\n".join(outputs), commit(ROOT), f"{began:%Y-%m-%d %H:%M}", seconds, load, trouble
    )


def run_command(command: Sequence[str], settings: Settings) -> tuple[str, int]:
    """Return what a command printed, which is shown as well, and its exit status."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "FER_DATA": str(settings.data),
    }
    lines = []
    with subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    return "".join(lines), process.returncode


def anonymous(text: str, settings: Settings) -> str:
    """Return a text with the names of this machine's folders replaced."""
    packages = Path(sysconfig.get_path("purelib"))
    names = {settings.work: "WORK", settings.data: "DATA", packages: "PACKAGES", f"{ROOT}/": ""}
    for folder, name in names.items():
        text = text.replace(str(folder), name)
    return text


def keep(path: Path, result: Result) -> None:
    """Keep a result; one without output does not replace one that has some."""
    if result.output or not path.exists():
        path.write_text(json.dumps(asdict(result), indent=2))


def kept(work: Path) -> Iterable[tuple[str, Result]]:
    """Yield names and results, in the order of the list."""
    for name in BENCHMARKS:
        path = work / f"{name}.json"
        if path.exists():
            yield name, Result(**json.loads(path.read_text()))


def page(work: Path) -> str:
    """Return BENCHMARKS.md from the kept results."""
    machine = json.loads((work / "machine.json").read_text())
    facts = "\n".join(f"| {name} | {value} |" for name, value in machine.items())
    sections = [section(BENCHMARKS[name], result) for name, result in kept(work)]
    return "\n".join([INTRODUCTION, "| machine | |\n| --- | --- |", f"{facts}\n", *sections])


def section(benchmark: Benchmark, result: Result) -> str:
    """Return the section of one benchmark."""
    parts = [f"## {benchmark.title}\n", f"{benchmark.about}\n"]
    if result.trouble:
        parts.append(f"**{result.trouble[0].upper()}{result.trouble[1:]}.**\n")
    if result.commands:
        parts.append("```sh\n" + "\n".join(result.commands) + "\n```\n")
        parts.append(
            f"{result.began}, {result.seconds / 60:.1f} minutes, load before: {result.load:.1f}, "
            f"commit {result.commit}.\n"
        )
    if result.output:
        parts.append(f"```text\n{result.output}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.exit(main())
