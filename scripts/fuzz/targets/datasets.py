"""Readers of data sets: as they are published, and as fer writes them."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from scripts.fuzz.reader import Reader
from scripts.fuzz.targets.corpus import put_image, texture

LABELS = ("happy", "sad")
MANIFEST = (
    b"""{"format": "fer-dataset", "classes": ["happy", "sad"],
 "counts": {"train": {"happy": 2, "sad": 2}},
 "sources": [{"name": "a", "format": "folder", "path": "/a", "sha256": "00"}],
 "made_by": [{"command": "import", "options": {"size_wh": null}}],
 "fer": "0.1.0", "version": 1, "files": "files.csv"}
""",
)
FILES = (
    b"file,source,origin,subject,sha256,votes\n"
    b"train/happy/0.png,a,a:1,a:s1,00,1 2\ntrain/happy/1.png,a,a:2,a:s2,,\n"
    b'train/sad/0.png,a,"a, b",,00,0 9\ntrain/sad/1.png,a,x,,,3 4\n',
)
CROPS = (
    b"image,size,modified,faces,boxes,crop,sha256,problem\n"
    b"happy/0.png,100,1700000000,1,1 2 3 4,train/happy/0.png,00ff,\n"
    b"sad/0.png,100,1700000000,0,,,,no face\n",
)
POLICY = (
    b"rotation = 10.0\nflip = 0.5\nshift = 0.08\nzoom = 0.1\nbrightness = 0.1\ncontrast = 0.2\n"
    b"noise = 4\nblur = 1\nerasing = 0.2\n",
)
LIST = (
    b"path,label,split,subject\np/0.png,happy,train,a\np/1.png,sad,test,b\np/2.png,neutral,,\n",
    b"image,expression\np/0.png,anger\np/1.png,surprise\n",
)
RAF = (b"train_00001.jpg 5\ntest_0001.jpg 2\ntrain_00002.jpg 4\n",)
AFFECTNET = (
    b"subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,"
    b"valence,arousal\n1/a.png,2,3,40,40,1;2,1,0.1,0.2\n1/b.png,NULL,NULL,NULL,NULL,,9,-2,-2\n",
)
VOTES = (
    b"Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"
    b"Training,fer0000000.png,4,0,0,1,3,2,0,0,0,0\nPublicTest,,0,9,1,0,0,0,0,0,0,0\n",
)
PLAN = {"import": "what", "options": {"a": 1}}
JOURNAL = (b'# {"import": "what", "options": {"a": 1}}\n' + FILES[0].split(b"\n", 1)[1],)


def _fer2013() -> list[bytes]:
    pixels = (" ".join(map(str, texture(seed).ravel())).encode() for seed in (1, 2))
    rows = (b"0,%b,Training\n" % next(pixels), b"3,%b,PublicTest\n" % next(pixels))
    return [b"emotion,pixels,Usage\n" + b"".join(rows)]


def _packed() -> list[bytes]:
    import gzip

    return [gzip.compress(content, mtime=0) for content in _fer2013()]


def _zipped() -> list[bytes]:
    import zipfile

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("fer2013.csv"), _fer2013()[0])
    return [stream.getvalue()]


def _label_arrays() -> list[bytes]:
    contents = []
    for value in (np.array("3"), np.array(2), np.array(["1"])):
        stream = io.BytesIO()
        np.save(stream, value)
        contents.append(stream.getvalue())
    return contents


def _import(source: str, form: str) -> Callable[[Path], object]:
    """Return what imports a source, told what it is, and lets fer find out what it is."""

    def read(folder: Path) -> object:
        from fercli.datasets.expressions import ImportOptions, parse_classes
        from fercli.datasets.formats import DATASET_FORMATS
        from fercli.datasets.importing import import_sources
        from fercli.datasets.sources import Source

        out = folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        for known in DATASET_FORMATS.values():
            known.recognizes(folder / source)
        sources = [Source(path=folder / source, form=DATASET_FORMATS[form], name="it")]
        return import_sources(sources, out, ImportOptions(parse_classes("8")), workers=1)

    return read


def _lay_images(folder: Path) -> None:
    for number in range(3):
        put_image(folder / "p" / f"{number}.png", number)


def _lay_raf(folder: Path) -> None:
    for name in ("train_00001", "test_0001", "train_00002"):
        put_image(folder / "raf" / "Image" / "aligned" / f"{name}_aligned.jpg")


def _lay_affectnet(folder: Path) -> None:
    for name in "ab":
        put_image(folder / "set" / "1" / f"{name}.png")


def _lay_arrays(folder: Path) -> None:
    put_image(folder / "set" / "train_set" / "images" / "0.jpg")


def _lay_fer(folder: Path) -> None:
    (folder / "fer2013.csv").write_bytes(_fer2013()[0])


def _lay_tree(folder: Path) -> None:
    for at, label in enumerate(LABELS):
        for number in range(2):
            put_image(folder / "tree" / "train" / label / f"{number}.png", 10 * at + number)
    (folder / "tree" / "dataset.json").write_bytes(MANIFEST[0])
    (folder / "tree" / "files.csv").write_bytes(FILES[0])


def _read_tree(folder: Path) -> object:
    """Read a tree, count and split it, for which all that stands beside it is needed."""
    from fercli.datasets.options import SplitOptions
    from fercli.datasets.splitting import split_tree
    from fercli.datasets.statistics import describe_tree
    from fercli.datasets.tree import read_tree

    tree = read_tree(folder / "tree")
    describe_tree(tree, workers=1)
    out = folder / "split"
    shutil.rmtree(out, ignore_errors=True)
    return split_tree(tree, out, SplitOptions({"train": 0.5, "validation": 0.5}), workers=1)


def _read_journal(folder: Path) -> object:
    from fercli.datasets.journal import Journal

    root = folder / "tree"
    content = (root / ".unfinished.csv").read_bytes()
    with Journal(root, PLAN) as journal:
        found = list(journal.records())
    (root / ".unfinished.csv").write_bytes(content)
    return found


def _faces() -> Any:
    from fercli.cascade.model import FRONTAL_FACE
    from fercli.datasets.options import FaceOptions

    return FaceOptions((FRONTAL_FACE,), without_face="keep")


def _lay_crops(folder: Path) -> None:
    """Lay a source, and a folder of crops of it that is finished."""
    from fercli.datasets.face_cropping import crop_folder

    put_image(folder / "source" / "happy" / "0.png")
    put_image(folder / "source" / "sad" / "0.png")
    crop_folder(folder / "source", folder / "crops", _faces(), workers=1)


def _crop(folder: Path) -> object:
    """Go on with crops; those of another plan are made anew."""
    from fercli.datasets.face_cropping import crop_folder

    return crop_folder(folder / "source", folder / "crops", _faces(), workers=1, overwrite=True)


def _plans() -> list[bytes]:
    """Return a plan of cropping that is another one, so that nothing is gone on with."""
    from fercli.datasets.face_cropping import plan_of

    return [json.dumps(plan_of(Path("source"), _faces()), indent=2).encode() + b"\n"]


def _read_policy(folder: Path) -> object:
    from fercli.datasets.augment import find_policy

    policy = find_policy(str(folder / "policy.toml"))
    return policy.apply(texture(1), np.random.default_rng(0))


READERS = (
    Reader("fer2013.csv", "fer2013.csv", _fer2013, _import("fer2013.csv", "fer2013")),
    Reader("fer2013.csv.gz", "fer2013.csv.gz", _packed, _import("fer2013.csv.gz", "fer2013")),
    Reader("fer2013.zip", "fer2013.zip", _zipped, _import("fer2013.zip", "fer2013")),
    Reader("fer2013new.csv", "fer2013new.csv", lambda: VOTES, _import("fer2013.csv", "ferplus"),
           _lay_fer),
    Reader("CSV of labels", "list.csv", lambda: LIST, _import("list.csv", "csv"), _lay_images),
    Reader("RAF-DB", "raf/EmoLabel/list_patition_label.txt", lambda: RAF,
           _import("raf", "rafdb"), _lay_raf),
    Reader("AffectNet", "set/training.csv", lambda: AFFECTNET, _import("set", "affectnet"),
           _lay_affectnet),
    Reader("AffectNet, arrays", "set/train_set/annotations/0_exp.npy", _label_arrays,
           _import("set", "affectnet"), _lay_arrays),
    Reader("dataset.json", "tree/dataset.json", lambda: MANIFEST, _read_tree, _lay_tree),
    Reader("files.csv", "tree/files.csv", lambda: FILES, _read_tree, _lay_tree),
    Reader("journal of a data set", "tree/.unfinished.csv", lambda: JOURNAL, _read_journal),
    Reader("crops.csv", "crops/crops.csv", lambda: CROPS, _crop, _lay_crops, 0.05),
    Reader("crop.json", "crops/crop.json", _plans, _crop, _lay_crops, 0.05),
    Reader("augmentation.toml", "policy.toml", lambda: POLICY, _read_policy),
)  # fmt: skip
