// The convolution kernels of one instruction set.
//
// The instruction set's source file includes this last. Before, it defines in the namespace
// TILEWRIGHT_NAMESPACE: Vector and IntVector, kLanes, fma(), and kGroup, the number of tiles or
// pixels whose sums fit in the registers. TILEWRIGHT_TARGET is the attribute of the kernels, and
// TILEWRIGHT_INLINE that of functions that are inlined into them.
#include "conv/epilogue-inl.h"
#include "conv/multiply-inl.h"
#include "conv/pixels-inl.h"
#include "conv/rescale-inl.h"
#include "conv/vector-inl.h"
#include "conv/winograd-inl.h"

namespace tilewright::conv::TILEWRIGHT_NAMESPACE {

const Kernels kKernels{kOutBlock, &winograd,      &winograd_scratch, &pointwise,
                       &image,    &pixel_scratch, &rescale,          &rescale_scratch};

}  // namespace tilewright::conv::TILEWRIGHT_NAMESPACE
