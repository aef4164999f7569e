import pytest

from fercli.cascade import shipped
from fercli.cascade.detection import load_detector
from fercli.errors import DependencyError


def test_a_copy_without_it_says_what_to_give(monkeypatch, tmp_path):
    monkeypatch.setattr(shipped, "FRONTAL_FACE", tmp_path / "missing.xml")
    with pytest.raises(DependencyError, match=r"no face cascade of its own; try: --cascade"):
        shipped.shipped_cascade()


@pytest.mark.skipif(not shipped.FRONTAL_FACE.is_file(), reason="not trained yet")
def test_it_can_be_loaded():
    assert load_detector(shipped.shipped_cascade()).cascade.size_wh
