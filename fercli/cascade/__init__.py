"""From folders of images to a ``cascade.xml`` that ``cv2.CascadeClassifier`` loads.

Here are the words that several rooms share and that options take.
"""

from typing import Literal, get_args

FeatureType = Literal["HAAR", "LBP"]

#: The sets of Haar features, each of which holds the one before.
HaarMode = Literal["BASIC", "CORE", "ALL"]
HAAR_MODES: tuple[HaarMode, ...] = get_args(HaarMode)

#: Discrete, real and gentle AdaBoost, and LogitBoost.
MethodName = Literal["DAB", "RAB", "LB", "GAB"]

SearchName = Literal["fast", "exhaustive"]

#: The share of its positives that a stage lets pass, and the stages of a training, by default.
HIT_RATE = 0.995
STAGES = 20
