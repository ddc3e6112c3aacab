"""Our layers answer and learn as those of ``keras.layers`` with the same weights."""

import itertools

import numpy as np
import pytest
import torch
from tests.keras_models import import_keras, randomise, save

keras = import_keras()
ours = pytest.importorskip("sulsul.keras")
layers = pytest.importorskip("sulsul.keras.layers")

B, T, F, H = 7, 9, 5, 4
KINDS = ["SimpleRNN", "GRU", "LSTM"]
RIGHT = np.arange(T) < np.array([9, 3, 1, 9, 0, 5, 2])[:, None]
MASKS = {
    "none": None,
    "right": RIGHT,
    "left": RIGHT[:, ::-1].copy(),
    "holes": np.random.default_rng(1).random((B, T)) < 0.5,
    "nothing": np.zeros((B, T), bool),
}


def inputs(seed=0):
    return torch.tensor(np.random.default_rng(seed).normal(size=(B, T, F)).astype(np.float32), requires_grad=True)


def both(kind, *, bidirectional=False, merge_mode="concat", **options):
    """Return Keras's layer and ours with the same random weights."""
    pair = []
    for module in (keras.layers, layers):
        layer = getattr(module, kind)(H, **options)
        if bidirectional:
            layer = module.Bidirectional(layer, merge_mode=merge_mode)
        layer.build((B, T, F))
        pair.append(layer)
    randomise(pair[0])
    pair[1].set_weights(pair[0].get_weights())
    return pair


def results(layer, x, mask, **options):
    """Return everything a call gives and the gradients of a loss of all of it by the input and every weight."""
    x = x.detach().clone().requires_grad_()
    given = {name: [s.detach().clone().requires_grad_() for s in value] for name, value in options.items()}
    found = layer(x, mask=None if mask is None else torch.tensor(mask), **given)
    found = list(found) if isinstance(found, list | tuple) else [found]
    generator = torch.Generator().manual_seed(3)
    loss = sum((tensor * torch.randn(tensor.shape, generator=generator)).sum() for tensor in found)
    learned = [x, *(weight.value for weight in layer.trainable_weights), *itertools.chain(*given.values())]
    gradients = torch.autograd.grad(loss, learned, allow_unused=True)
    return [tensor.detach() for tensor in found], [torch.zeros(()) if g is None else g for g in gradients]


def assert_alike(pair, mask, **options):
    x = inputs()
    for theirs, found in zip(*(results(layer, x, mask, **options) for layer in pair), strict=True):
        assert len(theirs) == len(found)
        for expected, actual in zip(theirs, found, strict=True):
            torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-4)


def fails_if_keras_computes(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("Keras computed")

    monkeypatch.setattr(keras.layers.RNN, "inner_loop", refuse)
    for kind in ("GRU", "LSTM"):
        monkeypatch.setattr(getattr(keras.layers, kind), "inner_loop", refuse)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
def test_answers_states_and_gradients_are_keras_s(kind, mask, sequences, backwards):
    pair = both(kind, return_sequences=sequences, return_state=True, go_backwards=backwards)
    assert_alike(pair, MASKS[mask])


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sequences", [False, True])
def test_both_directions(kind, mask, sequences):
    pair = both(kind, bidirectional=True, return_sequences=sequences, return_state=True)
    assert_alike(pair, MASKS[mask])


@pytest.mark.parametrize("merge_mode", ["sum", "mul", "ave", None])
@pytest.mark.parametrize("state", [False, True])
def test_merge_modes(merge_mode, state):
    assert_alike(both("GRU", bidirectional=True, merge_mode=merge_mode, return_state=state), RIGHT)


@pytest.mark.parametrize("mask", ["none", "holes", "right"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_initial_states_and_their_gradients(kind, mask, bidirectional):
    pair = both(kind, bidirectional=bidirectional, return_state=True)
    n_states = (2 if kind == "LSTM" else 1) * (2 if bidirectional else 1)
    generator = torch.Generator().manual_seed(5)
    states = [torch.randn(B, H, generator=generator) for _ in range(n_states)]
    assert_alike(pair, MASKS[mask], initial_state=states)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("SimpleRNN", {"use_bias": False}),
        ("SimpleRNN", {"activation": "relu"}),
        ("GRU", {"use_bias": False}),
        ("GRU", {"reset_after": False}),
        ("LSTM", {"use_bias": False}),
        ("LSTM", {"activation": "relu"}),
        ("LSTM", {"unroll": True}),
        ("LSTM", {"zero_output_for_mask": True}),
        ("LSTM", {"zero_output_for_mask": True, "return_sequences": True}),
    ],
)
def test_arguments(kind, options):
    assert_alike(both(kind, **options), MASKS["none" if "unroll" in options else "holes"])


def test_the_kernels_compute(monkeypatch):
    fails_if_keras_computes(monkeypatch)
    for kind, bidirectional in itertools.product(KINDS, (False, True)):
        _, layer = both(kind, bidirectional=bidirectional)
        layer(inputs(), mask=torch.tensor(RIGHT), training=True)


def test_nothing_is_kept_where_no_gradient_is_wanted():
    theirs, layer = both("LSTM", bidirectional=True, return_sequences=True)
    with torch.no_grad():
        found = layer(inputs(), mask=torch.tensor(RIGHT))
        expected = theirs(inputs(), mask=torch.tensor(RIGHT))
    assert not found.requires_grad
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_float64():
    theirs, layer = both("LSTM", dtype="float64")
    found = layer(inputs().double())
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, theirs(inputs().double()), atol=1e-12, rtol=1e-12)


def test_dropout_draws_as_keras_does():
    pair = [getattr(module, "LSTM")(H, dropout=0.5, seed=3) for module in (keras.layers, layers)]  # noqa: B009
    for layer in pair:
        layer.build((B, T, F))
    pair[1].set_weights(pair[0].get_weights())
    x = inputs().detach()
    expected, found = (layer(x, training=True) for layer in pair)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(found, pair[1](x, training=True))


def test_dropout_drops_other_inputs_in_each_direction(monkeypatch):
    fails_if_keras_computes(monkeypatch)
    _, layer = both("GRU", bidirectional=True, dropout=0.4)
    found = layer(inputs(), mask=torch.tensor(RIGHT), training=True)
    assert not torch.allclose(found, layer(inputs(), mask=torch.tensor(RIGHT)))


@pytest.mark.parametrize(
    ("kind", "options", "reason"),
    [
        ("LSTM", {"activation": "elu"}, "activations tanh, relu"),
        ("GRU", {"activation": "relu"}, "activations tanh for it"),
        ("GRU", {"recurrent_activation": "hard_sigmoid"}, "are sigmoids"),
        ("SimpleRNN", {"dtype": "bfloat16", "recurrent_initializer": "glorot_uniform"}, "float64, not bfloat16"),
    ],
)
def test_where_the_kernels_cannot_keras_computes_and_it_is_said_once(kind, options, reason):
    theirs, layer = both(kind, **options)
    with pytest.warns(UserWarning, match=rf"{kind} '{layer.name}' is computed by Keras: .*{reason}"):
        found = layer(inputs())
    torch.testing.assert_close(found, theirs(inputs()))
    torch.testing.assert_close(layer(inputs()), found)  # a second warning would be an error


def test_recurrent_dropout_is_left_to_keras_in_training_only():
    theirs, layer = both("LSTM", bidirectional=True, recurrent_dropout=0.3)
    torch.testing.assert_close(layer(inputs()), theirs(inputs()), atol=1e-5, rtol=1e-4)
    with pytest.warns(UserWarning, match="no recurrent_dropout"):
        layer(inputs(), training=True)


def test_around_layers_of_keras_it_is_said():
    layer = layers.Bidirectional(keras.layers.GRU(H), name="mixed")
    with pytest.warns(UserWarning, match=r"'mixed' is computed by Keras: .*sulsul\.keras too"):
        layer(inputs())


def test_keras_s_bidirectional_around_ours(monkeypatch):
    theirs, layer = both("LSTM", bidirectional=True, return_sequences=True)
    mixed = keras.layers.Bidirectional(layers.LSTM(H, return_sequences=True))
    mixed.build((B, T, F))
    mixed.set_weights(layer.get_weights())
    expected = theirs(inputs(), mask=torch.tensor(RIGHT))
    fails_if_keras_computes(monkeypatch)
    torch.testing.assert_close(mixed(inputs(), mask=torch.tensor(RIGHT)), expected, atol=1e-5, rtol=1e-4)


def test_cells_that_differ_run_one_by_one(monkeypatch):
    def build(module):
        backward = module.LSTM(H, activation="relu", go_backwards=True)
        layer = module.Bidirectional(module.LSTM(H), backward_layer=backward)
        layer.build((B, T, F))
        return layer

    pair = [build(keras.layers), build(layers)]
    pair[1].set_weights(pair[0].get_weights())
    assert_alike(pair, RIGHT)


def test_stateful_is_refused():
    from sulsul.errors import UsageError

    with pytest.raises(UsageError, match=r"LSTM of sulsul\.keras keeps no state.*keras\.layers"):
        layers.LSTM(H, stateful=True)


def network(module):
    model = keras.Sequential(
        [
            keras.layers.Input((None,)),
            module.Embedding(30, F, mask_zero=True),
            module.Bidirectional(module.LSTM(H, return_sequences=True)),
            module.GRU(H),
            module.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("sgd", "binary_crossentropy")
    return model


def padded_ids():
    ids = np.random.default_rng(2).integers(1, 30, (12, 8))
    return np.where(np.arange(8) < np.arange(1, 13)[:, None], ids, 0), np.arange(12) % 2


def test_a_model_learns_as_with_keras_and_comes_back_from_its_file(tmp_path, monkeypatch):
    theirs, model = network(keras.layers), network(layers)
    model.set_weights(theirs.get_weights())
    x, y = padded_ids()
    losses = [m.fit(x, y, batch_size=4, epochs=3, shuffle=False, verbose=0).history["loss"] for m in (theirs, model)]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    for expected, found in zip(theirs.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    answers = model.predict(x, verbose=0)
    fails_if_keras_computes(monkeypatch)
    back = keras.saving.load_model(save(model, tmp_path / "model.keras"))
    assert isinstance(back.layers[2], ours.GRU)
    assert isinstance(back.layers[1].backward_layer, ours.LSTM)
    np.testing.assert_array_equal(back.predict(x, verbose=0), answers)


def test_a_saved_model_can_be_imported(tmp_path, monkeypatch):
    from tests.keras_models import answer_in_this_process

    from sulsul.importing import import_keras as import_file
    from sulsul.predictor import Predictor

    monkeypatch.setattr("sulsul.importing.comparison.logits_in_keras", answer_in_this_process)
    model = network(layers)
    bundle = import_file(save(model, tmp_path / "model.keras"), tmp_path / "run").bundle
    x, _ = padded_ids()
    texts = [" ".join(map(str, row[row > 0])) for row in x]
    found = Predictor(bundle).probabilities(texts)[:, 1]
    np.testing.assert_allclose(found, model.predict(x, verbose=0)[:, 0], atol=1e-6)


def test_a_functional_model_with_states():
    def build(module):
        source = keras.layers.Input((None, F))
        _, *states = module.LSTM(H, return_state=True)(source)
        target = keras.layers.Input((None, F))
        return keras.Model([source, target], module.LSTM(H, return_sequences=True)(target, initial_state=states))

    theirs, model = build(keras.layers), build(layers)
    model.set_weights(theirs.get_weights())
    x = [inputs(seed).detach().numpy() for seed in (0, 1)]
    np.testing.assert_allclose(model.predict(x, verbose=0), theirs.predict(x, verbose=0), atol=1e-6)


def test_the_namespace_is_keras_s():
    assert layers.Dense is keras.layers.Dense
    assert set(dir(keras.layers)) <= set(dir(layers))
    with pytest.raises(AttributeError):
        _ = layers.Unheard
