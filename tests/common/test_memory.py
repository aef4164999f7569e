import psutil
import pytest

from fercli.common.memory import available_memory

MB = 1 << 20


def make_group(folder, *, names, limit, used, cached):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{names[2]} {cached}\n")


V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
V2 = ("memory.max", "memory.current", "inactive_file")


@pytest.fixture
def member(tmp_path):
    def write(text):
        path = tmp_path / "self"
        path.write_text(text)
        return path

    return write


def test_without_groups_it_is_the_systems(tmp_path):
    found = available_memory(tmp_path / "none", tmp_path / "none")
    assert found == pytest.approx(psutil.virtual_memory().available, rel=0.1)


def test_a_group_limits_it(tmp_path, member):
    make_group(tmp_path / "a/b", names=V2, limit=64 * MB, used=50 * MB, cached=20 * MB)
    assert available_memory(tmp_path, member("0::/a/b\n")) == 34 * MB


def test_a_group_above_limits_it_too(tmp_path, member):
    make_group(tmp_path / "a/b", names=V2, limit="max", used=1, cached=0)
    make_group(tmp_path / "a", names=V2, limit=64 * MB, used=60 * MB, cached=0)
    assert available_memory(tmp_path, member("0::/a/b\n")) == 4 * MB


def test_version_1(tmp_path, member):
    make_group(tmp_path / "memory/a", names=V1, limit=64 * MB, used=60 * MB, cached=MB)
    assert available_memory(tmp_path, member("5:cpu:/\n4:memory:/a\n")) == 5 * MB


def test_a_group_that_is_over_its_limit_has_none(tmp_path, member):
    make_group(tmp_path, names=V2, limit=MB, used=2 * MB, cached=0)
    assert available_memory(tmp_path, member("0::/\n")) == 0
