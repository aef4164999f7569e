"""The file of a cascade: ``cascade.xml``, read with every check that cv2 leaves out, and written.

See: OpenCV 3.4.18, ``apps/traincascade/cascadeclassifier.cpp`` (writer) and
``modules/objdetect/src/cascadedetect.cpp`` and ``cascadedetect_convert.cpp`` (reader).
"""

from fercli.cascade.model.cascade import (
    Cascade,
    HaarFeature,
    LbpFeature,
    Node,
    Stage,
    WeakClassifier,
    WeightedRectangle,
    check_cascade,
)
from fercli.cascade.model.read import FRONTAL_FACE, bundled_cascade, find_cascade, read_cascade
from fercli.cascade.model.write import cascade_text, write_cascade

__all__ = [
    "FRONTAL_FACE",
    "Cascade",
    "HaarFeature",
    "LbpFeature",
    "Node",
    "Stage",
    "WeakClassifier",
    "WeightedRectangle",
    "bundled_cascade",
    "cascade_text",
    "check_cascade",
    "find_cascade",
    "read_cascade",
    "write_cascade",
]
