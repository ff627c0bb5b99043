// Row kernels of one SIMD instruction set.
//
// The instruction set's source file includes this last. Before, it defines the namespace
// TILEWRIGHT_NAMESPACE with the vector operations, TILEWRIGHT_TARGET (the attribute of the kernels)
// and TILEWRIGHT_INLINE (the attributes of functions that are inlined into kernels).
//
// Kernels have no remainder loop: the last block of a row ends at the end of the row and may
// overlap the previous one. Rows shorter than a block are passed to the scalar kernels. So are rows
// with non-finite values, because the scalar kernels count them.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "core/pixel_math.h"
#include "core/rows/row_kernels.h"

namespace tilewright::TILEWRIGHT_NAMESPACE {
namespace {

// Pixels with an uncommon stride are copied in chunks of this many to or from a dense buffer.
constexpr index_t kChunk = 256;

}  // namespace
}  // namespace tilewright::TILEWRIGHT_NAMESPACE

#include "core/rows/load-inl.h"
#include "core/rows/store-inl.h"

namespace tilewright::TILEWRIGHT_NAMESPACE {
namespace {

// The compiler vectorises these two. They work in place, so no element may be processed twice.
TILEWRIGHT_TARGET void fade_columns(const float* __restrict from, const float* __restrict weights, index_t width,
                                    float* __restrict to) {
  for (index_t i = 0; i < width; ++i) to[i] = cross_fade(from[i], to[i], weights[i]);
}

TILEWRIGHT_TARGET void fade_row(const float* __restrict from, float weight, index_t width, float* __restrict to) {
  for (index_t i = 0; i < width; ++i) to[i] = cross_fade(from[i], to[i], weight);
}

}  // namespace
}  // namespace tilewright::TILEWRIGHT_NAMESPACE

#include "core/rows/shuffle-inl.h"
#include "core/rows/table-inl.h"
