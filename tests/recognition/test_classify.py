"""Runs over inputs of all kinds."""

import cv2
import numpy as np
import pytest

from fercli.recognition.classify import ClassifyRun
from fercli.recognition.options import VideoOptions
from fercli.recognition.recognizer import Recognizer
from fercli.recognition.sinks.outputs import Outputs
from fercli.recognition.sinks.video_writer import VideoWriter
from fercli.recognition.sources.frames import Colors
from fercli.recognition.sources.inputs import find_inputs


def test_files_are_what_their_content_is(tmp_path, portrait, make_video):
    (tmp_path / "a.jpg").write_bytes(make_video(tmp_path / "a.mp4").read_bytes())
    (tmp_path / "b.mp4").write_bytes(cv2.imencode(".png", portrait)[1].tobytes())
    (tmp_path / "c.png").write_bytes(cv2.imencode(".jpg", portrait)[1].tobytes())
    (tmp_path / "d.jpg").write_text("<html>")
    inputs = find_inputs([f"{tmp_path}/{name}" for name in ("a.jpg", "b.mp4", "c.png", "d.jpg")])
    assert [one.kind for one in inputs] == ["video", "image", "image", "image"]
    results = {
        one.source.path.name: one
        for one in ClassifyRun(Recognizer(), VideoOptions(), Outputs()).run(inputs)
    }
    said = "Read as a video by its content, although its name ends in .jpg"
    assert results["a.jpg"].notes == [said]
    assert results["a.jpg"].summary.frames == 24
    assert len(results["b.mp4"].faces) == len(results["c.png"].faces) == 1
    said = "is PNG, although its name ends in .mp4: read by its content"
    assert results["b.mp4"].notes == [said]
    said = "is JPEG, although its name ends in .png: read by its content"
    assert results["c.png"].notes == [said]
    assert "The file is not an image: its content is HTML" in results["d.jpg"].error


def test_that_smaller_faces_may_be_missed_is_said(tmp_path, portrait, make_video):
    # Her face has some 38 pixels here: near a fiftieth of 1600.
    small = cv2.resize(portrait, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)
    near = np.full((1600, 1600, 3), 90, np.uint8)
    near[200 : 200 + small.shape[0], 300 : 300 + small.shape[1]] = small
    none = np.full((1600, 1600, 3), 90, np.uint8)
    for name, image in (("near", near), ("none", none), ("large", portrait)):
        cv2.imwrite(f"{tmp_path}/{name}.png", image)
    names = [f"{tmp_path}/{name}.png" for name in ("near", "none", "large")]
    run = ClassifyRun(Recognizer(), VideoOptions(), Outputs())
    results = list(run.run(find_inputs(names)))
    assert [len(one.faces) for one in results] == [1, 0, 1]
    assert "near the least of 32 that is detected" in results[0].notes[0]
    assert "for faces of at least 32 pixels" in results[1].notes[0]
    assert results[2].notes == []
    (said,) = run.notes
    assert said.startswith("2 images: smaller faces may be missed; a smaller `min_face`")


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_that_tones_of_hdr_are_not_mapped_is_said(tmp_path, portrait, transfer, name):
    bt2020 = Colors(matrix=9, colorspace=9, primaries=9, transfer=transfer, full_range=False)
    with VideoWriter(tmp_path / "a.mp4", 20, colors=bt2020) as writer:
        writer.write(portrait, 0.0)
    run = ClassifyRun(Recognizer(), VideoOptions(), Outputs())
    (result,) = run.run(find_inputs([str(tmp_path / "a.mp4")]))
    assert f"The video is HDR ({name}); its tones are not mapped" in result.notes
