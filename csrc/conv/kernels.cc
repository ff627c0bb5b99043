#include "conv/kernels.h"

namespace tilewright::conv {

const Kernels& kernels(Isa isa) {
#if TILEWRIGHT_HAS_X86_KERNELS
  if (isa == Isa::kAvx2) return avx2::kKernels;
  if (isa == Isa::kAvx512) return avx512::kKernels;
#endif
  (void)isa;
  return scalar::kKernels;
}

}  // namespace tilewright::conv
