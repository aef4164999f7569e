"""``python -m scripts.interruptions --rounds 20 --seed 1``.

Each round of a job kills it, sends it Ctrl-C, fills its disk (a small tmpfs) or takes its folder's
rights (``chattr +i``; both as root alone); then it is run again, and must end with the bytes of a
run that nobody disturbed.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fercli.common.files import UNFINISHED
from fercli.common.tables import format_table
from scripts.interruptions.inputs import make_inputs
from scripts.interruptions.integrity import broken, differences, digests
from scripts.interruptions.jobs import JOBS, Job
from scripts.interruptions.processes import WAYS, give_rights, run, small_disk, start


def disturb(job: Job, way: str, after: float, size: int, inputs: Path, out: Path) -> list[str]:
    """Run a job, disturbed; return what is wrong with how it ends and with what it leaves."""
    out.mkdir(parents=True)
    if way == "full disk":
        with small_disk(out, size):
            process = start(job.command(inputs, out))
            said = process.communicate()[1]
    else:
        process = start(job.command(inputs, out))
        WAYS[way](process, after, out)
        said = process.communicate()[1]
        give_rights(out)
    problems = [f"a traceback: {said[-1500:]}"] if "Traceback" in said else []
    allowed = {"kill -9": (0, -9), "Ctrl-C": (0, 130, -2)}.get(way, (0, 1))
    if process.returncode not in allowed:
        problems.append(f"status {process.returncode}: {said[-500:]}")
    return problems + broken(out)


def finish(job: Job, inputs: Path, out: Path) -> list[str]:
    """Run a disturbed job again, to its end; return what is wrong."""
    process = start(job.command(inputs, out))
    said = process.communicate()[1]
    ended = "has ended" in said or "already" in said or "holds a network" in said
    if process.returncode and not ended:
        return [f"the second run ends with {process.returncode}: {said[-500:]}"]
    left = [path for path in out.rglob(f"{UNFINISHED}*") if job.tidy and "engine" not in path.parts]
    return broken(out) + [f"{path.relative_to(out)} is left over" for path in left]


def rounds_of(
    job: Job, ways: Sequence[str], rounds: int, rng: random.Random, inputs: Path
) -> tuple[int, list[str]]:
    """Disturb a job in each way in turn; return how often it was, and all that was wrong."""
    found, disturbed = [], 0
    with tempfile.TemporaryDirectory(prefix="fer-whole-") as place:
        # Results must stand under the same path each time: some name it.
        out = Path(place, "round", "out")
        out.mkdir(parents=True)
        begun = time.monotonic()
        run(job.command(inputs, out))
        seconds = time.monotonic() - begun
        wanted = digests(out, job.varies)
        size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
        for number in range(rounds):
            shutil.rmtree(out.parent)
            way = ways[number % len(ways)]
            after, share = rng.uniform(0.2, 1) * seconds, rng.uniform(0, 1)
            problems = disturb(job, way, after, max(int(size * share), 1 << 14), inputs, out)
            disturbed += digests(out, job.varies) != wanted
            problems += finish(job, inputs, out) + differences(wanted, digests(out, job.varies))
            moment = f"{share:.0%} of the disk" if way == "full disk" else f"after {after:.2f} s"
            print(f"{job.name}, {way}, {moment}: {'; '.join(problems) or 'whole'}", flush=True)
            found += [f"{job.name}, {way}, {moment}: {problem}" for problem in problems]
    return disturbed, found


def _chosen(names: str) -> list[str]:
    chosen = [name.strip() for name in names.split(";")]
    for name in chosen:
        if name not in JOBS:
            raise argparse.ArgumentTypeError(f"{name} is none of {'; '.join(JOBS)}")
    return chosen


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as asked for; 1 if something was not whole."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="of each job")
    parser.add_argument("--seed", type=int, default=None, help="of the moments; printed")
    parser.add_argument(
        "--jobs", type=_chosen, default=";".join(JOBS), help="names, with ; between them"
    )
    parser.add_argument("--ways", default=None, help="names, with ; between them")
    parser.add_argument("--small", action="store_true", help="small inputs, for a short check")
    parser.add_argument("--workers", type=int, default=1, help="jobs at once")
    asked = parser.parse_args(arguments)
    seed = random.SystemRandom().randrange(10**6) if asked.seed is None else asked.seed
    able = list(WAYS) if os.geteuid() == 0 else ["kill -9", "Ctrl-C"]
    ways = asked.ways.split(";") if asked.ways else able
    print(f"seed {seed}")
    with (
        tempfile.TemporaryDirectory(prefix="fer-inputs-") as folder,
        ThreadPoolExecutor(asked.workers) as pool,
    ):
        make_inputs(Path(folder), small=asked.small)

        def check(name: str) -> tuple[int, list[str]]:
            rng = random.Random(f"{seed}:{name}")
            return rounds_of(JOBS[name], ways, asked.rounds, rng, Path(folder))

        results = list(pool.map(check, asked.jobs))
    rows = [
        [name, asked.rounds, disturbed, len(wrong)]
        for name, (disturbed, wrong) in zip(asked.jobs, results, strict=True)
    ]
    print(format_table(["job", "rounds", "disturbed before the end", "problems"], rows))
    return 1 if any(wrong for _, wrong in results) else 0


if __name__ == "__main__":
    sys.exit(main())
