import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sulsul.errors import SpecificationError
from sulsul.training.schedule import Schedule
from sulsul.training.settings import TrainingSettings


def schedule(n_steps: int = 100, *, maximise: bool = False, **values: object) -> Schedule:
    settings = TrainingSettings.model_validate({"learning_rate": 0.1, **values})
    return Schedule(settings, n_steps=n_steps, maximise=maximise)


def test_constant() -> None:
    assert {schedule().learning_rate(step) for step in range(100)} == {0.1}


def test_warm_up_rises_linearly_to_the_full_rate() -> None:
    rates = [schedule(warmup_steps=4).learning_rate(step) for step in range(6)]
    assert rates == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1, 0.1])


@given(n_steps=st.integers(1, 500), share=st.floats(0.0, 0.99), at=st.floats(0.0, 1.0))
def test_cosine_is_the_closed_form(n_steps: int, share: float, at: float) -> None:
    warmup = int(share * n_steps)
    step = min(warmup + int(at * (n_steps - warmup)), n_steps - 1)
    rate = schedule(n_steps, schedule="cosine", warmup_steps=warmup).learning_rate(step)
    progress = (step - warmup) / (n_steps - warmup)
    assert rate == pytest.approx(0.1 * math.cos(math.pi * progress / 2) ** 2, abs=1e-15)


def test_cosine_begins_at_the_full_rate_and_ends_near_zero() -> None:
    rates = [schedule(1000, schedule="cosine").learning_rate(step) for step in range(1000)]
    assert rates[0] == 0.1
    assert rates[500] == pytest.approx(0.05)
    assert 0.0 < rates[-1] < 1e-6
    assert rates == sorted(rates, reverse=True)


def test_plateau_counts_as_keras() -> None:
    reduced = schedule(schedule="plateau", plateau_patience=2, plateau_factor=0.5)
    seen = []
    # 0.99995 is better by less than 1e-4, which does not count; a reduction begins a new wait.
    for value in [1.0, 0.9, 0.91, 0.92, 0.93, 0.94, 0.8, 0.79995, 0.81]:
        reduced.end_epoch(value)
        seen.append(reduced.learning_rate(0))
    assert seen == [0.1, 0.1, 0.1, 0.05, 0.05, 0.025, 0.025, 0.025, 0.0125]


def test_plateau_of_a_score_that_should_rise() -> None:
    reduced = schedule(schedule="plateau", plateau_patience=1, maximise=True)
    for value, rate in [(0.5, 0.1), (0.6, 0.1), (0.6, 0.05), (0.7, 0.05)]:
        reduced.end_epoch(value)
        assert reduced.learning_rate(0) == rate


def test_plateau_goes_on_from_a_saved_state() -> None:
    values = [1.0, 1.1, 1.2, 0.9, 1.0, 1.3]
    whole, halves = schedule(schedule="plateau"), schedule(schedule="plateau")
    for index, value in enumerate(values):
        whole.end_epoch(value)
        if index == 3:
            state, halves = halves.state, schedule(schedule="plateau")
            halves.state = type(state).model_validate_json(state.model_dump_json())
        halves.end_epoch(value)
        assert halves.learning_rate(5) == whole.learning_rate(5)


def test_other_schedules_ignore_the_epochs() -> None:
    cosine = schedule(schedule="cosine")
    before = cosine.learning_rate(10)
    for value in [1.0, 2.0, 3.0, 4.0]:
        cosine.end_epoch(value)
    assert cosine.learning_rate(10) == before


def test_a_warm_up_longer_than_the_run_is_refused() -> None:
    schedule(5, warmup_steps=4)
    with pytest.raises(SpecificationError, match=r"training\.warmup_steps is 5, but the whole run has only 5 steps"):
        schedule(5, warmup_steps=5)
