import pytest

from fercli.cascade.training.memory import most_integrals, share_memory
from fercli.cascade.training.options import CascadeTrainingOptions
from fercli.common.errors import OptionError


def options(**given):
    return CascadeTrainingOptions.from_options({"vec": "a.vec", "bg": "bg.txt"} | given)


def share(asked, **counts):
    counts = {
        "positives": 10_000,
        "negatives": 5_000,
        "others": 1_000,
        "features": 162_336,
    } | counts
    return share_memory(asked, **counts)


def test_shares_make_up_the_whole():
    memory = share(options(memory=1000))
    assert memory.samples == 24 * 24 * (10_000 + 1_000 + 2 * 15_000)
    assert memory.integrals == 4 * 25 * 25 * 15_000
    total = memory.samples + memory.features + memory.integrals + memory.backgrounds
    assert total == 1000 * 10**6


def test_positives_by_the_hundred_thousand_fit_into_half_a_gigabyte():
    assert share(options(memory=600), positives=200_000, negatives=10_000).backgrounds > 0


def test_too_little_is_named_with_what_would_do():
    with pytest.raises(OptionError) as raised:
        share(options(memory=50))
    needed = int(str(raised.value).split(" MB")[0].split()[-1])
    assert "`memory` is 50 MB" in str(raised.value)
    assert share(options(memory=needed)).backgrounds > 0
    with pytest.raises(OptionError):
        share(options(memory=needed - 1))


def test_codes_of_patterns_are_kept_where_there_is_room():
    """A byte for each of 8,464 features (24×24) of 10,000 + 5,000 samples: 127 MB."""
    roomy, tight = (
        share(options(memory=memory, feature_type="LBP"), features=8464) for memory in (1000, 300)
    )
    assert (roomy.codes, tight.codes) == (8464 * 15_000, 0)
    haar = share(options(memory=1000))
    assert haar.codes == 0
    total = roomy.samples + roomy.features + roomy.integrals + roomy.backgrounds + roomy.codes
    assert total == 1000 * 10**6
    assert roomy.backgrounds >= roomy.codes


def test_exhaustive_search_needs_all_samples_at_once():
    with pytest.raises(OptionError, match="use `search` fast"):
        share(options(memory=1000, search="exhaustive"), positives=500_000)


def test_what_the_search_looks_at_does_not_depend_on_what_is_free():
    assert most_integrals(options(memory=100)) == most_integrals(options(memory=100_000))
    assert most_integrals(options(size=(64, 64), mode="ALL")) >= 4096
