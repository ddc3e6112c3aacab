from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from tests.trained import tiny_run, tiny_specification, write_corpus

from sulsul.errors import DataError, OutputError, SpecificationError, TrainingError
from sulsul.experiment import Listener, run_experiment
from sulsul.predictor import Predictor
from sulsul.report.record import RunRecord
from sulsul.training.checkpoint import CHECKPOINT_NAME


def test_a_run_leaves_everything_it_names(finished_run: Path) -> None:
    names = {path.name for path in (finished_run / "run").iterdir()}
    assert names == {
        "config.json",
        "curves.svg",
        "history.csv",
        "lengths.svg",
        "metrics.json",
        "model.safetensors",
        "report.html",
        "specification.toml",
        "tokenizer.json",
    }
    record = RunRecord.model_validate_json((finished_run / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert record.data.split_sizes == {"train": 45, "validation": 15, "test": 20}
    assert {scores.name for scores in record.baselines} == {"majority", "tfidf-word", "tfidf-char"}
    assert record.training is not None
    assert len(record.training.history) == 2
    assert record.headline_split == "test"


def test_one_seed_repeats_a_run_to_the_byte(tmp_path: Path, finished_run: Path) -> None:
    tiny_run(tmp_path)
    for name in ("model.safetensors", "tokenizer.json"):
        assert (tmp_path / "run" / name).read_bytes() == (finished_run / "run" / name).read_bytes()


def test_another_seed_gives_other_weights(tmp_path: Path, finished_run: Path) -> None:
    tiny_run(tmp_path, training={"seed": 1})
    assert (tmp_path / "run" / "model.safetensors").read_bytes() != (
        finished_run / "run" / "model.safetensors"
    ).read_bytes()


def test_vocabulary_holds_the_words_of_training_rows_only(tmp_path: Path) -> None:
    outcome = tiny_run(tmp_path)
    train, corpus = set(outcome.data.train.rows.tolist()), outcome.data.corpus
    own_words = [text.split()[-1] for text in corpus.texts.to_list()]
    known = set(outcome.bundle.tokenizer.vocabulary())
    assert {word for word in own_words if word in known} == {own_words[row] for row in train}


def test_interrupted_run_keeps_its_best_and_resumes_to_the_same_weights(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "corpus.csv")
    specification = tiny_specification(source, training={"epochs": 4})
    whole = run_experiment(specification, tmp_path / "whole", command="c", baselines=False)
    seen: list[int] = []
    partial = run_experiment(
        specification,
        tmp_path / "partial",
        command="c",
        baselines=False,
        listener=Listener(on_epoch=lambda record: seen.append(record.epoch), stop_requested=lambda: len(seen) == 2),
    )
    assert partial.record.training is not None
    assert partial.record.training.stopped == "interrupted"
    assert Predictor.load(tmp_path / "partial").predict(["좋았다"])
    assert (tmp_path / "partial" / CHECKPOINT_NAME).exists()
    resumed = run_experiment(specification, tmp_path / "partial", command="c", baselines=False, resume=True)
    assert resumed.record.training is not None
    assert whole.record.training is not None
    assert not (tmp_path / "partial" / CHECKPOINT_NAME).exists()
    assert (tmp_path / "partial" / "model.safetensors").read_bytes() == (
        tmp_path / "whole" / "model.safetensors"
    ).read_bytes()
    losses = [[row.loss for row in o.record.training.history] for o in (whole, resumed) if o.record.training]
    assert losses[0] == losses[1]


def test_existing_folder_is_refused_and_untouched(finished_run: Path) -> None:
    before = (finished_run / "run" / "config.json").read_bytes()
    specification = tiny_specification(finished_run / "corpus.csv")
    with pytest.raises(OutputError, match="exists already"):
        run_experiment(specification, finished_run / "run", command="c")
    with pytest.raises(OutputError, match="is finished"):
        run_experiment(specification, finished_run / "run", command="c", resume=True)
    assert (finished_run / "run" / "config.json").read_bytes() == before


def test_a_loss_that_is_no_number_leaves_nothing(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "corpus.csv")
    specification = tiny_specification(
        source,
        model={"layers": [{"kind": "simple-rnn", "units": 8, "activation": "relu"}], "pooling": "last"},
        training={"learning_rate": 1e30, "optimizer": "sgd", "epochs": 5},
    )
    with pytest.raises(TrainingError, match="learning_rate"):
        run_experiment(specification, tmp_path / "run", command="c")
    assert not (tmp_path / "run").exists()


def test_output_that_cannot_express_the_classes_is_refused_before_training(tmp_path: Path) -> None:
    path = tmp_path / "three.csv"
    path.write_text("text,label\n" + "".join(f"t{k},{'abc'[k % 3]}\n" for k in range(60)), encoding="utf-8")
    specification = tiny_specification(path, data={"id": None}, model={"output": "sigmoid"})
    with pytest.raises(SpecificationError, match="softmax"):
        run_experiment(specification, tmp_path / "run", command="c")
    assert not (tmp_path / "run").exists()


def test_multi_label_runs_from_table_to_prediction(tmp_path: Path) -> None:
    path = tmp_path / "tags.csv"
    words = {"red": "빨강", "blue": "파랑", "green": "초록"}
    rows = [(a, b) for a in words for b in words if a < b] * 12
    lines = [f'"{words[a]} {words[b]} {k}","{a};{b}"' for k, (a, b) in enumerate(rows)]
    path.write_text("text,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    specification = tiny_specification(
        path, data={"id": None, "label_separator": ";"}, training={"epochs": 30, "learning_rate": 0.05}
    )
    outcome = run_experiment(specification, tmp_path / "run", command="c", baselines=False)
    assert outcome.record.headline is not None
    assert outcome.record.headline.task == "multi-label"
    predictor = Predictor.load(tmp_path / "run")
    assert predictor.multi_label
    assert set(predictor.predict(["빨강 파랑"])[0].labels) <= set(words)
    tensors = load_file(tmp_path / "run" / "model.safetensors")
    assert tensors["output.kernel"].shape[1] == 3
    assert all(np.isfinite(tensor).all() for tensor in tensors.values())


def test_word_vectors_are_read_and_a_missing_file_is_named(tmp_path: Path) -> None:
    vectors = tmp_path / "words.vec"
    vectors.write_text("2 4\n좋았다 1 2 3 4\n나빴다 -1 -2 -3 -4\n", encoding="utf-8")
    embedding = {"kind": "embedding", "size": 4, "trainable": False, "vectors": str(vectors)}
    outcome = tiny_run(tmp_path, model={"input": embedding})
    position = outcome.bundle.tokenizer.vocabulary().index("좋았다")
    assert outcome.bundle.classifier.state_dict()["input.weight"][position].tolist() == [1, 2, 3, 4]
    (tmp_path / "again").mkdir()
    with pytest.raises(DataError, match=r"nowhere\.vec cannot be read"):
        tiny_run(tmp_path / "again", model={"input": embedding | {"vectors": "nowhere.vec"}})
