"""Annotation: files of boxes that are gone on with, the progress beside them, what a page sends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.fuzz.reader import Reader
from scripts.fuzz.targets.boxes import COCO, DLIB, INFO, TABLE
from scripts.fuzz.targets.corpus import SIDE, put_image
from scripts.fuzz.targets.web import REFUSED, RefusedRequestError

PROGRESS = (
    b'{"begun": ["a.png"], "sizes": {"a.png": [48, 48], "b.png": [48, 48]}}\n',
    b'{"begun": [], "sizes": {}}\n',
)
SAVES = tuple(
    json.dumps({"name": "a.png", "revision": "0", "done": True, **said}).encode()
    for said in (
        {"boxes": [[1, 2, 20, 20], [30, 3, 9, 9]], "ignored": [[1, 2, 3, 4]], "reasons": [2]},
        {"boxes": [], "ignored": [[0, 0, 48, 48]], "negative": True},
    )
)

#: Boxes of one kind alone are gone on with: what says otherwise in valid content, and what to say.
OTHER_KINDS = (
    (b'"category_id": 2', b'"category_id": 1'),
    (b" ignore='1'/>", b"><label>face</label></box>"),
)


def _photos(folder: Path) -> None:
    put_image(folder / "photos" / "a.png", 1)
    put_image(folder / "photos" / "b.png", 2)


def _beside(name: str, content: bytes) -> Callable[[Path], None]:
    def lay(folder: Path) -> None:
        _photos(folder)
        (folder / name).write_bytes(content)

    return lay


def _go_on(out: str) -> Callable[[Path], object]:
    """Return what opens an output, looks at all of it, and draws one box more."""

    def go_on(folder: Path) -> object:
        from fercli.labeling import BoxOutput, ImageAnnotation, open_store

        path = folder / out
        before = path.read_bytes()
        try:
            store = open_store(BoxOutput(path, folder / "photos"), folder / "bg.txt")
            store.states(), store.counts()
            before_save = store.annotation(0, (SIDE, SIDE))
            boxes = (*before_save.boxes_xywh, (1, 1, 5, 5))
            more = ImageAnnotation(boxes, before_save.ignored_xywh)
            store.save(0, more, before_save.revision(store.names[0]), (SIDE, SIDE))
            assert (1, 1, 5, 5) in store.annotation(0, (SIDE, SIDE)).boxes_xywh
            return store
        finally:
            path.write_bytes(before)
            (folder / f"{out}.before").unlink(missing_ok=True)

    return go_on


def _save(folder: Path) -> object:
    from fercli.labeling.app import AnnotateSettings, create_app, open_session

    (folder / "boxes.json").unlink(missing_ok=True)
    app = create_app(open_session(AnnotateSettings(folder / "photos", folder / "boxes.json")))
    app.testing = True  # what would be answered with 500 is raised
    client: Any = app.test_client()
    body = (folder / "body").read_bytes()
    known = client.get("/api/v1/images/0").get_json()["revision"].encode()
    body = body.replace(b'"revision": "0"', b'"revision": "%b"' % known)
    answer = client.put("/api/v1/images/0", data=body, content_type="application/json")
    if answer.status_code != 200:
        assert 400 <= answer.status_code < 500
        raise RefusedRequestError(answer.status)
    return answer.get_json()


def _gone_on(name: str, out: str, valid: tuple[bytes, ...]) -> Reader:
    ours = []
    for content in valid:
        for other, one in ((b"a.png", b"photos/a.png"), *OTHER_KINDS):
            content = content.replace(other, one)
        ours.append(content)
    return Reader(f"{name}, gone on with", out, lambda: ours, _go_on(out), _photos, 0.5)


READERS = (
    Reader("progress of an annotation", "info.dat.progress.json", lambda: PROGRESS,
           _go_on("info.dat"), _beside("info.dat", b"photos/a.png 1 1 2 20 20\n")),
    _gone_on("info", "info.dat", INFO),
    _gone_on("CSV of boxes", "boxes.csv", TABLE),
    _gone_on("COCO", "boxes.json", COCO),
    _gone_on("dlib", "boxes.xml", DLIB),
    Reader("save of a page", "body", lambda: SAVES, _save, _photos, refusals=REFUSED),
)  # fmt: skip
