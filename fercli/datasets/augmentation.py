"""The policy of augmentation: how pictures are changed without changing what they show.

One definition serves ``fer datasets augment``, which writes changed pictures as files, and
training, which changes pictures on the fly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fercli.common.errors import OptionError
from fercli.common.images import Picture
from fercli.common.recipes import read_recipe

#: What each number may be at most; the least is 0. Beyond it a face is no longer to be told.
LIMITS = {
    "rotation": 180.0,
    "flip": 1.0,
    "shift": 0.5,
    "zoom": 0.9,
    "brightness": 1.0,
    "contrast": 0.99,
    "noise": 128.0,
    "blur": 10.0,
    "erasing": 1.0,
}

#: The share of the picture that is erased, and the ratio of its sides. See: Zhong, Zheng, Kang, Li
#: and Yang, "Random erasing data augmentation", AAAI 2020 (who erase up to 0.4).
ERASED_AREA = (0.02, 0.2)
ERASED_RATIO = 3.0


@dataclass(frozen=True)
class Policy:
    """How far pictures may be changed. Each change is drawn anew for each picture; 0 is none.

    Parameters
    ----------
    rotation : float
        The largest angle in degrees, either way.
    flip : float
        The probability of a mirror image.
    shift : float
        The largest shift in each direction, as a share of the picture's side.
    zoom : float
        The largest zoom: 0.1 scales by 1/1.1 to 1.1.
    brightness : float
        The most that is added to or taken from grey levels, as a share of white.
    contrast : float
        The largest change of the distance from the mean: 0.3 multiplies it by 0.7 to 1.3.
    noise : float
        The largest standard deviation of added noise, in grey levels.
    blur : float
        The largest standard deviation of a Gaussian, in hundredths of the picture's side.
    erasing : float
        The probability that a rectangle is replaced by noise.
    """

    rotation: float = 10.0
    flip: float = 0.5
    shift: float = 0.08
    zoom: float = 0.1
    brightness: float = 0.1
    contrast: float = 0.2
    noise: float = 4.0
    blur: float = 1.0
    erasing: float = 0.0

    def __post_init__(self) -> None:
        for name, limit in LIMITS.items():
            value = getattr(self, name)
            # Written so that NaN is refused too.
            if not isinstance(value, int | float) or not 0 <= value <= limit:
                raise OptionError(f"wanted {name} from 0 to {limit:g}, found {value!r}")

    def apply(self, picture: Picture, rng: np.random.Generator) -> Picture:
        """Return a changed copy of a picture.

        The numbers drawn do not depend on the policy: with one change turned off, the others stay
        as they were.

        Parameters
        ----------
        picture : ndarray of uint8, shape (height, width) or (height, width, channels)
        rng : numpy.random.Generator
            The same state gives the same picture.
        """
        draw = _Draw.from_rng(rng)
        changed = self._move(picture, draw)
        changed = self._blur(changed, draw)
        changed = self._relight(changed, draw)
        changed = self._erase(changed, draw)
        # cv2 drops the axis of a single channel.
        return np.asarray(changed.reshape(picture.shape), np.uint8)

    def apply_batch(self, pictures: NDArray[np.uint8], rng: np.random.Generator) -> Any:
        """Return changed copies of pictures, shape (n, height, width[, channels]), as `apply`."""
        return np.stack([self.apply(picture, rng) for picture in pictures])

    def _move(self, picture: Picture, draw: _Draw) -> Picture:
        """Rotate, zoom, shift and mirror in one resampling; edges are mirrored, not black."""
        height, width = picture.shape[:2]
        mirrored = draw.flip < self.flip
        scale = (1 + self.zoom) ** draw.zoom
        matrix = cv2.getRotationMatrix2D(
            ((width - 1) / 2, (height - 1) / 2), self.rotation * draw.rotation, scale
        )
        matrix[:, 2] += self.shift * draw.shift_x * width, self.shift * draw.shift_y * height
        if not (self.rotation or self.zoom or self.shift):
            return np.ascontiguousarray(picture[:, ::-1]) if mirrored else picture
        if mirrored:
            matrix = matrix @ np.array([[-1.0, 0, width - 1], [0, 1, 0], [0, 0, 1]])
        moved = cv2.warpAffine(
            picture, matrix, (width, height), flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,
        )  # fmt: skip
        return np.asarray(moved, np.uint8)

    def _blur(self, picture: Picture, draw: _Draw) -> Picture:
        sigma = self.blur * draw.blur * min(picture.shape[:2]) / 100
        # A narrower Gaussian changes nothing but rounding.
        if sigma < 0.2:
            return picture
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)

    def _relight(self, picture: Picture, draw: _Draw) -> Picture:
        """Change contrast about the mean, brightness, and add noise, with one rounding."""
        if not (self.contrast or self.brightness or self.noise):
            return picture
        gain = 1 + self.contrast * draw.contrast
        mean = float(picture.mean())
        levels = picture.astype(np.float32) * np.float32(gain)
        levels += np.float32(mean * (1 - gain) + 255 * self.brightness * draw.brightness)
        if self.noise:
            noise = draw.rng.standard_normal(picture.shape, np.float32)
            levels += noise * np.float32(self.noise * draw.noise)
        return np.asarray(np.clip(np.rint(levels), 0, 255), np.uint8)

    def _erase(self, picture: Picture, draw: _Draw) -> Picture:
        if draw.erasing >= self.erasing:
            return picture
        height, width = picture.shape[:2]
        low, high = ERASED_AREA
        area = (low + (high - low) * draw.erased_area) * height * width
        ratio = ERASED_RATIO**draw.erased_ratio
        h = min(max(round((area * ratio) ** 0.5), 1), height)
        w = min(max(round((area / ratio) ** 0.5), 1), width)
        top, left = int(draw.erased_y * (height - h + 1)), int(draw.erased_x * (width - w + 1))
        erased = picture.copy()
        hole = erased[top : top + h, left : left + w]
        hole[...] = draw.rng.integers(0, 256, hole.shape, np.uint8)
        return erased


@dataclass(frozen=True)
class _Draw:
    """The random numbers of one picture: from 0 to 1, or from -1 to 1 for what goes both ways."""

    flip: float
    noise: float
    blur: float
    erasing: float
    erased_area: float
    erased_x: float
    erased_y: float
    rotation: float
    shift_x: float
    shift_y: float
    zoom: float
    brightness: float
    contrast: float
    erased_ratio: float
    rng: np.random.Generator

    @classmethod
    def from_rng(cls, rng: np.random.Generator) -> _Draw:
        """Draw all numbers, and a generator for what takes as many numbers as pixels."""
        numbers = rng.random(len(_NUMBERS))
        numbers[7:] = 2 * numbers[7:] - 1
        drawn = dict(zip(_NUMBERS, numbers.tolist(), strict=True))
        return cls(**drawn, rng=np.random.default_rng(rng.integers(2**63)))


_NUMBERS = tuple(field.name for field in fields(_Draw) if field.name != "rng")

#: Policies by name.
POLICIES = {
    "light": Policy(rotation=5, shift=0.04, zoom=0.05, brightness=0.05, contrast=0.1, noise=2),
    "standard": Policy(),
    "strong": Policy(20, 0.5, 0.12, 0.2, 0.2, 0.4, 8, 2, 0.5),
}


def find_policy(text: str, changes: Mapping[str, float | None] | None = None) -> Policy:
    """Return the policy of a name or a TOML file, with some of its numbers changed.

    Parameters
    ----------
    text : str
        One of `POLICIES`, or the name of a TOML file whose keys are those of `Policy`; what it
        does not name is 0.
    changes : mapping, optional
        Numbers that win over the policy's; None: unchanged.

    Raises
    ------
    RecipeError
        The file has an unknown key or is not TOML.
    OptionError
        A number is out of range, or there is neither a policy nor a file of this name.
    """
    wins = {name: value for name, value in (changes or {}).items() if value is not None}
    if text in POLICIES:
        return replace(POLICIES[text], **wins)
    if not text.endswith(".toml"):
        raise OptionError(
            f"wanted a policy of augmentation, found {text!r}",
            hint=f"{', '.join(POLICIES)}, or a file.toml",
        )
    names = {field.name for field in fields(Policy)}
    values = dict.fromkeys(names, 0.0) | read_recipe(Path(text), names)
    return Policy(**values | wins)


def as_numbers(policy: Policy) -> dict[str, float]:
    """Return the numbers of a policy by name."""
    return asdict(policy)
