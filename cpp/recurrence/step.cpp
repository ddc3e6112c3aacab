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

template <>
const StepKernels<float>& step_kernels<float>() {
#if defined(__x86_64__)
  if (active_isa() >= Isa::avx512) return avx512::kFloatSteps;
  if (active_isa() == Isa::avx2) return avx2::kFloatSteps;
#endif
  return scalar::kFloatSteps;
}

template <>
const StepKernels<double>& step_kernels<double>() {
#if defined(__x86_64__)
  if (active_isa() >= Isa::avx512) return avx512::kDoubleSteps;
  if (active_isa() == Isa::avx2) return avx2::kDoubleSteps;
#endif
  return scalar::kDoubleSteps;
}

}  // namespace sulsul
