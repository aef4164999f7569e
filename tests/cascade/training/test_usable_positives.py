import pytest

from fercli.cascade.samples.statistics import usable_positives


@pytest.mark.parametrize(
    ("samples", "options", "wanted"),
    [
        (7000, {}, 6392),
        (7000, {"hit_rate": 0.999}, 6869),
        (7000, {"stages": 1}, 7000),
        (7000, {"spare": 0.1}, 5753),
        (0, {}, 0),
    ],
)
def test_by_hand(samples, options, wanted):
    assert usable_positives(samples, **options) == wanted


@pytest.mark.parametrize("stages", [1, 5, 20, 40])
def test_every_stage_can_be_filled_with_so_many_and_not_with_one_in_a_hundred_more(stages):
    def left_over(positives, samples=5000, hit_rate=0.99):
        """Refuse the whole quota in each stage, as a training may."""
        return samples - positives - (stages - 1) * (1 - hit_rate) * positives

    usable = usable_positives(5000, stages=stages, hit_rate=0.99)
    assert left_over(usable) >= 0
    assert left_over(usable * 1.01) < 0
