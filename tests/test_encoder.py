import json
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch
from tests.trained import tiny_specification, write_corpus

from sulsul.bundle import Bundle
from sulsul.encoder import ENCODER_FILE, WEIGHTS_FILE, Encoder, encoder_tensors
from sulsul.errors import BundleError, OutputError, SpecificationError
from sulsul.experiment import run_experiment
from sulsul.model.classifier import Classifier
from sulsul.pretraining import collect_texts, pretrain
from sulsul.specification import RunSpecification

PRETRAINING = {"epochs": 1, "negatives": 4, "held_out": 0.1}


def encoder_specification(source: Path, **sections: dict[str, object]) -> RunSpecification:
    return tiny_specification(source, **({"pretraining": PRETRAINING} | sections))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with ``corpus.csv`` and an ``encoder`` for the network of ``tiny_specification``; not to be changed."""
    folder = tmp_path_factory.mktemp("made")
    source = write_corpus(folder / "corpus.csv")
    texts = collect_texts([("corpus", pl.read_csv(source)["text"])])
    pretrain(encoder_specification(source), texts, folder / "encoder")
    return folder


def test_a_network_starts_from_the_encoder_and_its_tokenizer(made: Path, tmp_path: Path) -> None:
    settings = encoder_specification(made / "corpus.csv", pretraining={"encoder": str(made / "encoder")})
    frozen = RunSpecification.parse(
        settings.model_dump(mode="json") | {"training": {"epochs": 1, "learning_rate": 1e-30, "threads": 1}}, where="t"
    )
    outcome = run_experiment(frozen, tmp_path / "run", command="", baselines=False)
    encoder = Encoder.load(made / "encoder")
    trained = encoder_tensors(outcome.bundle.classifier)
    assert trained.keys() == encoder.tensors.keys()
    for name, tensor in encoder.tensors.items():
        torch.testing.assert_close(trained[name].detach(), tensor)
    read = Bundle.load(tmp_path / "run")
    assert read.tokenizer.vocabulary() == encoder.tokenizer.vocabulary()
    assert read.data["encoder"]["texts"] == 80  # type: ignore[index,call-overload]
    assert json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))["schema_version"] == 2
    told = [finding for finding in outcome.record.findings if finding.check == "pretrained-on-test"]
    assert [finding.evidence["split"] for finding in told] == ["validation", "test"]
    assert told[1].what.startswith("20 test texts (100 %)")


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"text": {"vocabulary_size": 100}},
            r"text\.vocabulary_size was 200 and is now 100.*--set .*size=200",
        ),
        ({"model": {"layers": [{"kind": "gru", "units": 5}]}}, r"model\.layers\.0\.units was 3 and is now 5"),
        ({"model": {"layers": [{"kind": "lstm", "units": 3}]}}, r"model\.layers\.0\.kind was 'gru' and is now 'lstm'"),
        ({"model": {"input": {"kind": "embedding", "size": 6}}}, r"model\.input\.size was 4 and is now 6"),
    ],
)
def test_other_settings_are_refused(
    made: Path, tmp_path: Path, sections: dict[str, dict[str, object]], message: str
) -> None:
    settings = encoder_specification(made / "corpus.csv", pretraining={"encoder": str(made / "encoder")}, **sections)
    with pytest.raises(SpecificationError, match=message):
        run_experiment(settings, tmp_path / "run", command="")
    assert not (tmp_path / "run").exists()


def test_lengths_and_what_follows_the_first_layer_are_free(made: Path) -> None:
    encoder = Encoder.load(made / "encoder")
    shorter = encoder.tokenizer.settings.model_copy(update={"max_length": 3})
    assert encoder.tokenizer_for(shorter).encode(["the staff was kind and quick"])[1].tolist() == [0, 3]
    layers = [{"kind": "dropout", "rate": 0.5}, {"kind": "gru", "units": 3}, {"kind": "lstm", "units": 7}]
    settings = encoder_specification(made / "corpus.csv", model={"layers": layers})
    classifier = Classifier(settings.model, vocabulary_size=encoder.tokenizer.vocabulary_size, n_classes=2)
    own = classifier.state_dict()["layers.1.forward_direction.bias"].clone()
    encoder.copy_into(classifier, table_only=True)
    assert torch.equal(classifier.state_dict()["layers.1.forward_direction.bias"], own)
    assert torch.equal(classifier.state_dict()["input.weight"], encoder.tensors["input.weight"])
    assert classifier.state_dict()["output.kernel"].any()
    encoder.copy_into(classifier)
    bias = encoder.tensors["recurrent.forward_direction.bias"]
    assert torch.equal(classifier.state_dict()["layers.1.forward_direction.bias"], bias)
    assert not classifier.state_dict()["output.kernel"].any()  # no answer before it has learned one


def _alter(folder: Path) -> None:
    path = folder / WEIGHTS_FILE
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")


def _newer(folder: Path) -> None:
    path = folder / ENCODER_FILE
    values = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(values | {"schema_version": 9}), encoding="utf-8")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (_alter, "was altered"),
        (_newer, "Install a newer sulsul"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "is missing"),
        (lambda folder: (folder / ENCODER_FILE).unlink(), "not a pretrained encoder"),
        (lambda folder: (folder / ENCODER_FILE).write_text("{"), "not JSON"),
        (lambda folder: (folder / ENCODER_FILE).write_text("[]"), "no schema_version"),
        (lambda folder: shutil.rmtree(folder), "does not exist"),
    ],
)
def test_a_damaged_encoder_is_refused(made: Path, tmp_path: Path, harm: Callable[[Path], object], message: str) -> None:
    folder = tmp_path / "encoder"
    shutil.copytree(made / "encoder", folder)
    harm(folder)
    with pytest.raises(BundleError, match=message):
        Encoder.load(folder)


def test_an_encoder_is_no_classifier_and_a_classifier_no_encoder(made: Path, finished_run: Path) -> None:
    with pytest.raises(BundleError, match="a pretrained encoder, not a classifier"):
        Bundle.load(made / "encoder")
    with pytest.raises(BundleError, match="a trained classifier, not an encoder"):
        Encoder.load(finished_run / "run")
    with pytest.raises(OutputError, match="already holds an encoder"):
        Encoder.load(made / "encoder").save(made / "encoder")
