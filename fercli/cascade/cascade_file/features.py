"""Features as the elements of a storage hold them."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from fercli.cascade.cascade_file.values import each, integer, numbers_of, real, text_of
from fercli.cascade.model.parts import HaarFeature, LbpFeature, WeightedRectangle
from fercli.common.errors import CascadeFileError


def haar_feature(element: Element, where: str) -> HaarFeature:
    """Return the Haar feature that an element of ``features`` holds."""
    rectangles = tuple(each(element, "rects", _rectangle, "rectangle", where))
    tilted = integer(text_of(element, "tilted", where, default="0"), where)
    return HaarFeature(rectangles, bool(tilted))


def _rectangle(element: Element, where: str) -> WeightedRectangle:
    *corners, weight = numbers_of(element, 5, where)
    x, y, width, height = (integer(text, where) for text in corners)
    return WeightedRectangle(x, y, width, height, real(weight, where))


def lbp_feature(element: Element, where: str) -> LbpFeature:
    """Return the LBP feature that an element holds; raise `CascadeFileError` if it holds none."""
    rectangle = element.find("rect")
    if rectangle is None:
        raise CascadeFileError(f"{where}: wanted <rect>, found none")
    x, y, width, height = (integer(text, where) for text in numbers_of(rectangle, 4, where))
    return LbpFeature(x, y, width, height)
