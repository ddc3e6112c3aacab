// Which recurrence a layer runs. Equations: src/sulsul/kernels/reference.py.
#pragma once

#include <cstdint>

namespace sulsul {

enum class CellKind { simple_rnn = 0, gru = 1, lstm = 2 };

struct Cell {
  CellKind kind = CellKind::lstm;
  bool relu = false;        // activation of the state: relu instead of tanh (simple RNN and LSTM)
  bool reset_after = true;  // GRU only
  std::int64_t units = 0;   // H

  // Gates in Keras's order: LSTM i f c o; GRU z r h.
  std::int64_t gates() const { return kind == CellKind::lstm ? 4 : kind == CellKind::gru ? 3 : 1; }
  // Columns of the kernels, G·H.
  std::int64_t columns() const { return gates() * units; }
  // Elements of the bias: a GRU with reset_after has a second row for the recurrent product.
  std::int64_t bias_size() const { return columns() * (kind == CellKind::gru && reset_after ? 2 : 1); }
  // Values kept per row for backward beside the hidden state. LSTM: the gates. GRU: the gates and h U_h +
  // b'_h (reset_after) or r * h. Simple RNN: nothing, its gate is the hidden state.
  std::int64_t saved_columns() const { return kind == CellKind::simple_rnn ? 0 : 4 * units; }
  bool has_cell_state() const { return kind == CellKind::lstm; }
};

}  // namespace sulsul
