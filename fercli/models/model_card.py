"""The card of a model: its classes, input, normalization and training, as its file states them.

The same card is stored in a ``.keras`` file (as the member ``fer.json`` of the archive) and in an
``.onnx`` file (in its metadata), so that a model is one file. What a file without a card leaves
open comes from the user (`ModelSettings`) or is assumed, and the card says so.
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

#: Subtracting this from pixels 0…255, and dividing by it, gives −1…1, which fer trains on.
MIDDLE = 127.5

#: The largest side of an input in pixels; larger numbers in a card are an error.
LARGEST_SIDE = 4096


@dataclass(frozen=True)
class ModelCard:
    """What must be known to run a model, and how it was trained.

    Parameters
    ----------
    classes : tuple of str
        In the order of the outputs.
    size_wh : (int, int)
        Width and height that faces are resized to, in pixels.
    channels : {1, 3}
        Gray or color.
    mean, std : tuple of float
        One for each channel, in the model's order of channels, or one for all: the input is
        ``(pixel - mean) / std`` of pixels 0…255. Default to 127.5, which gives −1…1.
    crop : int, optional
        Side in pixels of the middle part of a face that is the input. Defaults to None: all of it.
    color_order : {"rgb", "bgr"}
        The order of three channels. Defaults to "rgb".
    architecture : str
        Its name in fer, or "".
    training : mapping
        Data, epochs, seed, accuracy and so on, as far as known; plain JSON values.
    temperature : float
        Logits are divided by this before the softmax, so that probabilities are as often right as
        they say (Guo et al., ICML 2017, arXiv 1706.04599). Defaults to 1: as the model gives them.
    assumed : tuple of str
        Which of `ASSUMABLE` neither the file nor the user stated.
    notes : tuple of str
        What else a user should know of how the model is run. Not stored.
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
    temperature: float = 1.0
    assumed: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the model's input."""
        width, height = (self.crop, self.crop) if self.crop else self.size_wh
        return height, width, self.channels


def to_metadata(card: ModelCard) -> dict[str, str]:
    """Return a card as the texts by key that ONNX takes as metadata."""
    metadata = {
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
        "fer.temperature": json.dumps(card.temperature),
    }
    if card.assumed:
        metadata["fer.assumed"] = json.dumps(card.assumed)
    return metadata


def from_metadata(metadata: object) -> ModelCard | None:
    """Return the card that `to_metadata` wrote, or None if there is none.

    Raises
    ------
    ValueError
        The metadata are not a mapping, or are fer's but cannot be understood.
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
        training=_training(parse_json(metadata.get("fer.training", "{}"))),
        temperature=float(parse_json(metadata.get("fer.temperature", "1.0"))),
        assumed=tuple(map(str, parse_json(metadata.get("fer.assumed", "[]")))),
    )
    _check(card)
    return card


def _training(stored: Any) -> dict[str, Any]:
    """Return what is known of a training; fer 0.1 called the images pictures."""
    training = dict(stored)
    if "pictures" in training:
        training["images"] = training.pop("pictures")
    return training


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
    if not 0 < card.temperature < math.inf:
        raise ValueError(f"Expected a temperature above 0, got {card.temperature}")


# Models of others: what the user states, and what is assumed for want of it.


@dataclass(frozen=True)
class ModelSettings:
    """What the user states about a model; it wins over what the file states.

    Parameters
    ----------
    classes : sequence of str, optional
        In the order of the outputs, taken literally.
    size_wh : (int, int), optional
        Width and height of the input, for models that take any.
    mean, std : float or sequence of float, optional
        The input is ``(pixel - mean) / std`` of pixels 0…255; one number, or one for each channel
        in the model's order of channels.
    color_order : {"rgb", "bgr"}, optional
        The order of three channels.
    """

    classes: Sequence[str] | None = None
    size_wh: tuple[int, int] | None = None
    mean: float | Sequence[float] | None = None
    std: float | Sequence[float] | None = None
    color_order: Literal["rgb", "bgr"] | None = None


#: What is assumed of a file that does not state it, with the name a user knows it by.
ASSUMABLE = {
    "classes": "classes",
    "mean": "mean",
    "std": "std",
    "color_order": "color order",
    "layout": "layout",
    "output": "output",
}


def foreign_card(classes: int, size_wh: tuple[int, int], channels: int) -> ModelCard:
    """Return the card of a model whose file states shapes alone; the rest is assumed."""
    names = tuple(f"class {at}" for at in range(classes))
    assumed = ["classes", "mean", "std"] + ["color_order"] * (channels == 3)
    scale = (MIDDLE,) * channels
    return ModelCard(names, size_wh, channels, scale, scale, assumed=tuple(assumed))


def with_normalization(card: ModelCard, mean: float, std: float, reason: str) -> ModelCard:
    """Return a foreign card with the normalization that the model itself shows to need."""
    assumed = tuple(name for name in card.assumed if name not in ("mean", "std"))
    each = card.channels
    return replace(
        card, mean=(mean,) * each, std=(std,) * each, assumed=assumed, notes=(*card.notes, reason)
    )


def normalization_for(slope: float, offset: float) -> tuple[float, float] | None:
    """Return the mean and std that suit a model which scales its input itself.

    Of pixels 0…255, 0…1 and −1…1, the one that the model turns into small numbers about 0, or
    else into numbers like pixels, is what it was made for.

    Parameters
    ----------
    slope, offset : float
        The model begins with ``slope * input + offset``.

    Returns
    -------
    (float, float), optional
        None if none of the three fits.
    """
    if abs(slope - 1) < 0.05 and abs(offset) < 0.05:  # it hardly changes its input
        return None
    ranges = {}
    for mean, std in ((0.0, 1.0), (0.0, 255.0), (MIDDLE, MIDDLE)):
        ends = sorted(slope * (pixel - mean) / std + offset for pixel in (0, 255))
        ranges[mean, std] = ends
    small = {
        given: (low, high)
        for given, (low, high) in ranges.items()
        if high - low >= 0.2 and low >= -10 and high <= 10
    }
    if small:
        return min(small, key=lambda given: abs(sum(small[given])))
    like_pixels = (g for g, (low, high) in ranges.items() if low >= -150 and 20 < high <= 260)
    return next(like_pixels, None)


def with_settings(card: ModelCard, settings: ModelSettings, path: Path) -> ModelCard:
    """Return a card with what the user states in place of what it says.

    Where the user contradicts the file, a note says so.

    Raises
    ------
    OptionError
        What the user states cannot be, or does not fit the model in `path`.
    """
    _check_settings(settings, card, path)
    stated: dict[str, Any] = {}
    if settings.classes is not None:
        stated["classes"] = tuple(settings.classes)
    for name in ("mean", "std"):
        if getattr(settings, name) is not None:
            stated[name] = _by_channel(getattr(settings, name), name, card, path)
    if settings.color_order is not None:
        stated["color_order"] = settings.color_order
    notes = [
        f"its {ASSUMABLE[name]} {_shown(getattr(card, name))} replaced by {_shown(value)} as given"
        for name, value in stated.items()
        if name not in card.assumed and _shown(value) != _shown(getattr(card, name))
    ]
    assumed = tuple(name for name in card.assumed if name not in stated)
    return replace(card, **stated, assumed=assumed, notes=(*card.notes, *notes))


def describe_assumptions(card: ModelCard, path: Path) -> str | None:
    """Return one line that says what was assumed of a model and how it is run; None if nothing."""
    values = {
        "classes": ", ".join(card.classes),
        "mean": _shown(card.mean),
        "std": _shown(card.std),
        "color_order": card.color_order,
        "layout": "channels last",
        "output": "scores, to which a softmax is applied",
    }
    parts = [f"{ASSUMABLE.get(name, name)} {values.get(name, '')}".strip() for name in card.assumed]
    said = [f"not stated in the file, assumed: {'; '.join(parts)}"] if parts else []
    return f"{path}: {'; '.join([*said, *card.notes])}" if said or card.notes else None


def _by_channel(
    given: float | Sequence[float], name: str, card: ModelCard, path: Path
) -> tuple[float, ...]:
    values = tuple(given) if isinstance(given, Sequence) else (given,)
    if len(values) not in (1, card.channels):
        raise OptionError(
            f"Expected one `{name}`, or one for each of {card.channels} channels, got "
            f"{len(values)}",
            path=path,
        )
    return values * card.channels if len(values) == 1 else values


def _shown(value: Any) -> str:
    if isinstance(value, tuple) and value and all(isinstance(one, float | int) for one in value):
        return ",".join(f"{one:g}" for one in dict.fromkeys(value))
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _check_settings(settings: ModelSettings, card: ModelCard, path: Path) -> None:
    """Raise `OptionError` for what the user states and the model cannot be."""
    classes = tuple(settings.classes or card.classes)
    if len(classes) != len(card.classes):
        raise OptionError(
            f"Expected {len(card.classes)} `classes`, one for each output of the model, got "
            f"{len(classes)}",
            path=path,
        )
    if not all(classes) or len(set(classes)) < len(classes):
        raise OptionError(f"Expected distinct names in `classes`, got {', '.join(classes)}")
    _check_normalization(settings)
    if settings.size_wh not in (None, card.size_wh):
        width, height = card.size_wh
        raise OptionError(
            f"The model takes inputs of {width}x{height} only", hint="remove `size_wh`", path=path
        )


def _check_normalization(settings: ModelSettings) -> None:
    def numbers(given: float | Sequence[float] | None) -> list[float]:
        values = given if isinstance(given, Sequence) else [given]
        return [float(one) for one in values if one is not None]

    means, stds = numbers(settings.mean), numbers(settings.std)
    for mean in means:
        if not math.isfinite(mean):
            raise OptionError(f"`mean` must be a finite number, got {mean}")
        if 0 < mean < 1:
            raise OptionError(
                f"`mean` is of pixels 0…255, and {mean:g} looks like one of pixels 0…1",
                hint=f"set `mean` to {_times_255(means)}"
                + (f" and `std` to {_times_255(stds)}" if stds else ""),
            )
    for std in stds:
        if not 0 < std < math.inf:
            raise OptionError(f"`std` must be a finite number above 0, got {std}")
        if std < 1:
            raise OptionError(
                f"`std` is of pixels 0…255, and {std:g} looks like one of pixels 0…1",
                hint=f"set `std` to {_times_255(stds)}",
            )


def _times_255(values: Sequence[float]) -> str:
    return ",".join(f"{255 * value:.6g}" for value in values)
