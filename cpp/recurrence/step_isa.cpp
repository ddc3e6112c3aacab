// The step kernels of one instruction set. Compiled once for each.
#include "recurrence/gru.h"
#include "recurrence/lstm.h"
#include "recurrence/row_sums.h"
#include "recurrence/simple_rnn.h"

namespace sulsul {
namespace SULSUL_ISA_NAMESPACE {
namespace {

template <class T, template <class, bool> class Kernels>
void forward(const StepWeights<T>& w, const ForwardStep<T>& s) {
  w.cell.relu ? Kernels<T, true>::forward(w, s) : Kernels<T, false>::forward(w, s);
}

template <class T, template <class, bool> class Kernels>
void backward(const StepWeights<T>& w, const BackwardStep<T>& s) {
  w.cell.relu ? Kernels<T, true>::backward(w, s) : Kernels<T, false>::backward(w, s);
}

void finish_streams() {
#if defined(SULSUL_ISA_AVX2) || defined(SULSUL_ISA_AVX512)
  _mm_sfence();
#endif
}

template <class T>
constexpr StepKernels<T> table() {
  return {Simd<T>::lanes,
          &finish_streams,
          {&forward<T, SimpleRnn>, &Gru<T>::forward, &forward<T, Lstm>},
          {&backward<T, SimpleRnn>, &Gru<T>::backward, &backward<T, Lstm>},
          &add_rows<T>,
          &add_products<T>,
          &add_matrix<T>,
          &scatter_add<T>};
}

}  // namespace

extern const StepKernels<float> kFloatSteps;
extern const StepKernels<double> kDoubleSteps;
const StepKernels<float> kFloatSteps = table<float>();
const StepKernels<double> kDoubleSteps = table<double>();

}  // namespace SULSUL_ISA_NAMESPACE
}  // namespace sulsul
