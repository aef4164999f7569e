import pytest

from fercli.cascade.training.negative_mining.worker import BackgroundCache
from fercli.common.errors import ImageError


def test_keeps_as_much_as_the_bound_allows(make_image):
    paths = [make_image(f"{at}.png", 40, 30) for at in range(4)]
    backgrounds = BackgroundCache(paths, memory_bytes=2 * 1200 + 100)
    first = [backgrounds.read(at) for at in range(4)]
    again = [backgrounds.read(at) for at in range(4)]
    assert [a is b for a, b in zip(first, again, strict=True)] == [True, True, False, False]
    assert all((a == b).all() for a, b in zip(first, again, strict=True))


def test_names_what_cannot_be_read(tmp_path):
    backgrounds = BackgroundCache([tmp_path / "missing.png"], memory_bytes=0)
    with pytest.raises(ImageError, match=r"missing\.png"):
        backgrounds.read(0)
    assert len(backgrounds) == 1
