#include "network/recurrent_layer.h"

#include "network/narrow_kernels.h"
#include "network/narrow_layer.h"
#include "network/panel_layer.h"

namespace sulsul {

// The choice depends on the layer alone: a prediction must not depend on its batch.
template <class T>
std::unique_ptr<RecurrentLayer<T>> make_recurrent_layer(const Cell& cell,
                                                        std::vector<DirectionParameters<T>> directions) {
  if (cell.kind == CellKind::simple_rnn && cell.units <= kNarrowUnits) {
    return std::make_unique<NarrowLayer<T>>(cell, std::move(directions));
  }
  return std::make_unique<PanelLayer<T>>(cell, std::move(directions));
}

template std::unique_ptr<RecurrentLayer<float>> make_recurrent_layer<float>(
    const Cell&, std::vector<DirectionParameters<float>>);
template std::unique_ptr<RecurrentLayer<double>> make_recurrent_layer<double>(
    const Cell&, std::vector<DirectionParameters<double>>);

}  // namespace sulsul
