"""The scanner: a cascade over windows and images, decided as cv2's detector decides."""

from fercli.cascade.detection.scanner.grid import Layer, detector_layers
from fercli.cascade.detection.scanner.scanner import Scan, ScannedImage, Scanner

__all__ = ["Layer", "Scan", "ScannedImage", "Scanner", "detector_layers"]
