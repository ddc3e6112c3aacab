#include "network/narrow_kernels.h"

#include "runtime/isa.h"

namespace sulsul {

#define SULSUL_DECLARE_NARROW_KERNELS(isa)                 \
  namespace isa {                                          \
  extern const NarrowKernels<float> kFloatNarrowKernels;   \
  extern const NarrowKernels<double> kDoubleNarrowKernels; \
  }

SULSUL_DECLARE_NARROW_KERNELS(scalar)
#if defined(__x86_64__)
SULSUL_DECLARE_NARROW_KERNELS(avx2)
SULSUL_DECLARE_NARROW_KERNELS(avx512)
#endif

template <>
const NarrowKernels<float>& narrow_kernels<float>() {
#if defined(__x86_64__)
  if (active_isa() >= Isa::avx512) return avx512::kFloatNarrowKernels;
  if (active_isa() == Isa::avx2) return avx2::kFloatNarrowKernels;
#endif
  return scalar::kFloatNarrowKernels;
}

template <>
const NarrowKernels<double>& narrow_kernels<double>() {
#if defined(__x86_64__)
  if (active_isa() >= Isa::avx512) return avx512::kDoubleNarrowKernels;
  if (active_isa() == Isa::avx2) return avx2::kDoubleNarrowKernels;
#endif
  return scalar::kDoubleNarrowKernels;
}

}  // namespace sulsul
