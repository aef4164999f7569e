"""The detector's grid: which windows of an image cv2's ``detectMultiScale`` looks at.

See: OpenCV 4.14, ``modules/objdetect/src/cascadedetect.cpp``
(``CascadeClassifierImpl::detectMultiScaleNoGrouping``, ``FeatureEvaluator::updateScaleData``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fercli.common.errors import OptionError

ImageArray = NDArray[np.uint8]
Size = tuple[int, int]


@dataclass(frozen=True)
class Layer:
    """One size of an image, and the windows in it.

    Parameters
    ----------
    scale : float
        How much smaller than the image (a float32).
    size_wh : tuple of 2 int
        The size that the image is resized to.
    window_wh : tuple of 2 int
    step : int
        2 pixels from a window to the next where the scale is below 2, else 1.
    columns, rows : int
        How many windows.
    """

    scale: float
    size_wh: Size
    window_wh: Size
    step: int
    columns: int
    rows: int

    def resize(self, image: ImageArray) -> ImageArray:
        """Return the image in the layer's size, as the detector resizes it."""
        height, width = image.shape
        if (width, height) == self.size_wh:
            return image
        resized: ImageArray = cv2.resize(image, self.size_wh, interpolation=cv2.INTER_LINEAR_EXACT)
        return resized

    def boxes(self, positions_xy: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the windows at some positions in the layer as boxes in the image.

        Parameters
        ----------
        positions_xy : ndarray of int32, shape (n, 2)

        Returns
        -------
        ndarray of int32, shape (n, 4)
            x, y, width, height, rounded in float32 as the detector rounds them.
        """
        corners = np.rint(positions_xy.astype(np.float32) * np.float32(self.scale))
        sizes = np.broadcast_to(_scaled(self.window_wh, self.scale), corners.shape)
        return np.hstack([corners, sizes]).astype(np.int32)

    def nearest(self, corners_xy: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return, as boxes in the image, the windows whose corners are nearest to some there."""
        steps = np.rint(corners_xy / (np.float64(self.scale) * self.step)).astype(np.int32)
        return self.boxes(steps * self.step)


def layer_at(scale: float, image_wh: Size, window_wh: Size) -> Layer:
    """Return the layer of a scale, with all the windows that fit on the detector's grid."""
    # The size is divided in float32; halves are rounded to even.
    width, height = (int(np.rint(np.float32(side) / np.float32(scale))) for side in image_wh)
    step = 1 if scale >= 2 else 2
    columns, rows = (
        max((side - window) // step + 1, 0)
        for side, window in zip((width, height), window_wh, strict=True)
    )
    return Layer(float(np.float32(scale)), (width, height), window_wh, step, columns, rows)


def detector_layers(
    image_wh: Size,
    window_wh: Size,
    *,
    scale_factor: float = 1.1,
    min_size: Size | None = None,
    max_size: Size | None = None,
) -> list[Layer]:
    """Return the layers that ``detectMultiScale`` makes of an image.

    Parameters
    ----------
    image_wh, window_wh : tuple of 2 int
        Width and height in pixels.
    scale_factor : float
        From a layer to the next. Above 1, defaults to 1.1.
    min_size, max_size : tuple of 2 int, optional
        Smallest and largest object. If no layer fits between them, there is the one whose window
        is closest to `min_size`.

    Returns
    -------
    list of Layer
        None if the image is smaller than the window.

    Raises
    ------
    OptionError
        `scale_factor` is not above 1.
    """
    scales = list(detector_scales(image_wh, window_wh, scale_factor))
    if min_size is not None or max_size is not None:
        scales = _between(scales, window_wh, min_size or (0, 0), max_size or image_wh)
    layers = [layer_at(scale, image_wh, window_wh) for scale in scales]
    return [_in_stripes(layer, layers[0]) for layer in layers]


def detector_scales(image_wh: Size, window_wh: Size, scale_factor: float) -> Iterator[float]:
    """Yield 1 and its multiples by powers of the factor (float32), while the window fits.

    Raises `OptionError` if the factor is not above 1.
    """
    if not scale_factor > 1:
        raise OptionError(f"`scale_factor`: expected more than 1, got {scale_factor:g}")
    factor = 1.0
    while all(np.rint(w * factor) <= p for w, p in zip(window_wh, image_wh, strict=True)):
        yield float(np.float32(factor))
        factor *= scale_factor


def _between(scales: list[float], window_wh: Size, min_size: Size, max_size: Size) -> list[float]:
    """Return the scales whose window lies between two sizes, or else the closest to the first."""
    sizes = [_scaled(window_wh, scale) for scale in scales]
    fitting = [
        scale
        for scale, size in zip(scales, sizes, strict=True)
        if (size >= min_size).all() and (size <= max_size).all()
    ]
    if fitting or not scales:
        return fitting
    distances = [int(((size - min_size) ** 2).sum()) for size in sizes]
    return [scales[distances.index(min(distances))]]


def _scaled(size_wh: Size, scale: float) -> NDArray[np.int32]:
    return np.rint(np.float32(size_wh) * np.float32(scale)).astype(np.int32)  # type: ignore[no-any-return, arg-type]


def _in_stripes(layer: Layer, first: Layer) -> Layer:
    """Return a layer with the rows that cv2 looks at.

    cv2 shares the rows of a layer among stripes, which are as many as the first layer is wide, in
    units of 32 windows. It gives each the same number of whole steps, rounded down in sum: so the
    last row may be left out.
    """
    stripes = -(-(first.size_wh[0] + 1 - layer.window_wh[0]) // 32)
    positions = layer.size_wh[1] + 1 - layer.window_wh[1]
    steps = max(-(-(positions // layer.step) // stripes), 1) * stripes
    return dataclasses.replace(layer, rows=min(layer.rows, steps))
