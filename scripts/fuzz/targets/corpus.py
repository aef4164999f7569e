"""Small valid content: images, cascades and tables that several readers start from."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np

SIDE = 48


@cache
def texture(seed: int = 1, width: int = SIDE, height: int = SIDE) -> np.ndarray:
    """Return smooth random gray levels."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)


@cache
def encoded(suffix: str, seed: int = 1, *, color: bool = False) -> bytes:
    """Return an image of `texture` in the format of a suffix."""
    image = texture(seed, 24, 20)
    if color:
        image = np.dstack((image, image[::-1], image[:, ::-1]))
    return cv2.imencode(suffix, image)[1].tobytes()


def put_image(path: Path, seed: int = 1) -> Path:
    """Write an image as PNG, its folder included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", texture(seed))[1].tobytes())
    return path


CASCADE_HAAR = b"""<?xml version="1.0"?>
<opencv_storage>
<cascade>
  <stageType>BOOST</stageType>
  <featureType>HAAR</featureType>
  <height>9</height>
  <width>12</width>
  <stageParams>
    <boostType>GAB</boostType>
    <minHitRate>9.9500000476837158e-01</minHitRate>
    <maxFalseAlarm>5.0000000000000000e-01</maxFalseAlarm>
    <weightTrimRate>9.4999998807907104e-01</weightTrimRate>
    <maxDepth>2</maxDepth>
    <maxWeakCount>100</maxWeakCount></stageParams>
  <featureParams>
    <maxCatCount>0</maxCatCount>
    <featSize>1</featSize>
    <mode>ALL</mode></featureParams>
  <stageNum>2</stageNum>
  <stages>
    <_>
      <maxWeakCount>2</maxWeakCount>
      <stageThreshold>-2.5000000000000000e-01</stageThreshold>
      <weakClassifiers>
        <_>
          <internalNodes>1 0 0 1.25e-01 -1 -2 2 -5.0e-01</internalNodes>
          <leafValues>0.5 -1. 0.75</leafValues></_>
        <_>
          <internalNodes>0 -1 1 0.</internalNodes>
          <leafValues>-1. 1.</leafValues></_></weakClassifiers></_>
    <_>
      <maxWeakCount>1</maxWeakCount>
      <stageThreshold>5.0000000000000000e-01</stageThreshold>
      <weakClassifiers>
        <_>
          <internalNodes>0 -1 1 0.</internalNodes>
          <leafValues>-1. 1.</leafValues></_></weakClassifiers></_></stages>
  <features>
    <_>
      <rects>
        <_>0 0 6 4 -1.</_>
        <_>3 0 3 4 2.</_></rects>
      <tilted>0</tilted></_>
    <_>
      <rects>
        <_>5 1 2 3 -1.</_>
        <_>5 1 1 3 2.</_></rects>
      <tilted>1</tilted></_>
    <_>
      <rects>
        <_>0 0 12 9 -1.</_>
        <_>0 0 6 4 2.</_>
        <_>6 4 6 5 2.</_></rects>
      <tilted>0</tilted></_></features></cascade>
</opencv_storage>
"""

CASCADE_LBP = b"""<?xml version="1.0"?>
<opencv_storage>
<cascade type_id="opencv-cascade-classifier"><stageType>BOOST</stageType>
  <featureType>LBP</featureType>
  <height>9</height>
  <width>12</width>
  <stageParams>
    <maxWeakCount>3</maxWeakCount></stageParams>
  <featureParams>
    <maxCatCount>256</maxCatCount></featureParams>
  <stageNum>1</stageNum>
  <stages>
    <_>
      <maxWeakCount>1</maxWeakCount>
      <stageThreshold>2.5e-01</stageThreshold>
      <weakClassifiers>
        <_>
          <internalNodes>0 -1 0 -1 0 1 2 3 4 5 -2147483648</internalNodes>
          <leafValues>-0.5 0.5</leafValues></_></weakClassifiers></_></stages>
  <features>
    <_>
      <rect>1 0 3 2</rect></_></features></cascade>
</opencv_storage>
"""

CASCADE_OLD = b"""<?xml version="1.0"?>
<opencv_storage>
<haar type_id="opencv-haar-classifier">
  <size>12 9</size>
  <stages>
    <_>
      <trees>
        <_>
          <_>
            <feature>
              <rects>
                <_>0 0 6 4 -1.</_>
                <_>3 0 3 4 2.</_></rects>
              <tilted>0</tilted></feature>
            <threshold>0.125</threshold>
            <left_node>1</left_node>
            <right_val>0.5</right_val></_>
          <_>
            <feature>
              <rects>
                <_>5 1 2 3 -1.</_>
                <_>5 1 1 3 2.</_></rects>
              <tilted>1</tilted></feature>
            <threshold>-0.5</threshold>
            <left_val>-1.</left_val>
            <right_val>0.75</right_val></_></_></trees>
      <stage_threshold>-0.25</stage_threshold>
      <parent>-1</parent>
      <next>-1</next></_></stages></haar>
</opencv_storage>
"""
