"""Batch normalisation over packed rows, as Keras defines it."""

import torch
from torch import Tensor, nn

from sulsul.model.specification import BatchNormLayer


class BatchNorm(nn.Module):
    """Normalise every feature over the real timesteps of the batch (Ioffe & Szegedy 2015, algorithm 1).

    Padding takes no part in the statistics. As in Keras the moving variance follows the biased variance of the batch
    (``torch.nn.BatchNorm1d`` follows the unbiased one). A batch without a timestep leaves everything as it is.

    Attributes
    ----------
    gamma, beta : Parameter, shape (F,)
        Scale and offset.
    moving_mean, moving_variance : Tensor, shape (F,)
        Statistics used in evaluation; not trained, but saved.
    """

    moving_mean: Tensor
    moving_variance: Tensor

    def __init__(self, layer: BatchNormLayer, size: int) -> None:
        super().__init__()
        self.momentum = layer.momentum
        self.epsilon = layer.epsilon
        self.gamma = nn.Parameter(torch.ones(size))
        self.beta = nn.Parameter(torch.zeros(size))
        self.register_buffer("moving_mean", torch.zeros(size))
        self.register_buffer("moving_variance", torch.ones(size))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the normalised rows (N, F); in training the moving statistics move."""
        if inputs.shape[0] == 0:
            return inputs
        if self.training:
            with torch.no_grad():
                variance, mean = torch.var_mean(inputs, dim=0, correction=0)
                self.moving_mean.lerp_(mean, 1.0 - self.momentum)
                self.moving_variance.lerp_(variance, 1.0 - self.momentum)
        # torch.nn.functional.batch_norm would refuse a single row in training; the operator does not.
        return torch.batch_norm(
            inputs,
            self.gamma,
            self.beta,
            None if self.training else self.moving_mean,
            None if self.training else self.moving_variance,
            self.training,
            0.0,
            self.epsilon,
            False,
        )
