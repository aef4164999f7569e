"""``python -m scripts.interruptions.annotator IMAGES OUT``: someone who annotates images.

Starts ``fer cascade annotate``, and draws one more box in each image, turn after turn. How many
boxes of an image were answered for is noted beside OUT; a later start must find them all, and
goes on from there.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

#: How many boxes each image has at the end.
TURNS = 4


def main(images: Path, out: Path) -> int:
    """Annotate what is not annotated yet; 1 if the page refuses something or has lost a box."""
    command = [sys.executable, "-m", "fercli", "cascade", "annotate", str(images), "--out",
               str(out / "info.dat"), "--port", "0"]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            address = next((each for each in process.stdout if "annotate at" in each), None)
            if address is None:
                return process.wait()
            return _annotate(address.split()[2] + "api/v1/images", out.with_name("told"))
        except KeyboardInterrupt:  # which the page has heard too
            return 130
        except HTTPError as error:
            print(json.load(error)["error"]["reason"], file=sys.stderr)
            return 1
        except ConnectionError as error:
            print(f"the page is gone: {error}", file=sys.stderr)
            return 1
        finally:
            process.terminate()


def _annotate(address: str, told: Path) -> int:
    before = dict(map(str.split, told.read_text().splitlines())) if told.exists() else {}
    listed = _ask(address)["images"]
    lost = [at for at, (_, _, boxes) in enumerate(listed) if boxes < int(before.get(str(at), 0))]
    if lost:
        print(f"boxes of the images {lost} are lost", file=sys.stderr)
        return 1
    with told.open("a") as notes:
        for turn in range(1, TURNS + 1):
            for at, (_, _, boxes) in enumerate(listed):
                if boxes < turn:
                    _draw(f"{address}/{at}", turn)
                    notes.write(f"{at} {turn}\n")
                    notes.flush()
    return 0


def _draw(address: str, count: int) -> None:
    boxes = [[n, n, 5, 5] for n in range(count)]
    _ask(address, {**_ask(address), "boxes": boxes, "done": True})


def _ask(address: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    method, headers = ("GET" if body is None else "PUT"), {"Content-Type": "application/json"}
    with urlopen(Request(address, data, headers, method=method)) as answer:
        return json.load(answer)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
