#include "documents/cosine_kernels.h"

#include "runtime/isa.h"

namespace sulsul {

namespace scalar {
extern const CosineKernels kCosineKernels;
}
#if defined(__x86_64__)
namespace avx2 {
extern const CosineKernels kCosineKernels;
}
namespace avx512 {
extern const CosineKernels kCosineKernels;
}
#endif

const CosineKernels& cosine_kernels() {
#if defined(__x86_64__)
  if (active_isa() >= Isa::avx512) return avx512::kCosineKernels;
  if (active_isa() == Isa::avx2) return avx2::kCosineKernels;
#endif
  return scalar::kCosineKernels;
}

}  // namespace sulsul
