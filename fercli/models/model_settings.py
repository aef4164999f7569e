"""What a network takes, as its metadata, the user or its shapes say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fercli.common.errors import InputError, OptionError
from fercli.models.model_card import MIDDLE, ModelCard, from_metadata

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


@dataclass(frozen=True)
class Settings:
    """What the user says about a network, in place of what its file says or leaves out.

    Parameters
    ----------
    classes : sequence of str, optional
        In the order of the outputs.
    size_wh : (int, int), optional
        Width and height of the input, for networks that take any.
    mean, std : float, optional
        The network sees ``(pixel - mean) / std`` of pixels 0…255. Without metadata they default
        to 127.5, which gives −1…1.
    color_order : {"rgb", "bgr"}, optional
        The order of three channels.
    """

    classes: Sequence[str] | None = None
    size_wh: tuple[int, int] | None = None
    mean: float | None = None
    std: float | None = None
    color_order: Literal["rgb", "bgr"] | None = None


def channels_first(shape: Sequence[Any], path: Path) -> bool:
    """Return whether an input of this shape has its channels before its rows and columns.

    Raises
    ------
    InputError
        It is no shape of images in one or three channels.
    """
    if len(shape) == 4 and shape[3] in (1, 3):
        return False
    if len(shape) == 4 and shape[1] in (1, 3):
        return True
    raise InputError(f"wanted a network of images, found one of inputs {shape}", path=path)


def read_card(
    session: InferenceSession, settings: Settings, shape: Sequence[Any], path: Path
) -> ModelCard:
    """Return the card in a network's metadata, or one guessed, with what the user says.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        The network.
    settings : Settings
        What the user says; it wins over the metadata.
    shape : sequence
        The shape of the network's input.
    path : Path
        Its file, for messages.

    Raises
    ------
    InputError
        The metadata are fer's but cannot be understood.
    OptionError
        What the user says does not fit the network, or not enough is said.
    """
    try:
        card = from_metadata(session.get_modelmeta().custom_metadata_map)
    except ValueError as error:
        raise InputError(str(error), path=path) from error
    return with_settings(card or _guess_card(session, settings, shape, path), settings, path)


def with_settings(card: ModelCard, settings: Settings, path: Path) -> ModelCard:
    """Return a card with what the user says in place of what it says.

    Raises
    ------
    OptionError
        What the user says cannot be, or does not fit the network in `path`.
    """
    _check_settings(settings, card, path)
    if settings.classes is not None:
        card = replace(card, classes=tuple(settings.classes))
    if settings.mean is not None:
        card = replace(card, mean=(settings.mean,) * card.channels)
    if settings.std is not None:
        card = replace(card, std=(settings.std,) * card.channels)
    return replace(card, color_order=settings.color_order or card.color_order)


def _check_settings(settings: Settings, card: ModelCard, path: Path) -> None:
    """Raise `OptionError` for what the user says and the network cannot be."""
    classes = tuple(settings.classes or card.classes)
    if len(classes) != len(card.classes):
        raise OptionError(f"wanted {len(card.classes)} classes for {path}, found {len(classes)}")
    if not all(classes) or len(set(classes)) < len(classes):
        raise OptionError(f"wanted a name of its own for each class, found {', '.join(classes)}")
    if settings.mean is not None and not math.isfinite(settings.mean):
        raise OptionError(f"wanted a number for --mean, found {settings.mean}")
    if settings.std is not None and not 0 < settings.std < math.inf:
        raise OptionError(f"wanted a number above 0 for --std, found {settings.std}")
    if settings.size_wh not in (None, card.size_wh):
        width, height = card.size_wh
        raise OptionError(f"{path} takes inputs of {width}x{height} only", hint="no --size")


def _guess_card(
    session: InferenceSession, settings: Settings, shape: Sequence[Any], path: Path
) -> ModelCard:
    """Return what can be told from the shapes of a network without metadata of fer's."""
    first = channels_first(shape, path)
    height, width, channels = (shape[2], shape[3], shape[1]) if first else shape[1:]
    if isinstance(height, int) and isinstance(width, int):
        size = (width, height)
    elif settings.size_wh:
        size = settings.size_wh
    else:
        raise OptionError(f"{path} takes inputs of any size: which?", hint="--size WxH")
    outputs = session.get_outputs()[0].shape or []
    # Some end in a convolution of 1×1, and give (n, classes, 1, 1).
    count = next((side for side in outputs[:0:-1] if isinstance(side, int) and side > 1), None)
    given = len(settings.classes or ())
    if count and given and count != given:
        raise OptionError(f"wanted {count} classes for {path}, found {given}")
    count = count or given
    if count < 2:
        raise OptionError(f"{path} does not say how many classes it has", hint="--classes a,b,c")
    classes = tuple(settings.classes or (f"class {at}" for at in range(count)))
    return ModelCard(classes, size, channels, (MIDDLE,) * channels, (MIDDLE,) * channels)
