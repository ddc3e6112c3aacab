import numpy as np
import pytest
import torch

from sulsul.batching import EncodedCorpus
from sulsul.errors import SpecificationError
from sulsul.model.classifier import Classifier
from sulsul.model.packed_batch import PackedBatch
from sulsul.model.specification import EmbeddingInput, ModelSpecification, OneHotInput, RecurrentLayer
from sulsul.training import train_classifier
from sulsul.training.adversarial_step import AdversarialStep, adversarial_direction
from sulsul.training.objective import Objective
from sulsul.training.settings import TrainingSettings
from sulsul.training.step import TorchStep
from sulsul.training.step_choice import choose_step_runner

LAYERS = (RecurrentLayer(kind="gru", units=4, bidirectional=True),)


def classifier(seed: int = 1) -> Classifier:
    model = ModelSpecification(input=EmbeddingInput(size=5), layers=LAYERS)
    return Classifier(model, vocabulary_size=9, n_classes=3, seed=seed)


def corpus(n: int = 12) -> EncodedCorpus:
    rng = np.random.default_rng(0)
    lengths = rng.integers(0, 6, n)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return EncodedCorpus(rng.integers(0, 9, offsets[-1]).astype(np.int32), offsets, rng.integers(0, 3, n))


def objective() -> Objective:
    return Objective("softmax", None)


def test_every_text_is_moved_by_a_share_of_its_own_norm() -> None:
    batch = PackedBatch.from_sequences([[1, 2, 3], [4], []])
    gradient = torch.tensor([[3.0, 4.0], [0.0, 0.0], [0.0, 0.0], [0.0, 12.0]])
    embedded = torch.ones((4, 2))
    moved = adversarial_direction(gradient, embedded, batch)
    # The first text has the rows 0, 2 and 3; the second, which has no gradient, row 1.
    torch.testing.assert_close(moved[[0, 2, 3]].norm(), embedded[[0, 2, 3]].norm())
    assert moved[1].tolist() == [0.0, 0.0]
    torch.testing.assert_close(moved[0] / moved[0].norm(), torch.tensor([0.6, 0.8]))


def test_without_a_perturbation_it_is_the_plain_step() -> None:
    plain, adversarial = classifier(), classifier()
    settings = TrainingSettings(optimizer="sgd", learning_rate=0.5)
    rows = np.arange(12)
    told = TorchStep(plain, objective(), settings).run(corpus(), rows, learning_rate=0.5, step=0)
    again = AdversarialStep(adversarial, objective(), settings).run(corpus(), rows, learning_rate=0.5, step=0)
    assert told.loss == pytest.approx(again.loss)
    assert told.n_correct == again.n_correct
    for name, tensor in plain.state_dict().items():
        torch.testing.assert_close(adversarial.state_dict()[name], tensor, rtol=1e-4, atol=1e-6)


def test_the_perturbation_raises_the_loss() -> None:
    network, texts = classifier(), corpus()
    batch, wanted = PackedBatch.from_sequences([[1, 2, 3], [4, 4], [5]]), torch.tensor([0, 1, 2])
    embedded, packed = network.embed(batch)
    loss = network.loss(network.forward_from_inputs(embedded, packed), wanted)
    (gradient,) = torch.autograd.grad(loss, embedded)
    moved = embedded + 0.1 * adversarial_direction(gradient, embedded.detach(), packed)
    assert network.loss(network.forward_from_inputs(moved, packed), wanted) > loss
    assert texts.class_ids is not None


def test_training_learns_and_repeats() -> None:
    settings = TrainingSettings(epochs=12, learning_rate=0.05, adversarial=0.05, batch_size=4, patience=None, threads=1)
    results = []
    for _ in range(2):
        network = classifier()
        results.append(train_classifier(network, corpus(), None, settings, classes=["a", "b", "c"]))
    losses = [[record.loss for record in result.history] for result in results]
    assert losses[0] == losses[1]
    assert losses[0][-1] < 0.7 * losses[0][0]
    assert results[0].backend == "torch"


def test_where_it_cannot_be_it_is_refused() -> None:
    native = TrainingSettings(adversarial=0.1, backend="native")
    with pytest.raises(SpecificationError, match="runs through torch"):
        choose_step_runner(classifier(), native, None)
    one_hot = Classifier(ModelSpecification(input=OneHotInput(), layers=LAYERS), vocabulary_size=9, n_classes=3)
    with pytest.raises(SpecificationError, match=r"model\.input 'one-hot' has not"):
        choose_step_runner(one_hot, TrainingSettings(adversarial=0.1), None)
