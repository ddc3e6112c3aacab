"""Random parameters for a native network, and its gradients against finite differences."""

import numpy as np
import numpy.typing as npt
from tests.tolerances import FINITE_DIFFERENCE_STEP, NATIVE_NETWORK_FINITE_DIFFERENCE

from sulsul.kernels.network import Network

Arrays = dict[str, npt.NDArray[np.floating]]


def bound(network: Network, *, seed: int = 0) -> tuple[Arrays, Arrays]:
    """Bind random parameters; return them and their gradients."""
    rng = np.random.default_rng(seed)
    values: Arrays = {}
    gradients: Arrays = {}
    for parameter in network.parameters():
        drawn = rng.uniform(-0.6, 0.6, parameter.shape)
        values[parameter.name] = (np.abs(drawn) + 0.3 if "moving" in parameter.name else drawn).astype(network.dtype)
        gradient = None
        if parameter.trainable:
            gradient = gradients[parameter.name] = np.full(parameter.shape, np.nan, network.dtype)
        network.bind_parameter(parameter.name, values[parameter.name], gradient)
    return values, gradients


def check_against_finite_differences(network: Network, n_texts: int) -> None:
    """Compare some elements of every gradient; the texts are bound, with three classes and without labels."""
    values, gradients = bound(network)
    rows = np.arange(n_texts)
    network.bind_labels(rows % 3)
    network.differentiate(rows, seed=1, step=2)
    expected = {name: gradient.copy() for name, gradient in gradients.items()}
    statistics = {name: value.copy() for name, value in values.items() if name not in gradients}
    rng = np.random.default_rng(5)
    for name, gradient in expected.items():
        for flat in rng.choice(gradient.size, min(4, gradient.size), replace=False):
            place = np.unravel_index(flat, gradient.shape)
            losses = []
            for sign in (1, -1):
                before = values[name][place]
                values[name][place] += sign * FINITE_DIFFERENCE_STEP
                losses.append(network.differentiate(rows, seed=1, step=2).value)
                values[name][place] = before
                for statistic, value in statistics.items():
                    values[statistic][...] = value
            slope = (losses[0] - losses[1]) / (2 * FINITE_DIFFERENCE_STEP)
            assert abs(slope - gradient[place]) < NATIVE_NETWORK_FINITE_DIFFERENCE, (name, place)
