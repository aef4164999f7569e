import pytest
from hypothesis import given
from hypothesis import strategies as st

from fercli.cascade.list_builder.collect import draw, in_drawn_order, number_of
from fercli.common.errors import OptionError

MANY = [number.to_bytes(2, "big") for number in range(1000)]


def same(value):
    return value


def test_the_order_is_that_of_the_seed_not_of_the_items():
    order = in_drawn_order(MANY, same, 7, "x")
    assert sorted(order) == MANY
    assert order not in (MANY, MANY[::-1])
    assert in_drawn_order(MANY[::-1], same, 7, "x") == order
    assert in_drawn_order(MANY, same, 8, "x") != order
    assert in_drawn_order(MANY, same, 7, "y") != order


def test_the_order_is_the_same_on_every_machine():
    assert in_drawn_order([b"a", b"b", b"c", b"d", b"e"], same, 0, "test") == [
        b"a", b"e", b"c", b"b", b"d",
    ]  # fmt: skip


def test_lots_are_even():
    drawn, _ = draw(MANY, 500, same, 0, "x")
    assert 200 < sum(item < MANY[500] for item in drawn) < 300


def test_those_that_come_later_change_little():
    before, _ = draw(MANY[:900], 180, same, 0, "x")
    after, _ = draw(MANY, 200, same, 0, "x")
    assert len(set(before) & set(after)) > 150


@given(st.lists(st.binary(max_size=1), max_size=30), st.integers(0, 30), st.integers(0, 9))
def test_draw_parts_the_items_in_their_order(items, number, seed):
    places = list(enumerate(items))
    number = min(number, len(items))
    drawn, rest = draw(places, number, lambda place: place[1], seed, "x")
    assert len(drawn) == number
    assert drawn == sorted(drawn)
    assert rest == sorted(rest)
    assert sorted(drawn + rest) == places


@given(st.lists(st.binary(max_size=1), min_size=1, max_size=30), st.data())
def test_equal_digests_stay_together(items, data):
    number = data.draw(st.integers(0, len(items)))
    drawn, rest = draw(items, number, same, 0, "x", together=True)
    assert not set(drawn) & set(rest)
    assert len(drawn) >= number


@pytest.mark.parametrize(("amount", "wanted"), [(3, 3), (0.5, 5), (1.0, 10), (1, 1), (0.04, None)])
def test_number_of(amount, wanted):
    if wanted is None:
        with pytest.raises(OptionError, match=r"0\.04 of 10 things is none"):
            number_of(amount, 10, "things")
    else:
        assert number_of(amount, 10, "things") == wanted


def test_more_than_there_are():
    with pytest.raises(OptionError, match="11 things were asked for, but there are only 10"):
        number_of(11, 10, "things")
