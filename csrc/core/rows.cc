#include "core/rows.h"

#include "core/rows_paths.h"

namespace tilewright {

bool has_row_kernels(Isa isa) { return isa == Isa::kScalar || TILEWRIGHT_X86_ROWS != 0; }

#if TILEWRIGHT_X86_ROWS
#define TILEWRIGHT_SELECT(...)    \
  switch (isa) {                  \
    case Isa::kAvx2:              \
      return avx2::__VA_ARGS__;   \
    case Isa::kAvx512:            \
      return avx512::__VA_ARGS__; \
    case Isa::kScalar:            \
      break;                      \
  }                               \
  return scalar::__VA_ARGS__
#else
#define TILEWRIGHT_SELECT(...) \
  (void)isa;                   \
  return scalar::__VA_ARGS__
#endif

template <class Sample, class Element>
const LoadKernels<Sample, Element>& load_kernels(Isa isa) {
  TILEWRIGHT_SELECT(load_kernels<Sample, Element>());
}

template <class Element, class Sample>
const StoreKernels<Element, Sample>& store_kernels(Isa isa) {
  TILEWRIGHT_SELECT(store_kernels<Element, Sample>());
}

const FloatKernels& float_kernels(Isa isa) { TILEWRIGHT_SELECT(float_kernels()); }

TILEWRIGHT_INSTANTIATE_ROWS(Isa)

}  // namespace tilewright
