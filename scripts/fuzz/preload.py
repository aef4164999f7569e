"""Imports of the readers, done once for all worker processes, which are forked from here."""

from importlib import import_module

for name in (
    "cv2", "numpy", "PIL.Image", "av", "onnx", "fercli.annotations.formats", "fercli.cli",
    "fercli.cascade.detection.detector", "fercli.cascade.training.checkpoint",
    "fercli.datasets.importing", "fercli.labeling.app", "fercli.models.onnx_model",
    "fercli.recognition.recognizer", "fercli.web.app", "fercli.web.worker", "scripts.fuzz.targets",
):  # fmt: skip
    import_module(name)
