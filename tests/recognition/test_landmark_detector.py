"""Faces by cv2.FaceDetectorYN: a network of YuNet's outputs, built here, whose faces are bright."""

import math

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fercli.common.errors import InputError, OptionError
from fercli.datasets.face_boxes import cut_turned
from fercli.models.catalog import find_model
from fercli.recognition.landmark_detector import LandmarkDetector, angle_of, box_of
from fercli.recognition.recognizer import Recognizer

#: Landmarks of a face in cells of 32 pixels from its own: eyes that tilt by 0.4 in 1, a nose, a
#: mouth 0.75 below the eyes.
POINTS = (0.0, 0.3, 1.0, 0.7, 0.5, 0.8, 0.3, 1.25, 0.7, 1.25)
ANGLE = math.degrees(math.atan2(0.4, 1.0))

#: A bright cell, the eighth from the left and the third from the top.
CELL = (7 * 32, 2 * 32)


def write_network(path):
    """Write a network that sees a face in each cell of 32 pixels of which an eighth is white."""
    nodes, weights, outputs = [], [], []

    def constant(name, values, kind=np.float32):
        weights.append(numpy_helper.from_array(np.asarray(values, kind), name))
        return name

    def head(name, channels, scale, bias, stride):
        factor = constant(f"{name}_w", np.full((channels, 1, 1, 1), scale))
        inputs = [f"light{stride}", factor, constant(f"{name}_b", bias)]
        shape = constant(f"{name}_s", [1, -1, channels], np.int64)
        nodes.extend(
            [
                helper.make_node("Conv", inputs, [f"{name}_c"], kernel_shape=[1, 1]),
                helper.make_node("Transpose", [f"{name}_c"], [f"{name}_t"], perm=[0, 2, 3, 1]),
                helper.make_node("Reshape", [f"{name}_t", shape], [name]),
            ]
        )
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, None, channels]))

    mean = constant("mean", np.full((1, 3, 1, 1), 1 / 3 / 255))
    nodes.append(helper.make_node("Conv", ["input", mean], ["gray"], kernel_shape=[1, 1]))
    for stride in (8, 16, 32):
        pooled = helper.make_node(
            "AveragePool", ["gray"], [f"light{stride}"], kernel_shape=[stride] * 2,
            strides=[stride] * 2,
        )  # fmt: skip
        nodes.append(pooled)
        certain = stride == 32  # (light − 0.1) · 50; nothing at the other strides
        for name in ("cls", "obj"):
            head(f"{name}_{stride}", 1, 50.0 * certain, [-5.0 * certain], stride)
        head(f"bbox_{stride}", 4, 0.0, [0.5, 0.5, math.log(3), math.log(3)], stride)
        head(f"kps_{stride}", 10, 0.0, POINTS, stride)
    image = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 640, 640])
    graph = helper.make_graph(nodes, "faces", [image], outputs, weights)
    opset = [helper.make_opsetid("", 12)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return write_network(tmp_path_factory.mktemp("yunet") / "yunet.onnx")


@pytest.fixture(scope="module")
def scene():
    image = np.zeros((240, 320, 3), np.uint8)
    x, y = CELL
    image[y : y + 32, x : x + 32] = 255
    return image


def test_faces_are_boxed_by_their_landmarks(network, scene):
    detector = LandmarkDetector(network, 0.7)
    points = np.float32(POINTS).reshape(5, 2) * 32 + CELL
    (box,) = detector.detect(scene, side=640, min_face=10).tolist()
    assert box == list(box_of(points))
    x, y, width, height = box
    assert width == height
    assert x < CELL[0] + 16 < x + width
    # The line from the eyes to the mouth is within.
    assert y < CELL[1] + 16
    assert CELL[1] + 40 < y + height
    gray = scene[:, :, 0]
    assert detector.detect(gray, side=640, min_face=10).tolist() == [box]
    assert not len(detector.detect(scene, side=640, min_face=width + 1))
    assert not len(detector.detect(np.zeros((50, 70), np.uint8), side=640, min_face=10))


def test_a_face_is_tracked_in_its_surroundings(network, scene):
    detector = LandmarkDetector(network, 0.7)
    boxes = detector.detect(scene, side=640, min_face=10)
    nowhere = np.array([(10, 150, 60, 60), (400, 300, 60, 60)], np.int32)  # one outside
    assert detector.track(scene, np.concatenate([boxes, nowhere])).shape == (1, 4)
    assert detector.track(scene, nowhere).shape == (0, 4)


def test_the_face_given_to_the_model_is_turned_upright(network, scene):
    recognizer = Recognizer(detector=network)
    (face,) = recognizer.recognize(scene)
    x, y, side, _ = face.box_xywh
    (crop,) = recognizer.crop(scene[:, :, 0], np.array([face.box_xywh], np.int32))
    middle = (x + side / 2, y + side / 2)
    size = recognizer.card.size_wh
    turned = cut_turned(scene[:, :, 0], middle, side, ANGLE, size)
    level = cut_turned(scene[:, :, 0], middle, side, 0, size)
    assert cv2.absdiff(crop[..., 0], turned).max() <= 2  # landmarks are single precision
    assert cv2.absdiff(crop[..., 0], level).max() > 100


def test_people_of_a_video(network, scene, make_video, tmp_path):
    path = make_video(tmp_path / "a.mp4", [scene] * 12)
    frames = list(Recognizer(detector=network).recognize_video(path))
    assert [len(one.found) for one in frames] == [1] * 12
    assert {face.person for one in frames for face in one.faces} == {1}


def test_angles():
    level = np.float32([(10, 10), (30, 10), (20, 20), (14, 30), (26, 30)])
    assert angle_of(level) == 0
    turn = cv2.getRotationMatrix2D((20, 20), -30, 1)  # clockwise
    assert angle_of(cv2.transform(level[None], turn)[0]) == pytest.approx(30, abs=1e-4)
    # The box of a turned face has the same side and is about the same middle.
    assert np.allclose(box_of(level)[2], box_of(cv2.transform(level[None], turn)[0])[2], atol=1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "Expected a face detector, found nothing of that name"),
        (b"no network", "not a YuNet face detector"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a pointer of Git LFS"),
        ("ferplus", "not a YuNet face detector"),
    ],
)
def test_files_that_are_no_detectors(tmp_path, content, message):
    path = find_model("ferplus") if content == "ferplus" else tmp_path / "a.onnx"
    if isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        Recognizer(detector=path)
    assert "LFS" in message or "face_detection_yunet_2023mar.onnx" in (caught.value.hint or "")


def test_a_cascade_and_a_detector_are_one_too_many(network):
    from fercli.cascade.model import bundled_cascade

    with pytest.raises(OptionError, match="one of `cascade` and `detector`"):
        Recognizer(bundled_cascade(), detector=network)
