"""fer: train and run Haar-cascade detectors and facial-expression models.

The names here are the public Python API; they are loaded when they are used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fercli.api import build_info as build_info
    from fercli.api import create_samples as create_samples
    from fercli.api import evaluate_cascade as evaluate_cascade
    from fercli.api import evaluate_model as evaluate_model
    from fercli.api import import_dataset as import_dataset
    from fercli.api import train_cascade as train_cascade
    from fercli.api import train_model as train_model
    from fercli.cascade.detection.detector import Detections as Detections
    from fercli.cascade.detection.detector import Detector as Detector
    from fercli.common.errors import FerError as FerError
    from fercli.common.errors import OptionError as OptionError
    from fercli.recognition.recognizer import Recognizer as Recognizer
    from fercli.recognition.results import Face as Face
    from fercli.recognition.results import FrameFaces as FrameFaces

__version__ = "0.1.0"

_MODULES = {
    "Detections": "fercli.cascade.detection.detector",
    "Detector": "fercli.cascade.detection.detector",
    "Face": "fercli.recognition.results",
    "FerError": "fercli.common.errors",
    "FrameFaces": "fercli.recognition.results",
    "OptionError": "fercli.common.errors",
    "Recognizer": "fercli.recognition.recognizer",
    "build_info": "fercli.api",
    "create_samples": "fercli.api",
    "evaluate_cascade": "fercli.api",
    "evaluate_model": "fercli.api",
    "import_dataset": "fercli.api",
    "train_cascade": "fercli.api",
    "train_model": "fercli.api",
}

__all__ = [*_MODULES]  # names, which ruff does not see


def __getattr__(name: str) -> Any:
    """Load a name of the public API."""
    from importlib import import_module

    if name not in _MODULES:
        raise AttributeError(f"module 'fercli' has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the names of the public API."""
    return sorted({*_MODULES, "__version__"})
