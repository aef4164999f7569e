import pytest

from fercli.models.training_options import SCHEDULES, RateOptions, learning_rate


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", {10: 1, 60: 1, 110: 1}),
        ("cosine", {10: 1, 60: 0.5, 110: 0}),
        ("linear", {10: 1, 60: 0.5, 110: 0}),
        ("trapezoid", {10: 1, 76: 1, 85: 0.75, 110: 0}),
        ("steps", {10: 1, 59: 1, 61: 0.1, 86: 0.01}),
    ],
)
def test_shapes(schedule, expected):
    rate = learning_rate(RateOptions(0.2, schedule, 10, 110))
    for step, share in expected.items():
        assert float(rate(step)) == pytest.approx(0.2 * share, abs=1e-6), step


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_all_warm_up(schedule):
    rate = learning_rate(RateOptions(1.0, schedule, 10, 1000))
    assert [float(rate(step)) for step in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0], rel=1e-3)
