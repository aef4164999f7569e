"""The scanner: a cascade over windows and images, decided as cv2's detector decides."""

from fercli.cascade.detection.scanner.grid import Layer, detector_layers
from fercli.cascade.detection.scanner.scanner import Detections, Scan, Scanner

__all__ = ["Detections", "Layer", "Scan", "Scanner", "detector_layers"]
