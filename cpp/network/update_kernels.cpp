#include "network/update_kernels.h"

#include "runtime/isa.h"

namespace sulsul {

#define SULSUL_DECLARE_UPDATE_KERNELS(isa)                 \
  namespace isa {                                          \
  extern const UpdateKernels<float> kFloatUpdateKernels;   \
  extern const UpdateKernels<double> kDoubleUpdateKernels; \
  }

SULSUL_DECLARE_UPDATE_KERNELS(scalar)
#if defined(__x86_64__)
SULSUL_DECLARE_UPDATE_KERNELS(avx2)
SULSUL_DECLARE_UPDATE_KERNELS(avx512)
#endif

template <>
const UpdateKernels<float>& update_kernels<float>() {
#if defined(__x86_64__)
  if (active_isa() >= Isa::avx512) return avx512::kFloatUpdateKernels;
  if (active_isa() == Isa::avx2) return avx2::kFloatUpdateKernels;
#endif
  return scalar::kFloatUpdateKernels;
}

template <>
const UpdateKernels<double>& update_kernels<double>() {
#if defined(__x86_64__)
  if (active_isa() >= Isa::avx512) return avx512::kDoubleUpdateKernels;
  if (active_isa() == Isa::avx2) return avx2::kDoubleUpdateKernels;
#endif
  return scalar::kDoubleUpdateKernels;
}

}  // namespace sulsul
