"""A blend is never taken for a network: in the verdict, in the terminal and on the page."""

from rich.console import Console

from sulsul.evaluation.intervals import wilson_interval
from sulsul.report.answer import abstention_words, calibration_words, composition, parts_alone, subject
from sulsul.report.page import render_report
from sulsul.report.record import AbstentionSummary, AnswerSummary, PartScores
from sulsul.report.text_table import render_terminal
from sulsul.report.verdict import verdict

LINEAR = "TF-IDF characters 1–4, linear"


def part(name, kind, accuracy, ece=0.05):
    return PartScores(
        name=name,
        kind=kind,
        accuracy=accuracy,
        accuracy_interval=wilson_interval(round(accuracy * 428), 428),
        macro_f1=accuracy - 0.03,
        macro_f1_interval=(accuracy - 0.08, accuracy + 0.02),
        loss=0.4,
        ece=ece,
    )


def blend(**changes):
    values = {
        "n_members": 2,
        "linear": LINEAR,
        "n_linear_weights": 100_000,
        "linear_weight": 0.44,
        "temperature": 1.25,
        "n_fitted": 200,
        "ece_uncalibrated": 0.091,
        "parts": (
            part("network 1", "member", 0.83),
            part("network 2", "member", 0.84),
            part("2 networks", "recurrent", 0.845),
            part("linear part", "linear", 0.853),
            part("whole answer", "whole", 0.861, 0.034),
        ),
        "abstention": AbstentionSummary(
            wanted_precision=0.95, threshold=0.77, found_on=200, precision=0.948, n_answered=320, n=428
        ),
    }
    return AnswerSummary(**{**values, **changes})


def printed(record):
    console = Console(width=140, record=True, file=None, quiet=False)
    with console.capture() as capture:
        console.print(render_terminal(record))
    return capture.get()


def test_the_verdict_compares_the_blend_and_says_what_it_contains(full_record):
    record = full_record.model_copy(update={"answer": blend()})
    judged = verdict(record)
    assert "the blend of 2 networks and a linear model is" in judged.sentence
    assert "the network is" not in judged.sentence
    assert judged.caveats[0] == (
        "The answer contains a linear model. Alone: the 2 networks 0.845, the linear model 0.853; together 0.861."
    )
    other = record.model_copy(update={"answer": blend(linear="TF-IDF words 1–2, linear", n_members=1)})
    assert subject(other) == "the blend of the network and a linear model"


def test_a_plain_network_stays_a_network(full_record):
    assert subject(full_record) == "the network"
    calibrated = blend(n_members=1, linear=None, linear_weight=0.0, parts=(part("whole answer", "whole", 0.85),))
    record = full_record.model_copy(update={"answer": calibrated})
    assert subject(record) == "the network"
    assert parts_alone(calibrated) is None
    assert not any("contains" in caveat for caveat in verdict(record).caveats)
    several = full_record.model_copy(update={"answer": blend(linear=None)})
    assert subject(several) == "the ensemble of 2 networks"


def test_words_for_weights_calibration_and_abstention():
    answer = blend()
    assert composition(answer) == (
        "The answer is 2 networks, averaged (weight 0.56) and a linear model: TF-IDF characters 1–4, linear "
        "(weight 0.44); temperature 1.25; weight and temperature by log loss on 200 validation texts."
    )
    assert "equal weights, temperature 1.00: nothing was fitted" in composition(
        blend(linear_weight=0.5, temperature=1.0, n_fitted=0)
    )
    assert calibration_words(answer) == "Calibration error 0.091 before and 0.034 after temperature 1.25."
    assert "at temperature 1." in calibration_words(blend(temperature=1.0))
    assert "320 of 428 texts, 0.948 of them right" in abstention_words(answer)
    assert abstention_words(blend(abstention=None)) is None
    nothing = answer.abstention.model_copy(update={"precision": None, "n_answered": 0})
    assert "none is answered" in abstention_words(blend(abstention=nothing))


def test_terminal_and_page_show_every_part(full_record):
    members = (full_record.training, full_record.training)
    model = full_record.model.model_copy(update={"n_members": 2})
    record = full_record.model_copy(update={"answer": blend(), "members": members, "model": model})
    for shown in (printed(record), render_report(record)):
        for name in ("network 1", "network 2", "2 networks", "linear part", "whole answer"):
            assert name in shown
        assert "0.091 before and 0.034 after" in shown
        assert "320 of 428 texts" in shown
    assert "100,000 linear weights" in render_report(record)
    assert "2 networks, " in render_report(record)
    assert record.training_seconds == 2 * full_record.training.seconds
