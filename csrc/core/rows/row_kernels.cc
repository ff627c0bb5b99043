#include "core/rows/row_kernels.h"

#include "core/isa_targets.h"
#include "core/rows/tables.h"

namespace tilewright {

bool has_row_kernels(Isa isa) { return isa == Isa::kScalar || TILEWRIGHT_X86_PATHS != 0; }

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
