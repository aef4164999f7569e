"""What a model's file says about the model: classes, input, normalization, training.

The same card travels in a ``.keras`` file (as a member ``fer.json`` of the archive) and in an
``.onnx`` file (in its metadata), so that a model needs nothing beside it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from fercli import __version__
from fercli.common.errors import OptionError
from fercli.common.files import parse_json

#: How gray levels 0…255 become −1…1, which is what fer trains on.
MIDDLE = 127.5

#: Faces of more pixels a side are none that a model of faces takes.
LARGEST_SIDE = 4096


@dataclass(frozen=True)
class ModelCard:
    """What must be known to run a model, and what it was made of.

    Parameters
    ----------
    classes : tuple of str
        In the order of its outputs.
    size_wh : (int, int)
        Width and height that faces are brought to, in pixels.
    channels : {1, 3}
        Gray levels or color.
    mean, std : tuple of float
        One a channel, in gray levels 0…255: the model sees ``(pixel - mean) / std``.
        Default to 127.5: −1…1.
    crop : int, optional
        Side of the middle part of a face that the model sees, in pixels. Defaults to None: all.
    color_order : {"rgb", "bgr"}
        The order of three channels. Defaults to "rgb".
    architecture : str
        Its name in fer, or "".
    training : mapping
        Data, epochs, seed, accuracy and so on, as far as known; plain values of JSON.
    """

    classes: tuple[str, ...]
    size_wh: tuple[int, int]
    channels: int = 1
    mean: tuple[float, ...] = (MIDDLE,)
    std: tuple[float, ...] = (MIDDLE,)
    crop: int | None = None
    color_order: Literal["rgb", "bgr"] = "rgb"
    architecture: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of what the model itself takes."""
        width, height = (self.crop, self.crop) if self.crop else self.size_wh
        return height, width, self.channels


def to_metadata(card: ModelCard) -> dict[str, str]:
    """Return a card as texts by key, as ONNX wants its metadata."""
    return {
        "fer.version": __version__,
        "fer.classes": json.dumps(card.classes, ensure_ascii=False),
        "fer.input_size": f"{card.size_wh[0]}x{card.size_wh[1]}",
        "fer.channels": str(card.channels),
        "fer.mean": json.dumps(card.mean),
        "fer.std": json.dumps(card.std),
        "fer.crop": str(card.crop or ""),
        "fer.color_order": card.color_order,
        "fer.architecture": card.architecture,
        "fer.training": json.dumps(card.training, ensure_ascii=False),
    }


def from_metadata(metadata: object) -> ModelCard | None:
    """Return the card that `to_metadata` wrote, or None if there is none.

    Raises
    ------
    ValueError
        The metadata are no mapping, or are fer's but cannot be understood.
    """
    if not isinstance(metadata, Mapping):
        raise ValueError(f"Expected the metadata to be a mapping, got {str(metadata)[:60]}")
    if "fer.classes" not in metadata:
        return None
    try:
        return _parse(metadata)
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"The metadata cannot be read: {error}") from error


def _parse(metadata: Mapping[str, str]) -> ModelCard:
    width, height = map(int, metadata["fer.input_size"].split("x"))
    card = ModelCard(
        classes=tuple(map(str, parse_json(metadata["fer.classes"]))),
        size_wh=(width, height),
        channels=int(metadata["fer.channels"]),
        mean=tuple(map(float, parse_json(metadata["fer.mean"]))),
        std=tuple(map(float, parse_json(metadata["fer.std"]))),
        crop=int(metadata["fer.crop"]) if metadata.get("fer.crop") else None,
        color_order="bgr" if _color_order(metadata) == "bgr" else "rgb",
        architecture=str(metadata.get("fer.architecture", "")),
        training=dict(parse_json(metadata.get("fer.training", "{}"))),
    )
    _check(card)
    return card


def _color_order(metadata: Mapping[str, str]) -> str | None:
    """Return the order of channels; fer 0.1 spelled its key as the British do."""
    return metadata.get("fer.color_order", metadata.get("fer.colour_order"))


def _check(card: ModelCard) -> None:
    """Raise ValueError for numbers that no model can have."""
    sides = (*card.size_wh, card.crop or 1)
    if not all(1 <= side <= LARGEST_SIDE for side in sides) or sides[2] > min(card.size_wh):
        raise ValueError(f"Expected sides of 1 to {LARGEST_SIDE} pixels, got {sides}")
    if card.channels not in (1, 3):
        raise ValueError(f"Expected 1 or 3 channels, got {card.channels}")
    if not card.classes or len(set(card.classes)) < len(card.classes):
        raise ValueError(f"Expected distinct class names, got {card.classes}")
    for values in (card.mean, card.std):
        if len(values) not in (1, card.channels) or not all(map(math.isfinite, values)):
            raise ValueError(f"Expected one finite number for each channel, got {values}")
    if not all(card.std):
        raise ValueError(f"Expected standard deviations other than 0, got {card.std}")


# What the user says in place of it.


@dataclass(frozen=True)
class ModelSettings:
    """What the user says about a model, in place of what its file says or leaves out.

    Parameters
    ----------
    classes : sequence of str, optional
        In the order of the outputs.
    size_wh : (int, int), optional
        Width and height of the input, for models that take any.
    mean, std : float, optional
        The model sees ``(pixel - mean) / std`` of pixels 0…255. Without metadata they default
        to 127.5, which gives −1…1.
    color_order : {"rgb", "bgr"}, optional
        The order of three channels.
    """

    classes: Sequence[str] | None = None
    size_wh: tuple[int, int] | None = None
    mean: float | None = None
    std: float | None = None
    color_order: Literal["rgb", "bgr"] | None = None


def with_settings(card: ModelCard, settings: ModelSettings, path: Path) -> ModelCard:
    """Return a card with what the user says in place of what it says.

    Raises
    ------
    OptionError
        What the user says cannot be, or does not fit the model in `path`.
    """
    _check_settings(settings, card, path)
    if settings.classes is not None:
        card = replace(card, classes=tuple(settings.classes))
    if settings.mean is not None:
        card = replace(card, mean=(settings.mean,) * card.channels)
    if settings.std is not None:
        card = replace(card, std=(settings.std,) * card.channels)
    return replace(card, color_order=settings.color_order or card.color_order)


def _check_settings(settings: ModelSettings, card: ModelCard, path: Path) -> None:
    """Raise `OptionError` for what the user says and the model cannot be."""
    classes = tuple(settings.classes or card.classes)
    if len(classes) != len(card.classes):
        raise OptionError(
            f"Expected {len(card.classes)} `classes`, one for each output of the model, got "
            f"{len(classes)}",
            path=path,
        )
    if not all(classes) or len(set(classes)) < len(classes):
        raise OptionError(f"Expected distinct names in `classes`, got {', '.join(classes)}")
    if settings.mean is not None and not math.isfinite(settings.mean):
        raise OptionError(f"`mean` must be a finite number, got {settings.mean}")
    if settings.std is not None and not 0 < settings.std < math.inf:
        raise OptionError(f"`std` must be a finite number above 0, got {settings.std}")
    if settings.size_wh not in (None, card.size_wh):
        width, height = card.size_wh
        raise OptionError(
            f"The model takes inputs of {width}x{height} only", hint="remove `size_wh`", path=path
        )
