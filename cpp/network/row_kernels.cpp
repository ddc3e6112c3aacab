#include "network/row_kernels.h"

#include "runtime/isa.h"

namespace sulsul {

#define SULSUL_DECLARE_ROW_KERNELS(isa)              \
  namespace isa {                                    \
  extern const RowKernels<float> kFloatRowKernels;   \
  extern const RowKernels<double> kDoubleRowKernels; \
  }

SULSUL_DECLARE_ROW_KERNELS(scalar)
#if defined(__x86_64__)
SULSUL_DECLARE_ROW_KERNELS(avx2)
SULSUL_DECLARE_ROW_KERNELS(avx512)
#endif

template <>
const RowKernels<float>& row_kernels<float>() {
#if defined(__x86_64__)
  if (active_isa() >= Isa::avx512) return avx512::kFloatRowKernels;
  if (active_isa() == Isa::avx2) return avx2::kFloatRowKernels;
#endif
  return scalar::kFloatRowKernels;
}

template <>
const RowKernels<double>& row_kernels<double>() {
#if defined(__x86_64__)
  if (active_isa() >= Isa::avx512) return avx512::kDoubleRowKernels;
  if (active_isa() == Isa::avx2) return avx2::kDoubleRowKernels;
#endif
  return scalar::kDoubleRowKernels;
}

}  // namespace sulsul
