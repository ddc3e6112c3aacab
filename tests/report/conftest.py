"""Realistic records: Korean petitions with long and hostile texts, and a record with nothing optional."""

from datetime import UTC, datetime

import numpy as np
import pytest

from sulsul.evaluation import compare_paired, evaluate_predictions, majority
from sulsul.evaluation.baselines import BaselineResult, BaselineScores
from sulsul.evaluation.intervals import macro_f1_interval, wilson_interval
from sulsul.evaluation.metrics import macro_f1
from sulsul.findings import Finding
from sulsul.report.record import (
    Comparison,
    ComparisonRow,
    DataSummary,
    EpochRow,
    LayerRow,
    LengthSummary,
    Machine,
    MistakenText,
    ModelSummary,
    RunRecord,
    Spread,
    TextSummary,
    TrainingSummary,
)

CLASSES = ("경제", "복지", "행정")
HOSTILE = '<script>window.hacked = true</script><img src=x onerror="window.hacked = true">&amp; {{ 7 * 7 }}'


def probabilities_for(true, accuracy, seed):
    rng = np.random.default_rng(seed)
    right = rng.random(len(true)) < accuracy
    answer = np.where(right, true, (true + rng.integers(1, len(CLASSES), len(true))) % len(CLASSES))
    confidence = rng.uniform(0.45, 0.999, len(true))
    given = np.repeat(((1 - confidence) / (len(CLASSES) - 1))[:, None], len(CLASSES), axis=1)
    given[np.arange(len(true)), answer] = confidence
    return given


def baseline(name, title, true, accuracy, seconds, seed):
    predictions = probabilities_for(true, accuracy, seed).argmax(axis=1)
    correct = predictions == true
    scores = BaselineScores(
        name=name,
        title=title,
        n=len(true),
        accuracy=float(correct.mean()),
        accuracy_interval=wilson_interval(int(correct.sum()), len(true)),
        macro_f1=macro_f1(true, predictions, len(CLASSES)),
        macro_f1_interval=macro_f1_interval(true, predictions, len(CLASSES)),
        seconds=seconds,
        settings={"C": 1.0, "chosen_by": "5 folds of cross-validation"},
    )
    return BaselineResult(scores, predictions)


def comparison_row(name, kind, accuracy, n=428, **more):
    return ComparisonRow(
        name=name,
        kind=kind,
        accuracy=accuracy,
        accuracy_interval=wilson_interval(round(accuracy * n), n),
        macro_f1=accuracy - 0.04,
        macro_f1_interval=(accuracy - 0.09, accuracy + 0.01),
        **more,
    )


def a_comparison():
    spread = Spread(n=3, mean=0.851, standard_deviation=0.006, low=0.845, high=0.857)
    return Comparison(
        n=428,
        design="3 seeds on one split",
        word_order="Word order does not matter here: without recurrence the network does as well.",
        rows=(
            comparison_row(
                "bilstm",
                "model",
                0.857,
                n_parameters=329_795,
                seconds=14.2,
                docs_per_s=8100.0,
                best=True,
                accuracy_spread=spread,
            ),
            comparison_row(
                "simple-rnn",
                "model",
                0.514,
                n_parameters=117_763,
                seconds=6.1,
                docs_per_s=15_500.0,
                p_value=1e-9,
                verdict="worse by 34.3 points on 428 texts (p < 0.001)",
                accuracy_spread=spread,
            ),
            comparison_row(
                "bilstm without recurrence",
                "control",
                0.853,
                n_parameters=96_000,
                seconds=2.0,
                p_value=0.8,
                verdict="not distinguishable on 428 texts (p = 0.80)",
            ),
            comparison_row(
                "bilstm on shuffled words",
                "control",
                0.846,
                n_parameters=329_795,
                seconds=14.0,
                p_value=0.6,
                verdict="not distinguishable on 428 texts (p = 0.60)",
            ),
            comparison_row(
                "TF-IDF characters 1–4, linear",
                "baseline",
                0.853,
                seconds=3.8,
                p_value=0.8,
                verdict="not distinguishable on 428 texts (p = 0.80)",
            ),
            comparison_row("Majority class", "baseline", 0.514, seconds=0.0, p_value=1e-9),
        ),
    )


def build_full_record():
    true = np.random.default_rng(0).choice(3, size=428, p=[0.22, 0.26, 0.52])
    given = probabilities_for(true, 0.851, 1)
    simple = majority(np.repeat([0, 1, 2], [370, 440, 878]), true, n_classes=3)
    linear = [
        baseline("tfidf-word", "TF-IDF words 1–2, linear", true, 0.762, 0.8, 2),
        baseline("tfidf-char", "TF-IDF characters 1–4, linear", true, 0.853, 3.8, 3),
    ]
    every = [simple, *linear]
    epochs = range(1, 13)
    return RunRecord(
        kind="train",
        title="lstm on seoul-120-text.csv",
        command="sulsul train seoul-120-text.csv --text 제목,내용 --label 분류 --set model.units=64 -o 'runs/첫 번째'",
        created=datetime(2026, 3, 1, 12, 30, tzinfo=UTC),
        versions={"python": "3.11.9", "sulsul": "0.1.0", "torch": "2.13.0", "numpy": "2.4.6"},
        machine=Machine(cpu="Intel Xeon Platinum 8481C", n_cores=2, memory_gib=23.4, system="Linux 6.1", threads=2),
        seed=42,
        data=DataSummary(
            source="seoul-120-text.csv",
            fingerprint="9f2c" * 16,
            n_rows=2645,
            n_empty=3,
            n_missing=1,
            n_dropped=507,
            text_columns=("제목", "내용"),
            label_column="분류",
            classes=CLASSES,
            split_sizes={"train": 1368, "validation": 342, "test": 428},
            class_counts={"train": (301, 356, 711), "validation": (75, 89, 178), "test": (94, 111, 223)},
            scripts={"Hangul": 0.962, "Latin": 0.036, "Han": 0.002},
        ),
        text=TextSummary(
            tokenizer="word",
            vocabulary_size=1000,
            oov_rate={"train": 0.534, "validation": 0.612, "test": 0.621},
            lengths=LengthSummary(
                n=1368,
                mean=64.2,
                longest=1989,
                percentiles={"5": 8, "25": 20, "50": 35, "75": 71, "95": 221, "99": 402},
                edges=tuple(range(0, 440, 20)),
                counts=(104, 320, 290, 205, 120, 88, 61, 44, 30, 22, 18, 14, 11, 9, 8, 6, 5, 4, 3, 2, 4),
                max_length=200,
                truncated_texts=0.062,
                truncated_tokens=0.181,
                padding=0.885,
            ),
        ),
        model=ModelSummary(
            name="bilstm",
            layers=(
                LayerRow(name="embedding", output_shape="(batch, time, 64)", parameters=64_000),
                LayerRow(name="bidirectional lstm", output_shape="(batch, time, 128)", parameters=66_048),
                LayerRow(name="output", output_shape="(batch, 3)", parameters=387),
            ),
            n_parameters=130_435,
            backend="native (avx512)",
        ),
        training=TrainingSummary(
            history=tuple(
                EpochRow(
                    epoch=e,
                    loss=1.05 * 0.78**e + 0.05,
                    accuracy=1 - 0.5 * 0.75**e,
                    val_loss=0.45 + 0.6 * 0.7**e + 0.004 * max(0, e - 7) ** 2,
                    val_accuracy=0.852 - 0.33 * 0.6**e,
                    val_macro_f1=0.81 - 0.4 * 0.6**e,
                    learning_rate=1e-3,
                    seconds=0.61,
                )
                for e in epochs
            ),
            best_epoch=8,
            kept_epoch=8,
            stopped="early",
            seconds=7.4,
            docs_per_s=2240.0,
        ),
        evaluations={
            "validation": evaluate_predictions(true[:342], probabilities_for(true[:342], 0.86, 5), CLASSES),
            "test": evaluate_predictions(true, given, CLASSES),
        },
        baselines=tuple(result.scores for result in every),
        paired=compare_paired(
            "bilstm", given.argmax(1) == true, {r.scores.title: r.predictions == true for r in every}
        ),
        comparison=None,
        findings=(
            Finding(
                check="out-of-vocabulary",
                severity="warning",
                what="62.1 % of the tokens of the test split are unknown.",
                why="What the model cannot see it cannot use.",
                remedy="Use a larger vocabulary, or pieces of words: --set text.tokenizer=char",
                evidence={"oov_test": 0.621, "examples": ["돋움", HOSTILE]},
            ),
            Finding(
                check="padding",
                severity="error",
                what="88.5 % of all timesteps are padding.",
                why="The state fades while the network reads pads.",
                remedy="Leave out pad_to; texts of different length need no padding here.",
            ),
            Finding(
                check="small-test",
                severity="note",
                what="428 test texts: accuracy is known to ±3.4 points.",
                why="Smaller differences than that are chance.",
                remedy="Use --folds 5.",
            ),
        ),
        mistakes=(
            MistakenText(row=17, id="A-204", text=HOSTILE, true="행정", predicted="복지", probability=0.998),
            MistakenText(
                row=1201,
                text="기초생활수급자 신청을 하려고 주민센터에 갔는데 담당자가 없어서 " * 8,
                true="복지",
                predicted="행정",
                probability=0.991,
            ),
            MistakenText(row=88, text="W" * 400, true="경제", predicted="행정", probability=0.97),
            MistakenText(row=3, text="", true="경제", predicted="행정", probability=0.61),
        ),
        files=("model.safetensors", "tokenizer.json", "config.json", "metrics.json", "history.csv", "report.html"),
    )


@pytest.fixture(scope="session")
def full_record():
    return build_full_record()


@pytest.fixture(scope="session")
def compare_record(full_record):
    return build_compare_record(full_record)


def build_compare_record(full_record):
    return full_record.model_copy(
        update={
            "kind": "compare",
            "title": "5 models on seoul-120-text.csv",
            "comparison": a_comparison(),
            "training": None,
            "model": None,
            "evaluations": {},
            "baselines": (),
            "paired": (),
            "mistakes": (),
        }
    )


@pytest.fixture(scope="session")
def bare_record():
    return RunRecord(
        kind="evaluate",
        title="run on data.csv",
        command="sulsul evaluate run data.csv",
        data=DataSummary(source="data.csv", fingerprint="00" * 32, n_rows=2, classes=("a", "b")),
    )
