import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import safetensors.torch
import torch
from tests.trained import tiny_specification, write_corpus

from sulsul.batching import EncodedCorpus
from sulsul.errors import DataError, SpecificationError, TrainingError
from sulsul.estimator import RecurrentTextClassifier
from sulsul.experiment import Listener, Outcome, run_experiment
from sulsul.model.classifier import Classifier
from sulsul.model.divergence import divergence
from sulsul.model.packed_batch import PackedBatch
from sulsul.model.recurrence import Backend
from sulsul.model.specification import (
    BatchNormLayer,
    DropoutLayer,
    EmbeddingInput,
    ModelSpecification,
    OneHotInput,
    RecurrentLayer,
    SummedEmbeddingInput,
)
from sulsul.text.word_types import WordTypes
from sulsul.training import load_checkpoint, train_classifier
from sulsul.training.adversarial_step import AdversarialStep, adversarial_direction
from sulsul.training.objective import Objective
from sulsul.training.settings import TrainingSettings
from sulsul.training.step import TorchStep
from sulsul.training.step_choice import choose_step_runner
from sulsul.training.unlabelled_batches import UnlabelledBatches
from sulsul.training.virtual_adversarial_step import VirtualAdversarialStep

GRU = RecurrentLayer(kind="gru", units=4, bidirectional=True)
CLASSES = ("a", "b", "c")
N_WORDS, N_KNOWN = 12, 8
ROWS = np.arange(12)


def classifier(*, dropout: float = 0.3, multi_label: bool = False, backend: Backend = "auto") -> Classifier:
    layers = (GRU, DropoutLayer(rate=dropout))
    model = ModelSpecification(input=EmbeddingInput(size=5), layers=layers, pooling="mean")
    return Classifier(
        model, vocabulary_size=N_WORDS, n_classes=3, seed=1, multi_label=multi_label, backend=backend
    ).train()


def texts(n: int = 12, *, seed: int = 0, low: int = 0, high: int = N_KNOWN) -> EncodedCorpus:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 6, n)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return EncodedCorpus(rng.integers(low, high, offsets[-1]).astype(np.int32), offsets, rng.integers(0, 3, n))


def unlabelled() -> EncodedCorpus:
    """Texts of words that no labelled text holds."""
    found = texts(30, seed=5, low=N_KNOWN, high=N_WORDS)
    return EncodedCorpus(found.token_ids, found.offsets)


def settings(**values: object) -> TrainingSettings:
    defaults = {"learning_rate": 0.05, "virtual_adversarial": 0.1, "batch_size": 4, "epochs": 3, "threads": 1}
    return TrainingSettings.model_validate({**defaults, **values})


def one_step(network: Classifier, chosen: TrainingSettings, others: EncodedCorpus | None = None) -> Classifier:
    torch.manual_seed(0)
    runner = VirtualAdversarialStep(network, Objective("softmax", None), chosen, others)
    runner.run(texts(), ROWS, learning_rate=0.5, step=0)
    return network


def assert_same_weights(one: Classifier, other: Classifier) -> None:
    for name, tensor in one.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], tensor, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("adversarial", [0.0, 0.05])
def test_at_size_0_it_is_the_step_without_it(adversarial: float) -> None:
    chosen = settings(optimizer="sgd", virtual_adversarial=0.0, adversarial=adversarial)
    plain, other = classifier(), one_step(classifier(), chosen, unlabelled())
    torch.manual_seed(0)
    kind = AdversarialStep if adversarial else TorchStep
    kind(plain, Objective("softmax", None), chosen).run(texts(), ROWS, learning_rate=0.5, step=0)
    assert_same_weights(plain, other)


def test_the_perturbation_is_the_one_of_the_second_derivative() -> None:
    """One step of the power method: H d, here by differentiating twice in float64, as the paper derives it."""
    network = classifier(backend="torch", dropout=0.0).double()
    runner = VirtualAdversarialStep(network, Objective("softmax", None), settings())
    batch = PackedBatch.from_sequences([[1, 2, 3], [4, 4], [5], []])
    embedded = network.embed(batch)[0].detach()
    random = np.random.default_rng([0, 0, 2]).standard_normal(tuple(embedded.shape), np.float32)
    direction = adversarial_direction(torch.from_numpy(random).double(), embedded, batch)
    before = network.forward_from_inputs(embedded, batch)

    def moved_by(perturbation: torch.Tensor) -> torch.Tensor:
        return divergence(before, network.forward_from_inputs(embedded + perturbation, batch), "softmax")

    at = torch.zeros_like(embedded, requires_grad=True)
    (gradient,) = torch.autograd.grad(moved_by(at), at, create_graph=True)
    (curvature,) = torch.autograd.grad((gradient * direction).sum(), at)
    worst = adversarial_direction(curvature, embedded, batch) * 0.1
    found = runner._divergence(batch, step=0).detach()
    torch.testing.assert_close(found.double(), moved_by(worst), rtol=0.02, atol=0)
    by_chance = torch.stack([moved_by(direction * 0.1), moved_by(-direction * 0.1)])
    assert found > 4 * by_chance.max() > 0


@pytest.mark.parametrize("backend", ["auto", "torch"])
def test_the_gradient_is_that_of_finite_differences(backend: Backend) -> None:
    network = classifier(backend=backend, dropout=0.0).double()
    runner = VirtualAdversarialStep(network, Objective("softmax", None), settings())
    batch = PackedBatch.from_sequences([[1, 2, 3], [4, 4]])
    embedded = network.embed(batch)[0].detach()
    before = network.forward_from_inputs(embedded, batch).detach()
    runner._divergence(batch, step=0).backward()  # type: ignore[no-untyped-call]
    kernel = network.output.kernel
    assert kernel.grad is not None
    # p, d and r held constant: only the moved pass is differentiated.
    moved = _moved_inputs(runner, network, batch)
    step = 1e-6
    for place in [(0, 0), (3, 1), (7, 2)]:
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                kernel[place] += sign * step
                values.append(float(divergence(before, network.forward_from_inputs(moved, batch), "softmax")))
                kernel[place] -= sign * step
        assert float(kernel.grad[place]) == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-5, abs=1e-9)


def _moved_inputs(runner: VirtualAdversarialStep, network: Classifier, batch: PackedBatch) -> torch.Tensor:
    """Return the inputs of the last of the three passes."""
    seen: list[torch.Tensor] = []
    forward = network.forward_from_inputs
    network.forward_from_inputs = lambda inputs, rows: seen.append(inputs.detach()) or forward(inputs, rows)  # type: ignore
    runner._divergence(batch, step=0)
    network.forward_from_inputs = forward  # type: ignore[method-assign]
    assert len(seen) == 3
    return seen[-1]


def test_the_passes_share_their_masks_and_draw_once() -> None:
    network, batch = classifier(dropout=0.5), PackedBatch.from_sequences([[1, 2, 3], [4, 4], [5]])
    runner = VirtualAdversarialStep(network, Objective("softmax", None), settings(virtual_adversarial=1e-9))
    torch.manual_seed(3)
    assert runner._divergence(batch, step=0) < 1e-9  # with masks of their own it would be some hundredths
    after = torch.get_rng_state()
    torch.manual_seed(3)
    network(batch)
    assert torch.equal(after, torch.get_rng_state())


@pytest.mark.parametrize("multi_label", [False, True])
def test_unlabelled_texts_move_the_weights_and_are_still_answered(multi_label: bool) -> None:
    alone, beside = classifier(multi_label=multi_label), classifier(multi_label=multi_label)
    labelled = texts()
    if multi_label:
        ids = np.random.default_rng(2).integers(0, 2, (12, 3)).astype(np.float32)
        labelled = EncodedCorpus(labelled.token_ids, labelled.offsets, ids, np.ones(12, np.float32))
    chosen = settings(lazy_embedding=True, clip_norm=1.0)
    for network, others in ((alone, None), (beside, unlabelled())):
        runner = choose_step_runner(network, chosen, np.ones(3, np.float32), unlabelled=others)
        assert isinstance(runner, VirtualAdversarialStep)
        before = network.state_dict()["input.weight"].clone()
        outcome = runner.run(labelled, ROWS, learning_rate=0.05, step=0)
        changed = (network.state_dict()["input.weight"] != before).any(dim=1)
        assert bool(changed[:N_KNOWN].any())
        assert bool(changed[N_KNOWN:].any()) == (others is not None)
        assert np.isfinite(outcome.loss)


def test_sums_of_rows_are_read_from_both_tables_of_types() -> None:
    model = ModelSpecification(input=SummedEmbeddingInput(size=5), layers=(GRU,))
    network = Classifier(model, vocabulary_size=6, n_classes=3, seed=1).train()
    types = WordTypes(np.array([0, 1, 3]), np.array([0, 0, 1], np.int32))
    other = WordTypes(np.array([0, 2, 3]), np.array([1, 3, 4], np.int32))
    offsets, ids = np.array([0, 2, 3]), np.array([0, 1, 1], np.int32)
    labelled = EncodedCorpus(ids, offsets, np.array([0, 2]), types=types)
    beside = EncodedCorpus(ids, offsets, types=other)
    runner = VirtualAdversarialStep(network, Objective("softmax", None), settings(lazy_embedding=True), beside)
    before = network.state_dict()["input.weight"].clone()
    runner.run(labelled, np.array([0, 1]), learning_rate=0.05, step=0)
    changed = (network.state_dict()["input.weight"] != before).any(dim=1)
    assert changed.tolist() == [True, True, False, True, True, False]


def test_moving_statistics_follow_the_labelled_texts_alone() -> None:
    def normalised() -> Classifier:
        model = ModelSpecification(input=EmbeddingInput(size=5), layers=(GRU, BatchNormLayer()))
        return Classifier(model, vocabulary_size=N_WORDS, n_classes=3, seed=1).train()

    plain, chosen = normalised(), settings()
    TorchStep(plain, Objective("softmax", None), chosen).run(texts(), ROWS, learning_rate=0.5, step=0)
    other = one_step(normalised(), chosen, unlabelled())
    for (name, wanted), buffer in zip(plain.named_buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(buffer, wanted, msg=name)


def test_a_table_that_is_not_trained_is_perturbed_all_the_same() -> None:
    model = ModelSpecification(input=EmbeddingInput(size=5, trainable=False), layers=(GRU,))
    networks = [Classifier(model, vocabulary_size=N_WORDS, n_classes=3, seed=1).train() for _ in range(3)]
    for network, (size, virtual) in zip(networks, [(0.2, 0.0), (0.0, 0.2), (0.0, 0.0)], strict=True):
        one_step(network, settings(optimizer="sgd", adversarial=size, virtual_adversarial=virtual))
    outputs = [network.output.kernel.detach() for network in networks]
    assert not torch.equal(outputs[0], outputs[2])
    assert not torch.equal(outputs[1], outputs[2])


def test_every_text_is_dealt_out_once_a_pass_whatever_the_step_before() -> None:
    one, other = (UnlabelledBatches(unlabelled(), settings(seed=4)) for _ in range(2))
    dealt = [one.rows(step).tolist() for step in range(16)]
    assert [other.rows(step).tolist() for step in reversed(range(16))] == dealt[::-1]
    for number in (0, 1):
        assert sorted(row for rows in dealt[8 * number : 8 * number + 8] for row in rows) == list(range(30))
    assert dealt[:8] != dealt[8:]
    with pytest.raises(TrainingError, match="no unlabelled texts"):
        UnlabelledBatches(EncodedCorpus(np.zeros(0, np.int32), np.zeros(1, np.int64)), settings())


def test_what_is_not_finite_changes_nothing() -> None:
    network = classifier()
    with torch.no_grad():
        network.input.weight[N_KNOWN:] = torch.nan  # type: ignore[index,operator]
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(TrainingError, match="loss became nan at epoch 1, batch 1"):
        train_classifier(network, texts(), None, settings(), classes=CLASSES, unlabelled=unlabelled())
    for name, tensor in network.state_dict().items():
        assert torch.equal(torch.nan_to_num(tensor), torch.nan_to_num(before[name]))


def test_an_interrupted_run_ends_with_the_same_bytes(tmp_path: Path) -> None:
    path, chosen = tmp_path / "checkpoint.safetensors", settings(adversarial=0.05, lazy_embedding=True)
    whole = classifier()
    history = train_classifier(whole, texts(), None, chosen, classes=CLASSES, unlabelled=unlabelled()).history
    for stop in (4, 8, 100):
        state = load_checkpoint(path) if path.exists() else None
        done = [state.header.position.step if state else 0]
        network = classifier()
        result = train_classifier(
            network,
            texts(),
            None,
            chosen,
            classes=CLASSES,
            unlabelled=unlabelled(),
            checkpoint_path=path,
            resume_from=state,
            on_batch=lambda _, done=done: done.__setitem__(0, done[0] + 1),
            stop_requested=lambda done=done, stop=stop: done[0] >= stop,
        )
    assert safetensors.torch.save(network.state_dict()) == safetensors.torch.save(whole.state_dict())
    assert [record.loss for record in result.history] == [record.loss for record in history]
    state, other = load_checkpoint(path), texts(30, seed=6)
    with pytest.raises(TrainingError, match="not those it began with"):
        train_classifier(network, texts(), None, chosen, classes=CLASSES, unlabelled=other, resume_from=state)


def test_where_it_cannot_be_it_is_refused() -> None:
    with pytest.raises(SpecificationError, match=r"training\.virtual_adversarial runs through torch"):
        choose_step_runner(classifier(), settings(backend="native"), None)
    one_hot = Classifier(ModelSpecification(input=OneHotInput(), layers=(GRU,)), vocabulary_size=9, n_classes=3)
    with pytest.raises(SpecificationError, match=r"model\.input 'one-hot' has not"):
        choose_step_runner(one_hot, settings(), None)
    with pytest.raises(SpecificationError, match=r"are for training\.virtual_adversarial"):
        choose_step_runner(classifier(), settings(virtual_adversarial=0.0), None, unlabelled=unlabelled())


def test_what_the_unlabelled_texts_are_for_must_be_clear() -> None:
    virtual = {"training": {"virtual_adversarial": 0.1}}
    both = {"pretraining": {"encoder": "e", "unlabelled": ["f.txt"]}}
    unread = {"pretraining": {"transfer": None, "unlabelled": ["f.txt"]}}
    source = Path("corpus.csv")
    for sections in (both, unread):
        assert not tiny_specification(source, **virtual, **sections).pretraining.makes_encoder
    with pytest.raises(SpecificationError, match="exclude each other"):
        tiny_specification(source, **both)
    with pytest.raises(SpecificationError, match="serves nothing with transfer=none"):
        tiny_specification(source, **unread)
    with pytest.raises(SpecificationError, match="takes nothing from an encoder"):
        tiny_specification(source, pretraining={"encoder": "e", "transfer": "none"})


def run(folder: Path, name: str, *, unlabelled_file: Path, **sections: dict[str, object]) -> tuple[Outcome, list[str]]:
    said: list[str] = []
    sections = {"training": {"virtual_adversarial": 0.1}, **sections}
    sections["pretraining"] = {"unlabelled": [str(unlabelled_file)], **sections.get("pretraining", {})}
    specification = tiny_specification(folder / "corpus.csv", **sections)
    listener = Listener(on_stage=said.append)
    outcome = run_experiment(specification, folder / name, command="", baselines=False, listener=listener)
    return outcome, said


def test_a_run_reads_unlabelled_texts_but_never_those_that_judge(tmp_path: Path) -> None:
    table, file = write_corpus(tmp_path / "corpus.csv"), tmp_path / "more.csv"
    more = pl.DataFrame({"text": [f"the staff was new number {k}" for k in range(20)], "label": [None] * 20})
    pl.concat([pl.read_csv(table).select("text", "label"), more.cast(pl.String)]).write_csv(file)
    alone: dict[str, object] = {"transfer": "none"}
    outcome, said = run(tmp_path, "run", unlabelled_file=file, pretraining=alone, ensemble={"members": 2})
    # Of 80 + 20 texts, those of the three splits serve as they are.
    assert said == ["virtual adversarial training also reads 20 texts without labels"]
    assert json.loads((tmp_path / "run" / "config.json").read_text())["data"]["unlabelled_texts"] == 20
    assert not (tmp_path / "run" / "encoder").exists()
    assert outcome.record.training is not None
    assert len(outcome.record.members) == 2
    with pytest.raises(DataError, match="no text is left"):
        run(tmp_path, "refused", unlabelled_file=table, pretraining=alone)
    small = {"epochs": 1, "negatives": 4, "held_out": 0.1}
    _, said = run(tmp_path, "both", unlabelled_file=file, pretraining=small)
    assert "20 texts" in said[-1]
    made = str(tmp_path / "both" / "encoder")
    again, said = run(tmp_path, "again", unlabelled_file=file, pretraining={"encoder": made})
    assert "20 texts" in said[-1]
    assert again.bundle.specification.pretraining.encoder == made


def test_the_estimator_trains_on_its_labelled_texts_alone(tmp_path: Path) -> None:
    frame = pl.read_csv(write_corpus(tmp_path / "corpus.csv"))
    base = tiny_specification(tmp_path / "corpus.csv")
    estimator = RecurrentTextClassifier(recipe=base, settings={"training.virtual_adversarial": 0.1}, random_state=0)
    estimator.fit(frame["text"].to_list(), frame["label"].to_list())
    assert len(estimator.history_) == 2
    settings = {"training.virtual_adversarial": 0.1, "pretraining.transfer": "none", "pretraining.unlabelled": ["f"]}
    with pytest.raises(SpecificationError, match="only `sulsul train` reads"):
        RecurrentTextClassifier(recipe=base, settings=settings).fit(frame["text"].to_list(), frame["label"].to_list())
