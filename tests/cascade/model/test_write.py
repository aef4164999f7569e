from dataclasses import replace

import cv2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fercli.cascade.model import cascade_text, read_cascade, write_cascade
from fercli.common.errors import OutputExistsError


def read_text(text, tmp_path):
    path = tmp_path / "cascade.xml"
    path.write_text(text)
    return read_cascade(path)


def loads(text):
    storage = cv2.FileStorage(text, cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
    return cv2.CascadeClassifier().read(storage.getFirstTopLevelNode())


def without_unused_features(cascade):
    """The cascade with the features that its nodes use, slowly."""
    used = {n.feature for s in cascade.stages for w in s.weak_classifiers for n in w.nodes}
    number = {}
    for at in range(len(cascade.features)):
        if at in used:
            number[at] = len(number)

    def renumbered(weak):
        return replace(weak, nodes=tuple(replace(n, feature=number[n.feature]) for n in weak.nodes))

    stages = tuple(
        replace(stage, weak_classifiers=tuple(map(renumbered, stage.weak_classifiers)))
        for stage in cascade.stages
    )
    return replace(cascade, stages=stages, features=tuple(cascade.features[at] for at in number))


@given(drawn=st.data())
def test_a_cascade_comes_back_exactly_and_opencv_loads_it(drawn, any_cascade, tmp_path_factory):
    cascade = drawn.draw(any_cascade)
    text = cascade_text(cascade)
    again = read_text(text, tmp_path_factory.getbasetemp())
    assert again == without_unused_features(cascade)
    assert cascade_text(again) == text
    assert loads(text)


@given(drawn=st.data())
def test_a_compact_file_holds_the_same_cascade(drawn, any_cascade, tmp_path_factory):
    cascade = drawn.draw(any_cascade)
    text = cascade_text(cascade, compact=True)
    again = read_text(text, tmp_path_factory.getbasetemp())
    assert cascade_text(again) == cascade_text(cascade)
    assert loads(text)
    assert len(text) < len(cascade_text(cascade))


def test_the_layout_is_that_of_opencv_traincascade(haar):
    expected = """<?xml version="1.0"?>
<opencv_storage>
<cascade>
  <stageType>BOOST</stageType>
  <featureType>HAAR</featureType>
  <height>9</height>
  <width>12</width>
  <stageParams>
    <boostType>GAB</boostType>
    <minHitRate>9.9500000476837158e-01</minHitRate>
    <maxWeakCount>100</maxWeakCount></stageParams>
  <featureParams>
    <maxCatCount>0</maxCatCount>
    <featSize>1</featSize>
    <mode>BASIC</mode></featureParams>
  <stageNum>2</stageNum>
  <stages>
    <!-- stage 0 -->
    <_>
      <maxWeakCount>2</maxWeakCount>
      <stageThreshold>-2.5000000000000000e-01</stageThreshold>
      <weakClassifiers>
        <_>
          <internalNodes>
            1 0 0 1.2500000000000000e-01 -1 -2 2 -5.0000000000000000e-01</internalNodes>
          <leafValues>
            5.0000000000000000e-01 -1. 7.5000000000000000e-01</leafValues></_>
        <_>
          <internalNodes>
            0 -1 1 0.</internalNodes>
          <leafValues>
            -1. 1.</leafValues></_></weakClassifiers></_>
    <!-- stage 1 -->
    <_>
      <maxWeakCount>1</maxWeakCount>
      <stageThreshold>5.0000000000000000e-01</stageThreshold>
      <weakClassifiers>
        <_>
          <internalNodes>
            0 -1 1 0.</internalNodes>
          <leafValues>
            -1. 1.</leafValues></_></weakClassifiers></_></stages>
  <features>
    <_>
      <rects>
        <_>
          0 0 6 4 -1.</_>
        <_>
          3 0 3 4 2.</_></rects>
      <tilted>0</tilted></_>
    <_>
      <rects>
        <_>
          5 1 2 3 -1.</_>
        <_>
          5 1 1 3 2.</_></rects>
      <tilted>1</tilted></_>
    <_>
      <rects>
        <_>
          0 0 12 9 -1.</_>
        <_>
          0 0 6 4 2.</_>
        <_>
          6 4 6 5 2.</_></rects>
      <tilted>0</tilted></_></features></cascade>
</opencv_storage>
"""
    trained = {
        "boostType": "GAB",
        "minHitRate": 0.9950000047683716,
        "maxWeakCount": 100,
        "mode": "BASIC",
    }
    assert cascade_text(replace(haar, parameters=trained)) == expected


def test_the_lists_of_lbp_nodes_are_broken_as_opencv_breaks_them(lbp):
    subset = (-67130709, -21569, -1426120013, -1275125205, -21585, -16385, 587145899, -24005)
    (weak,) = lbp.stages[0].weak_classifiers
    weak = replace(weak, nodes=(replace(weak.nodes[0], subset=subset),))
    stage = replace(lbp.stages[0], weak_classifiers=(weak,))
    assert (
        "            0 -1 0 -67130709 -21569 -1426120013 -1275125205 -21585\n"
        "            -16385 587145899 -24005</internalNodes>"
    ) in cascade_text(replace(lbp, stages=(stage,)))


def test_text_among_the_parameters_cannot_break_the_file(haar, tmp_path):
    odd = {"boostType": "<GAB> & co", "maxWeakCount": 7}
    assert read_text(cascade_text(replace(haar, parameters=odd)), tmp_path).parameters == odd


def test_nothing_is_overwritten_unless_asked(haar, lbp, tmp_path):
    path = tmp_path / "new folder" / "cascade.xml"
    write_cascade(path, haar)
    with pytest.raises(OutputExistsError):
        write_cascade(path, lbp)
    write_cascade(path, lbp, overwrite=True)
    assert read_cascade(path).feature_type == "LBP"
