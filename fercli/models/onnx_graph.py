"""What an ``.onnx`` file holds, read without the package onnx: external data, first operations.

The file is a protocol buffer; only the fields that are needed are followed; weights are skipped.
Source: onnx.proto of ONNX (github.com/onnx/onnx), protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
from numpy.typing import NDArray

from fercli.common.errors import InputError

Bytes = memoryview

#: How a pointer of Git LFS begins, which stands for a file that was not downloaded.
LFS_POINTER = b"version https://git-lfs.github.com/spec/"

#: Fields that lead to tensors, by message: number of the field → message it holds.
_MESSAGES: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "external"},
}

#: Numbers that constants of a graph are stored in, by their code in a TensorProto.
_DTYPES = {1: "<f4", 6: "<i4", 7: "<i8", 10: "<f2", 11: "<f8"}


def require_downloaded(content: bytes, path: Path) -> None:
    """Raise `InputError` for what stands in for a model: a Git LFS pointer, or a web page."""
    if content.startswith(LFS_POINTER):
        raise InputError(
            "The file is a Git LFS pointer, not the model itself",
            hint="run `git lfs pull` in its repository, or download the file",
            path=path,
        )
    if content[:200].lstrip().lower().startswith((b"<!doctype html", b"<html")):
        raise InputError(
            "The file is a web page, not a model", hint="download the file itself", path=path
        )


def has_external_data(content: bytes, path: Path) -> bool:
    """Return whether weights of a model lie in files beside it.

    Raises
    ------
    InputError
        Such a file is missing, was not downloaded, or would lie outside the model's folder.
    """
    try:
        names = sorted(set(_external_locations(Bytes(content), "model")))
    except (ValueError, IndexError, RecursionError):  # no protocol buffer; onnxruntime will say so
        return b"location" in content
    for name in names:
        _check_location(name, path)
    return bool(names)


def _check_location(name: str, path: Path) -> None:
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    outside = posix.is_absolute() or windows.drive or windows.root or ".." in windows.parts
    if outside or not name:
        raise InputError(
            f"The weights are in {name!r}, which is not in the folder of the model",
            hint="save the model with its weights in a file beside it",
            path=path,
        )
    data = path.parent / name
    try:
        with data.open("rb") as stream:
            require_downloaded(stream.read(200), data)
    except OSError as error:
        raise InputError(
            f"The weights are in {name!r}, which cannot be read: {error.strerror}",
            hint="copy that file into the folder of the model",
            path=path,
        ) from error


def _external_locations(message: Bytes, kind: str) -> Iterator[str]:
    below = _MESSAGES[kind]
    for number, value in _fields(message):
        if number not in below or isinstance(value, int):
            continue
        if below[number] == "external":
            entry = {at: bytes(text) for at, text in _fields(value) if not isinstance(text, int)}
            if entry.get(1) == b"location":
                yield entry.get(2, b"").decode()
        else:
            yield from _external_locations(value, below[number])


def _fields(message: Bytes) -> Iterator[tuple[int, int | Bytes]]:
    """Yield number and value of each field: an int, or the bytes of a text, message or array."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        wire = tag & 7
        value: int | Bytes
        if wire == 0:
            value, at = _varint(message, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
            value, at = message[at : at + size], at + size
        elif wire == 2:
            size, at = _varint(message, at)
            value, at = message[at : at + size], at + size
        else:
            raise ValueError(f"wire type {wire}")
        if at > len(message):
            raise ValueError("truncated")
        yield tag >> 3, value


def _varint(message: Bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise ValueError("no varint")


# The first operations: do they scale the pixels?


@dataclass
class _Node:
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    kind: str = ""
    value: Bytes | None = None


def leading_scaling(content: bytes, name: str) -> tuple[float, float] | None:
    """Return slope and offset that a model's first operations apply to its input.

    Parameters
    ----------
    content : bytes
        The ``.onnx`` file.
    name : str
        The name of its input.

    Returns
    -------
    (float, float), optional
        Means over the channels; None if the input goes into a layer as it is.
    """
    try:
        graph = next(
            value
            for number, value in _fields(Bytes(content))
            if number == 7 and not isinstance(value, int)
        )
        nodes, constants = _parse_graph(graph)
    except (StopIteration, ValueError, IndexError):
        return None
    slope, offset, changed = 1.0, 0.0, False
    while True:
        users = [node for node in nodes if name in node.inputs]
        if len(users) != 1 or not users[0].outputs:
            break
        (node,) = users
        if node.kind not in ("Identity", "Cast", "Transpose", "Dropout"):
            values = [constants[one] for one in node.inputs if one in constants]
            turned = node.inputs[0] != name  # constant - x, constant / x
            if len(values) != 1 or (turned and node.kind in ("Sub", "Div")):
                break
            number = float(np.mean(values[0])) if values[0].size else 0.0
            if node.kind == "Add":
                offset += number
            elif node.kind == "Sub":
                offset -= number
            elif node.kind == "Mul":
                slope, offset = slope * number, offset * number
            elif node.kind == "Div" and number:
                slope, offset = slope / number, offset / number
            else:
                break
            changed = True
        name = node.outputs[0]
    return (slope, offset) if changed else None


def _parse_graph(graph: Bytes) -> tuple[list[_Node], dict[str, NDArray[np.float64]]]:
    nodes: list[_Node] = []
    constants: dict[str, NDArray[np.float64] | None] = {}
    for number, value in _fields(graph):
        if isinstance(value, int):
            continue
        if number == 1:
            node = _parse_node(value)
            nodes.append(node)
            if node.kind == "Constant" and node.value is not None:
                constants[node.outputs[0]] = _parse_tensor(node.value)[1]
        elif number == 5:
            name, array = _parse_tensor(value)
            constants[name] = array
    return nodes, {name: array for name, array in constants.items() if array is not None}


def _parse_node(message: Bytes) -> _Node:
    node = _Node()
    for number, value in _fields(message):
        if isinstance(value, int):
            continue
        if number in (1, 2):
            (node.inputs if number == 1 else node.outputs).append(bytes(value).decode())
        elif number == 4:
            node.kind = bytes(value).decode()
        elif number == 5:
            tensors = [t for at, t in _fields(value) if at == 5 and not isinstance(t, int)]
            node.value = tensors[0] if tensors else node.value
    return node


def _parse_tensor(message: Bytes) -> tuple[str, NDArray[np.float64] | None]:
    """Return name and numbers of a tensor; None for numbers of kinds that no scaling has."""
    name, kind, raw, floats = "", 0, b"", b""
    for number, value in _fields(message):
        if number == 2 and isinstance(value, int):
            kind = value
        elif number == 8 and not isinstance(value, int):
            name = bytes(value).decode()
        elif number == 9 and not isinstance(value, int):
            raw = bytes(value) if len(value) <= 1 << 16 else b""
        elif number == 4 and not isinstance(value, int):
            floats += bytes(value)
    if raw and kind in _DTYPES:
        return name, np.frombuffer(raw, _DTYPES[kind]).astype(np.float64)
    if floats and kind == 1:
        return name, np.frombuffer(floats, "<f4").astype(np.float64)
    return name, None
