#include "recurrence/step.h"

#include "runtime/isa.h"

namespace sulsul {

#define SULSUL_DECLARE_STEPS(isa)                \
  namespace isa {                                \
  extern const StepKernels<float> kFloatSteps;   \
  extern const StepKernels<double> kDoubleSteps; \
  }

SULSUL_DECLARE_STEPS(scalar)
#if defined(__x86_64__)
SULSUL_DECLARE_STEPS(avx2)
SULSUL_DECLARE_STEPS(avx512)
namespace amx {
extern const StepKernels<float> kSplitSteps;
extern const StepKernels<float> kBf16Steps;
}  // namespace amx
#endif

namespace {

template <class T>
const StepKernels<T>& pick(const StepKernels<float>& single, const StepKernels<double>& twice) {
  if constexpr (sizeof(T) == sizeof(float)) {
    return single;
  } else {
    return twice;
  }
}

#if defined(__x86_64__)
// Below, a step on tiles takes as long as on the vector unit or longer (32 units: LSTM 0.35 against 0.35 ms,
// simple RNN 0.11 against 0.09 ms a forward; 48 units, GRU: 0.49 against 0.54 ms).
constexpr std::int64_t kTileUnits = 48;

template <class T>
const StepKernels<T>& amx_steps([[maybe_unused]] Precision precision) {
  if constexpr (sizeof(T) == sizeof(float)) {
    return precision == Precision::bf16 ? amx::kBf16Steps : amx::kSplitSteps;
  } else {
    return avx512::kDoubleSteps;
  }
}
#endif

}  // namespace

template <class T>
const StepKernels<T>& step_kernels([[maybe_unused]] std::int64_t units,
                                   [[maybe_unused]] Precision precision) {
#if defined(__x86_64__)
  const StepKernels<T>& half = pick<T>(avx2::kFloatSteps, avx2::kDoubleSteps);
  if (active_isa() >= Isa::avx512) {
    if (units <= half.lanes) return half;
    if (active_isa() == Isa::amx && units >= kTileUnits) return amx_steps<T>(precision);
    return pick<T>(avx512::kFloatSteps, avx512::kDoubleSteps);
  }
  if (active_isa() == Isa::avx2) return half;
#endif
  return pick<T>(scalar::kFloatSteps, scalar::kDoubleSteps);
}

template const StepKernels<float>& step_kernels<float>(std::int64_t, Precision);
template const StepKernels<double>& step_kernels<double>(std::int64_t, Precision);

}  // namespace sulsul
