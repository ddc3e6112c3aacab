from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from sulsul.encoder import Encoder, read_encoder
from sulsul.errors import BundleError, DataError, InterruptedRunError, OutputError, SpecificationError, TrainingError
from sulsul.pretraining import PretrainingListener, PretrainingTexts, collect_texts, pretrain
from sulsul.pretraining.history import Look
from sulsul.specification import RunSpecification

WORDS = ["nul", "een", "twee", "drie", "vier", "vijf", "zes", "zeven", "acht", "negen"]


def counting_texts(n: int = 60) -> PretrainingTexts:
    """Texts in which every word says what comes next."""
    texts = [" ".join(WORDS[(start + i) % 10] for i in range(6 + start % 9)) + f" x{start}" for start in range(n)]
    return collect_texts([("made", pl.Series(texts))])


def specification(**sections: dict[str, object]) -> RunSpecification:
    values: dict[str, dict[str, object]] = {
        "text": {"ngrams": [1, 2], "vocabulary_size": 60},
        "model": {
            "input": {"kind": "summed-embedding", "size": 8},
            "layers": [{"kind": "gru", "units": 8, "bidirectional": True}],
        },
        "training": {"threads": 1, "clip_norm": 1.0},
        "pretraining": {
            "epochs": 6,
            "segment_length": 8,
            "negatives": 5,
            "learning_rate": 0.03,
            "warmup_steps": 2,
            "held_out": 0.2,
            "batch_tokens": 48,
        },
    }
    return RunSpecification.parse({key: {**values.get(key, {}), **sections.get(key, {})} for key in values}, where="t")


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"model": {"layers": [{"kind": "lstm", "units": 8}]}},
        {"model": {"input": {"kind": "embedding", "size": 8}}, "text": {"ngrams": None}},
    ],
    ids=["both directions", "forward alone", "plain embedding"],
)
def test_it_learns_which_word_comes_next(tmp_path: Path, sections: dict[str, dict[str, object]]) -> None:
    looks: list[Look] = []
    outcome = pretrain(
        specification(**sections),
        counting_texts(),
        tmp_path / "encoder",
        listener=PretrainingListener(on_look=looks.append),
    )
    assert looks[-1].perplexity < 0.6 * looks[0].perplexity
    assert outcome.best.held_out_loss == min(look.held_out_loss for look in looks)
    read = Encoder.load(tmp_path / "encoder")
    assert set(read.tensors) == set(outcome.encoder.tensors)
    assert read.provenance["texts"] == 60
    assert read.was_read([counting_texts().texts[7], "another"]).tolist() == [True, False]
    assert sorted(path.name for path in (tmp_path / "encoder").iterdir()) == [
        "encoder.json",
        "encoder.safetensors",
        "history.csv",
        "texts.safetensors",
        "tokenizer.json",
    ]


def test_an_interrupted_pretraining_ends_with_the_same_weights(tmp_path: Path) -> None:
    texts = counting_texts()
    whole = pretrain(specification(), texts, tmp_path / "whole").encoder
    steps: list[int] = []
    listener = PretrainingListener(
        on_step=lambda report: steps.append(report.step), stop_requested=lambda: len(steps) == 17
    )
    with pytest.raises(InterruptedRunError, match=r"step 17 of .*--resume"):
        pretrain(specification(), texts, tmp_path / "parts", listener=listener)
    resumed = pretrain(specification(), texts, tmp_path / "parts", resume=True).encoder
    for name, tensor in whole.tensors.items():
        assert torch.equal(tensor, resumed.tensors[name]), name
    for name in ("encoder.safetensors", "tokenizer.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()


def with_linear_part(**settings: object) -> RunSpecification:
    found = specification(pretraining={"ngram_vectors": 16, "ngram_epochs": 3, **settings})
    return found.with_overrides(["wide.kind=linear"])


def test_a_linear_part_gets_vectors_for_its_ngrams(tmp_path: Path) -> None:
    outcome = pretrain(with_linear_part(), counting_texts(), tmp_path / "e")
    read = Encoder.load(tmp_path / "e")
    assert read.ngrams is not None
    assert outcome.encoder.ngrams is not None
    assert read.ngrams.unit == "word"
    np.testing.assert_array_equal(read.ngrams.vectors, outcome.encoder.ngrams.vectors)
    assert read.provenance["ngrams"] == len(read.ngrams.vectors) > 10
    assert not list((tmp_path / "e").glob("*checkpoint*"))
    without = pretrain(with_linear_part(ngram_vectors=0), counting_texts(), tmp_path / "without").encoder
    assert without.ngrams is None
    assert Encoder.load(tmp_path / "without").ngrams is None


def test_ngram_vectors_alone_need_no_recurrent_layer(tmp_path: Path) -> None:
    alone = with_linear_part(transfer="ngrams").with_overrides(["model.layers=[]"])
    outcome = pretrain(alone, counting_texts(), tmp_path / "e")
    assert (outcome.looks, outcome.best, outcome.stopped) == ((), None, "finished")
    read = Encoder.load(tmp_path / "e")
    assert read.ngrams is not None
    assert not read.has_network
    with pytest.raises(SpecificationError, match=r"set wide\.kind=linear"):
        pretrain(alone.with_overrides(["wide.kind=none"]), counting_texts(), tmp_path / "none")
    with pytest.raises(SpecificationError, match="ngram_vectors must not be 0"):
        alone.with_overrides(["pretraining.ngram_vectors=0"])


def test_a_run_takes_what_an_encoder_has(tmp_path: Path) -> None:
    pretrain(with_linear_part(transfer="ngrams"), counting_texts(), tmp_path / "ngrams")
    pretrain(with_linear_part(ngram_vectors=0), counting_texts(), tmp_path / "network")
    pretrain(with_linear_part(), counting_texts(), tmp_path / "both")
    other = specification(model={"layers": [{"kind": "lstm", "units": 3}]})
    taking = other.with_overrides(["pretraining.transfer=ngrams"])
    for name in ("ngrams", "both"):
        taken = read_encoder(tmp_path / name, taking)  # of any network
        assert taken.ngrams is not None
        assert not taken.has_network
    with pytest.raises(SpecificationError, match="no n-gram vectors to take"):
        read_encoder(tmp_path / "network", taking)
    with pytest.raises(SpecificationError, match="has n-gram vectors alone"):
        read_encoder(tmp_path / "ngrams", specification())
    assert read_encoder(tmp_path / "both", specification()).has_network


def test_damaged_ngram_vectors_are_refused(tmp_path: Path) -> None:
    pretrain(with_linear_part(), counting_texts(), tmp_path / "e")
    path = tmp_path / "e" / "ngrams.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(BundleError, match="was altered"):
        Encoder.load(tmp_path / "e")


def test_a_pretraining_interrupted_at_its_ngrams_ends_with_the_same_encoder(tmp_path: Path) -> None:
    texts, reports = counting_texts(), []
    whole = pretrain(with_linear_part(), texts, tmp_path / "whole").encoder
    listener = PretrainingListener(on_ngrams=reports.append, stop_requested=lambda: len(reports) == 2)
    with pytest.raises(InterruptedRunError, match=r"step 2 of 3 of its n-gram vectors.*--resume"):
        pretrain(with_linear_part(), texts, tmp_path / "parts", listener=listener)
    resumed = pretrain(with_linear_part(), texts, tmp_path / "parts", resume=True).encoder
    assert whole.ngrams is not None
    assert resumed.ngrams is not None
    np.testing.assert_array_equal(whole.ngrams.vectors, resumed.ngrams.vectors)
    for name, tensor in whole.tensors.items():
        assert torch.equal(tensor, resumed.tensors[name]), name


def test_it_is_resumed_with_the_same_settings_and_texts_only(tmp_path: Path) -> None:
    texts = counting_texts()
    with pytest.raises(InterruptedRunError):
        pretrain(specification(), texts, tmp_path / "e", listener=PretrainingListener(stop_requested=lambda: True))
    with pytest.raises(TrainingError, match=r"pretraining\.negatives was 5 and is now 6"):
        pretrain(specification(pretraining={"negatives": 6}), texts, tmp_path / "e", resume=True)
    with pytest.raises(TrainingError, match="the texts are not those"):
        pretrain(specification(), counting_texts(59), tmp_path / "e", resume=True)
    longer = specification(pretraining={"minutes": 5.0})
    assert pretrain(longer, texts, tmp_path / "e", resume=True).stopped == "finished"
    with pytest.raises(OutputError, match="it is finished"):
        pretrain(longer, texts, tmp_path / "e", resume=True)
    with pytest.raises(OutputError, match="exists already"):
        pretrain(longer, texts, tmp_path / "e")


def test_a_time_limit_ends_it(tmp_path: Path) -> None:
    limited = specification(pretraining={"minutes": 0.001, "epochs": 500})
    outcome = pretrain(limited, counting_texts(), tmp_path / "e")
    assert outcome.looks[-1].step < 400


def test_patience_ends_it(tmp_path: Path) -> None:
    hopeless = specification(pretraining={"learning_rate": 3.0, "patience": 1, "epochs": 50, "warmup_steps": 0})
    outcome = pretrain(hopeless, counting_texts(), tmp_path / "e")
    assert outcome.stopped == "early"
    assert outcome.looks[-1].epoch < 50


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"model": {"layers": []}}, "needs a recurrent layer"),
        ({"model": {"input": {"kind": "one-hot"}}, "text": {"ngrams": None}}, "model.input 'one-hot' has not"),
        (
            {"model": {"input": {"kind": "embedding", "vectors": "a.vec"}}, "text": {"ngrams": None}},
            r"model\.input\.vectors",
        ),
    ],
)
def test_networks_without_anything_to_pretrain_are_refused(
    tmp_path: Path, sections: dict[str, dict[str, object]], message: str
) -> None:
    with pytest.raises(SpecificationError, match=message):
        pretrain(specification(**sections), counting_texts(), tmp_path / "e")
    assert not (tmp_path / "e").exists()


def test_texts_of_single_words_are_refused(tmp_path: Path) -> None:
    texts = collect_texts([("made", pl.Series(["one", "two", "three"]))])
    with pytest.raises(DataError, match="fewer than two texts hold two words"):
        pretrain(specification(), texts, tmp_path / "e")


def test_texts_are_collected_once_and_judged_ones_kept_back() -> None:
    found = collect_texts(
        [("a", pl.Series(["x y", "", "x y", "z"])), ("b", pl.Series(["z", "w", "held"]))],
        kept_back=pl.Series(["held", "elsewhere"]),
    )
    assert found.texts.to_list() == ["x y", "z", "w"]
    assert found.sources == (("a", 2), ("b", 1))
    assert (found.n_repeated, found.n_kept_back) == (3, 1)
    assert found.described() == (
        "pretraining on 3 texts: 2 of a, 1 of b (3 repeated or empty, left out; 1 of the validation and test splits, "
        "kept back)"
    )
    with pytest.raises(DataError, match="fewer than two texts"):
        collect_texts([("a", pl.Series(["held", "one"]))], kept_back=pl.Series(["held"]))
