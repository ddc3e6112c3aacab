from itertools import pairwise

import pytest

from sulsul.pretraining.schedule import PretrainingSchedule
from sulsul.pretraining_settings import PretrainingSettings


def test_warm_up_then_constant_then_falling_to_nearly_zero() -> None:
    schedule = PretrainingSchedule(PretrainingSettings(learning_rate=1.0, warmup_steps=5), n_steps=100)
    rates = [schedule.learning_rate(step) for step in range(100)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert set(rates[4:80]) == {1.0}
    assert all(before > after > 0 for before, after in pairwise(rates[80:]))
    assert rates[99] == pytest.approx(1 / 21)


def test_the_clock_begins_the_fall_early_but_never_late() -> None:
    schedule = PretrainingSchedule(PretrainingSettings(minutes=1.0), n_steps=1000)
    schedule.watch(100, 47.0)
    assert schedule.fall.begin == 800
    schedule.watch(200, 48.0)
    assert (schedule.fall.begin, schedule.fall.end) == (200, 250)
    schedule.watch(220, 55.0)
    assert schedule.fall.end == 250


@pytest.mark.parametrize("n_steps", [1, 2, 3, 7])
def test_short_runs_have_a_rate_at_every_step(n_steps: int) -> None:
    schedule = PretrainingSchedule(PretrainingSettings(), n_steps=n_steps)
    assert schedule.fall.end == n_steps
    assert all(schedule.learning_rate(step) > 0 for step in range(n_steps))
