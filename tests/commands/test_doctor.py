import json
import sys

import pytest

from fercli import environment


def test_a_working_installation_has_no_problem(fer):
    result = fer("doctor")
    assert result.status == 0
    assert "cv2.CascadeClassifier" in result.out
    assert "PROBLEM" not in result.out


def test_json_holds_the_same_findings(fer):
    findings = json.loads(fer("doctor", "--json").out)
    names = [finding["name"] for finding in findings]
    assert names[:2] == ["fer", "Python"]
    assert {"numpy", "opencv_traincascade", "memory", "GPU"} <= set(names)
    assert set(findings[0]) == {"name", "status", "detail", "hint"}


def test_two_opencv_packages_are_a_problem(monkeypatch, fer):
    installed = {"opencv-python", "opencv-contrib-python"}
    monkeypatch.setattr(environment, "_is_installed", installed.__contains__)
    result = fer("doctor")
    assert result.status == 1
    assert "opencv-contrib-python and opencv-python overwrite each other" in result.out
    assert "pip uninstall -y" in result.out


def test_cv2_that_cannot_be_imported_is_a_problem(monkeypatch, fer):
    monkeypatch.setitem(sys.modules, "cv2", None)
    result = fer("doctor")
    assert result.status == 1
    assert "cannot be imported" in result.out


def test_missing_system_libraries_are_named():
    hint = environment._import_hint("libGL.so.1: cannot open shared object file")
    assert hint == "apt-get install libgl1"


def test_opencv_without_a_classifier_is_explained():
    finding = environment._cascade_classifier(False, "5.0.0")
    assert finding.status == "problem"
    assert "contrib" in finding.hint


def test_headless_opencv_is_told_apart(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":0")
    assert environment._windows("  GUI:                           NONE\n").status == "absent"
    assert environment._windows("  GUI:                           QT5\n").detail == "QT5"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems name no screen")
def test_windows_need_a_screen_too(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    finding = environment._windows("  GUI:                           QT5\n")
    assert (finding.status, finding.detail) == ("absent", "QT5, but no screen: DISPLAY is not set")
