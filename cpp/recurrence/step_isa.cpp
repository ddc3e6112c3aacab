// The step kernels of one instruction set. Compiled once for each.
#include "recurrence/gru.h"
#include "recurrence/lstm.h"
#include "recurrence/row_sums.h"
#include "recurrence/simple_rnn.h"
#if defined(SULSUL_ISA_AMX)
#include "recurrence/amx_product.h"
#endif

namespace sulsul {
namespace SULSUL_ISA_NAMESPACE {
namespace {

template <class T, class Product, template <class, bool, class> class Kernels>
void forward(const StepWeights<T>& w, const ForwardStep<T>& s) {
  w.cell.relu ? Kernels<T, true, Product>::forward(w, s) : Kernels<T, false, Product>::forward(w, s);
}

template <class T, class Product, template <class, bool, class> class Kernels>
void backward(const StepWeights<T>& w, const BackwardStep<T>& s) {
  w.cell.relu ? Kernels<T, true, Product>::backward(w, s) : Kernels<T, false, Product>::backward(w, s);
}

void finish_streams() {
#if defined(SULSUL_ISA_AVX2) || defined(SULSUL_ISA_AVX512)
  _mm_sfence();
#endif
}

template <class T, class Product>
constexpr StepKernels<T> table() {
  return {Simd<T>::lanes,
          Product::kMostRows,
          &Product::packed_size,
          &Product::pack,
          &finish_streams,
          {&forward<T, Product, SimpleRnn>, &Gru<T, Product>::forward, &forward<T, Product, Lstm>},
          {&backward<T, Product, SimpleRnn>, &Gru<T, Product>::backward, &backward<T, Product, Lstm>},
          &add_rows<T>,
          &add_products<T>,
          &add_matrix<T>,
          &scatter_add<T>};
}

}  // namespace

#if defined(SULSUL_ISA_AMX)
extern const StepKernels<float> kSplitSteps;
extern const StepKernels<float> kBf16Steps;
const StepKernels<float> kSplitSteps = table<float, AmxProduct<true>>();
const StepKernels<float> kBf16Steps = table<float, AmxProduct<false>>();
#else
extern const StepKernels<float> kFloatSteps;
extern const StepKernels<double> kDoubleSteps;
const StepKernels<float> kFloatSteps = table<float, FmaProduct<float>>();
const StepKernels<double> kDoubleSteps = table<double, FmaProduct<double>>();
#endif

}  // namespace SULSUL_ISA_NAMESPACE
}  // namespace sulsul
