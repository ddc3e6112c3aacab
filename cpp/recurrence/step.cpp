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

}  // namespace

template <class T>
const StepKernels<T>& step_kernels([[maybe_unused]] std::int64_t units) {
#if defined(__x86_64__)
  const StepKernels<T>& half = pick<T>(avx2::kFloatSteps, avx2::kDoubleSteps);
  if (active_isa() >= Isa::avx512) {
    return units <= half.lanes ? half : pick<T>(avx512::kFloatSteps, avx512::kDoubleSteps);
  }
  if (active_isa() == Isa::avx2) return half;
#endif
  return pick<T>(scalar::kFloatSteps, scalar::kDoubleSteps);
}

template const StepKernels<float>& step_kernels<float>(std::int64_t);
template const StepKernels<double>& step_kernels<double>(std::int64_t);

}  // namespace sulsul
