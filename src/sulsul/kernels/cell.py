"""Which recurrence a layer runs: the cell, its activation and the shapes that follow."""

from dataclasses import dataclass
from typing import Literal

CellKind = Literal["simple-rnn", "gru", "lstm"]
Activation = Literal["tanh", "relu"]

_GATES: dict[CellKind, int] = {"simple-rnn": 1, "gru": 3, "lstm": 4}


@dataclass(frozen=True)
class Cell:
    """A recurrent cell as Keras defines it.

    Parameters
    ----------
    kind
        ``"simple-rnn"`` (Elman), ``"gru"`` (gates in the order update, reset, new) or ``"lstm"`` (input, forget,
        new, output).
    activation
        Activation of the state: ``"tanh"`` or, for the simple RNN and the LSTM, ``"relu"``. Gates are always logistic.
    reset_after
        GRU only: multiply by the reset gate after the recurrent product (Keras 2 and 3, cuDNN) or before (Cho 2014).

    Raises
    ------
    ValueError
        If the combination does not exist: an unknown kind or activation, or a GRU with ``"relu"``.
    """

    kind: CellKind
    activation: Activation = "tanh"
    reset_after: bool = True

    def __post_init__(self) -> None:
        if self.kind not in _GATES:
            raise ValueError(f"unknown cell {self.kind!r}; known: {', '.join(_GATES)}")
        if self.activation not in ("tanh", "relu"):
            raise ValueError(f"unknown activation {self.activation!r}; known: tanh, relu")
        if self.kind == "gru" and self.activation != "tanh":
            raise ValueError("a gru cell supports activation 'tanh' only")

    @property
    def n_gates(self) -> int:
        """Number of gates: 1, 3 or 4. Kernels have ``n_gates * units`` columns."""
        return _GATES[self.kind]

    @property
    def has_cell_state(self) -> bool:
        """Whether the cell carries a second state: true for the LSTM."""
        return self.kind == "lstm"

    def bias_shape(self, units: int) -> tuple[int, ...]:
        """Return the shape of the bias: ``(2, 3H)`` for a GRU with ``reset_after``, else ``(G·H,)``.

        Row 0 of the pair belongs to the input product, row 1 to the recurrent product.
        """
        columns = self.n_gates * units
        return (2, columns) if self.kind == "gru" and self.reset_after else (columns,)
