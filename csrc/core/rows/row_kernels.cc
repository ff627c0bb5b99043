#include "core/rows/row_kernels.h"

namespace tilewright {

const RowKernels& row_kernels(Isa isa) {
#if TILEWRIGHT_HAS_X86_KERNELS
  if (isa == Isa::kAvx2) return avx2::kRowKernels;
  if (isa == Isa::kAvx512) return avx512::kRowKernels;
#endif
  (void)isa;
  return scalar::kRowKernels;
}

}  // namespace tilewright
