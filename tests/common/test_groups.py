from hypothesis import given, settings
from hypothesis import strategies as st

from fercli.common.groups import exact_pairs, groups


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=30))
def test_groups_are_those_of_a_plain_search(pairs):
    reach = {at: {at} for at in range(20)}
    for _ in range(20):
        for a, b in pairs:
            together = reach[a] | reach[b]
            for member in together:
                reach[member] = together
    assert groups(20, pairs).tolist() == [min(reach[at]) for at in range(20)]


def test_exact_pairs():
    assert list(exact_pairs(["a", "", "b", "a", "", "a"])) == [(0, 3), (0, 5)]
