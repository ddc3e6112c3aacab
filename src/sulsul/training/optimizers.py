"""SGD, RMSprop, Adam and AdamW with the update rules and defaults of Keras.

torch and Keras place epsilon differently, which matters for recurrent networks: gradients that came back through
hundreds of timesteps are small, so epsilon decides the size of the step.

=========  =============================================  ====================================================
optimizer  Keras (what is done here)                      torch.optim alone
=========  =============================================  ====================================================
rmsprop    g / sqrt(v + eps)                              g / (sqrt(v) + eps)
adam(w)    a m / (sqrt(v) + eps),                         a m / (sqrt(v) + eps sqrt(1 - beta_2^t))
           a = lr sqrt(1 - beta_2^t) / (1 - beta_1^t)
sgd        u = momentum u - lr g; w += u                  u = momentum u + g; w -= lr u
=========  =============================================  ====================================================

Adam and AdamW are torch's fused implementation, given the epsilon of the step that makes the two forms equal. RMSprop
is written out because torch cannot express it. SGD is torch's: the same at a constant learning rate; under a schedule
torch applies the new rate to the old velocity at once and Keras does not.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from sulsul.errors import TrainingError
from sulsul.training.settings import TrainingSettings

EPSILON = 1e-7
RMSPROP_RHO = 0.9
ADAM_BETAS = (0.9, 0.999)

NamedParameters = Sequence[tuple[str, Parameter]]


class KerasRMSprop(torch.optim.Optimizer):
    """RMSprop with epsilon inside the root, as Keras 3 computes it (Hinton, 2012, Coursera lecture 6e).

    Parameters
    ----------
    params
        Parameters to update.
    lr
        Learning rate.
    rho
        Share of the old mean of squared gradients that is kept.
    epsilon
        Added to the mean of squared gradients under the root.
    weight_decay
        Times the parameter, added to the gradient.
    """

    def __init__(
        self,
        params: Iterable[Parameter],
        lr: float,
        *,
        rho: float = RMSPROP_RHO,
        epsilon: float = EPSILON,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "rho": rho, "epsilon": epsilon, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient; ``closure`` is not supported.

        Raises
        ------
        ValueError
            If a closure is given.
        """
        if closure is not None:
            raise ValueError("KerasRMSprop takes no closure")
        for group in self.param_groups:
            self._step_group(group)

    def _step_group(self, group: dict[str, Any]) -> None:
        parameters = [p for p in group["params"] if p.grad is not None]
        if not parameters:
            return
        gradients = [p.grad for p in parameters]
        if group["weight_decay"]:
            gradients = list(torch._foreach_add(gradients, parameters, alpha=group["weight_decay"]))
        averages = [self._square_average(p) for p in parameters]
        torch._foreach_mul_(averages, group["rho"])
        torch._foreach_addcmul_(averages, gradients, gradients, value=1.0 - group["rho"])
        denominators = torch._foreach_add(averages, group["epsilon"])
        torch._foreach_sqrt_(denominators)
        torch._foreach_addcdiv_(parameters, gradients, denominators, value=-group["lr"])

    def _square_average(self, parameter: Parameter) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["square_avg"] = torch.zeros_like(parameter)
        average: Tensor = state["square_avg"]
        return average


def build_optimizer(parameters: Iterable[Parameter], settings: TrainingSettings) -> torch.optim.Optimizer:
    """Return the optimizer that ``settings`` names, for :func:`take_step`."""
    lr, decay = settings.learning_rate, settings.weight_decay
    match settings.optimizer:
        case "sgd":
            return torch.optim.SGD(parameters, lr=lr, momentum=settings.momentum, weight_decay=decay, fused=True)
        case "rmsprop":
            return KerasRMSprop(parameters, lr=lr, weight_decay=decay)
        case "adam":
            return torch.optim.Adam(parameters, lr=lr, betas=ADAM_BETAS, weight_decay=decay, fused=True)
        case "adamw":
            return torch.optim.AdamW(parameters, lr=lr, betas=ADAM_BETAS, weight_decay=decay, fused=True)


def take_step(optimizer: torch.optim.Optimizer, *, learning_rate: float, step: int) -> None:
    """Update the parameters from their gradients.

    Parameters
    ----------
    optimizer
        From :func:`build_optimizer`.
    learning_rate
        Of this step.
    step
        Number of steps taken before this one.
    """
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
        if "betas" in group:
            group["eps"] = EPSILON / math.sqrt(1.0 - group["betas"][1] ** (step + 1))
    optimizer.step()


def take_lazy_step(
    optimizer: torch.optim.Optimizer,
    *,
    table: Parameter,
    rows: Tensor,
    gradient: Tensor | None,
    learning_rate: float,
    step: int,
) -> None:
    """Update the parameters as :func:`take_step` does, but only some rows of one of them.

    The other rows keep their values and what the optimizer remembers of them: neither the means decay nor the weights,
    as ``torch.optim.SparseAdam`` and ``LazyAdam`` of TensorFlow Addons define it. Adam's bias corrections count all
    steps, not those that touched a row.

    Parameters
    ----------
    optimizer, learning_rate, step
        As in :func:`take_step`.
    table : Parameter, shape (V, E)
        One of the optimizer's parameters.
    rows : Tensor, shape (n,), int64
        The rows to update, each once.
    gradient : Tensor, shape (n, E), optional
        Of these rows; None where no text of the batch has a token.
    """
    if gradient is None:
        take_step(optimizer, learning_rate=learning_rate, step=step)
        return
    touched = Parameter(table.detach()[rows])
    touched.grad = gradient
    remembered = optimizer.state.get(table, {})
    if remembered:
        optimizer.state[touched] = {
            quantity: value[rows] if _one_per_value(value, table) else value for quantity, value in remembered.items()
        }
    (group,) = optimizer.param_groups
    parameters = group["params"]
    group["params"] = [touched if parameter is table else parameter for parameter in parameters]
    try:
        take_step(optimizer, learning_rate=learning_rate, step=step)
    finally:
        group["params"] = parameters
    table.detach()[rows] = touched.detach()
    for quantity, value in optimizer.state.pop(touched, {}).items():
        if _one_per_value(value, touched):
            optimizer.state[table].setdefault(quantity, torch.zeros_like(table))[rows] = value
        else:
            optimizer.state[table][quantity] = value


def _one_per_value(value: object, parameter: Tensor) -> bool:
    return isinstance(value, Tensor) and value.shape == parameter.shape


def optimizer_tensors(optimizer: torch.optim.Optimizer, parameters: NamedParameters) -> dict[str, Tensor]:
    """Return every tensor the optimizer remembers, named ``<parameter>/<quantity>``.

    Learning rate and epsilon are not among them: :func:`take_step` sets both.
    """
    return {
        f"{name}/{quantity}": value
        for name, parameter in parameters
        for quantity, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


def load_optimizer_tensors(
    optimizer: torch.optim.Optimizer, parameters: NamedParameters, tensors: Mapping[str, Tensor]
) -> None:
    """Put back what :func:`optimizer_tensors` returned.

    Raises
    ------
    TrainingError
        If a tensor belongs to no parameter or has not the parameter's shape.
    """
    by_name = dict(parameters)
    for key, tensor in tensors.items():
        name, _, quantity = key.rpartition("/")
        parameter = by_name.get(name)
        if parameter is None or (tensor.ndim and tensor.shape != parameter.shape):
            raise TrainingError(f"the checkpoint holds optimizer state {key!r}, which does not fit this classifier")
        optimizer.state[parameter][quantity] = tensor.clone()
