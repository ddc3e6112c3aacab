#include "recurrence/packing.h"

#include <algorithm>

namespace sulsul {
namespace {

constexpr std::size_t kLine = 64;

std::int64_t round_up(std::int64_t n, std::int64_t lanes) { return (n + lanes - 1) / lanes * lanes; }

// Where both products of a GRU are added before anything else happens, so are their biases.
template <class T>
void pack_bias(const Cell& cell, const T* bias, T* out) {
  const std::int64_t units = cell.units, columns = cell.columns();
  std::copy(bias, bias + columns, out);
  if (cell.bias_size() == columns) return;
  for (std::int64_t i = 0; i < 2 * units; ++i) out[i] += bias[columns + i];
  std::copy(bias + columns + 2 * units, bias + 2 * columns, out + columns);
}

// One matrix after the other in a buffer.
template <class T>
class Packer {
 public:
  Packer(const StepKernels<T>& kernels, char* memory) : kernels_(kernels), memory_(memory) {}

  const void* pack(std::int64_t depth, std::int64_t columns, const T* b, std::int64_t b_stride,
                   bool transposed) {
    if (columns == 0) return nullptr;
    void* packed = memory_;
    kernels_.pack(depth, columns, b, b_stride, transposed, packed);
    memory_ += (kernels_.packed_size(depth, columns) + kLine - 1) / kLine * kLine;
    return packed;
  }

 private:
  const StepKernels<T>& kernels_;
  char* memory_;
};

}  // namespace

template <class T>
void PackedRecurrence<T>::pack(const StepKernels<T>& kernels, const Cell& cell, const T* u, const T* bias,
                               bool with_backward) {
  const std::int64_t units = cell.units, columns = cell.columns();
  const bool gru = cell.kind == CellKind::gru;
  // Columns of U that are multiplied by themselves: a GRU's candidate, in the forward with the reset before
  // it only.
  const std::int64_t alone = gru && !cell.reset_after ? units : 0, alone_backward = gru ? units : 0;
  const std::size_t bias_bytes = round_up(4 * units, kLine) * sizeof(T);
  const std::size_t matrices = kernels.packed_size(units, columns) + 2 * kernels.packed_size(units, units) +
                               kernels.packed_size(columns, units) + 4 * kLine;
  char* memory = static_cast<char*>(buffer_.reserve(bias_bytes + matrices));
  T* packed_bias = reinterpret_cast<T*>(memory);
  pack_bias(cell, bias, packed_bias);
  Packer<T> packer(kernels, memory + bias_bytes);
  weights_.cell = cell;
  weights_.padded_units = round_up(units, kernels.lanes);
  weights_.padded_columns = round_up(columns, kernels.lanes);
  weights_.bias = packed_bias;
  weights_.forward = packer.pack(units, columns - alone, u, columns, false);
  weights_.forward_candidate = packer.pack(units, alone, u + 2 * units, columns, false);
  if (!with_backward) return;
  weights_.backward = packer.pack(columns - alone_backward, units, u, columns, true);
  weights_.backward_candidate = packer.pack(alone_backward, alone_backward, u + 2 * units, columns, true);
}

template class PackedRecurrence<float>;
template class PackedRecurrence<double>;

}  // namespace sulsul
