import threading
import time
from operator import neg

import pytest

from fercli.parallel import SMALL, parallel_map


@pytest.mark.parametrize("count", [0, 1, SMALL - 1, SMALL, 100])
@pytest.mark.parametrize(("prefer", "workers"), [("threads", 1), ("threads", 3), ("processes", 2)])
def test_results_come_in_order(count, prefer, workers):
    results = parallel_map(neg, iter(range(count)), workers=workers, prefer=prefer)
    assert list(results) == [-number for number in range(count)]


def test_threads_run_at_the_same_time():
    meeting = threading.Barrier(4, timeout=20)
    assert len(list(parallel_map(lambda _: meeting.wait(), range(40), workers=4, prefer="threads")))


def test_threads_run_ahead_of_who_takes_the_results_only_a_little():
    taken = []
    results = parallel_map(
        neg, (taken.append(at) or at for at in range(1000)), workers=2, prefer="threads"
    )
    next(results)
    time.sleep(0.05)
    assert SMALL <= len(taken) < SMALL + 10
    results.close()


def test_the_first_error_comes_as_it_is_and_the_rest_is_not_done():
    done = []

    def work(number):
        if number == 20:
            raise KeyError(number)
        done.append(number)
        return number

    results = parallel_map(work, range(1000), workers=2, prefer="threads")
    with pytest.raises(KeyError, match="20"):
        list(results)
    assert len(done) < 60


def test_giving_up_ends_the_threads():
    before = threading.active_count()
    results = parallel_map(neg, range(1000), workers=3, prefer="threads")
    assert [next(results) for _ in range(5)] == [0, -1, -2, -3, -4]
    results.close()
    assert threading.active_count() == before
