// The row kernels of one instruction set: included by its file, which has defined TILEWRIGHT_PATH (its namespace),
// TILEWRIGHT_TARGET (the attribute of its functions), TILEWRIGHT_STEP (likewise, of what is inlined into them) and the
// steps that depend on the registers. Flags per file instead of attributes would let the linker keep an AVX-512 copy of
// a shared inline function.
//
// No tails: the last block of a row ends where the row ends, and does once more what the one before it has done. Rows
// shorter than a block are left to the reference. So are rows with values that are not finite, which it counts.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "core/pixel_math.h"
#include "core/rows/tables.h"

namespace tilewright::TILEWRIGHT_PATH {
namespace {

// Pixels with a rare stride are packed, or spread, in this many at a time, to be loaded and stored like others.
constexpr index_t kPacked = 256;

}  // namespace
}  // namespace tilewright::TILEWRIGHT_PATH

#include "core/rows/load-inl.h"
#include "core/rows/store-inl.h"

namespace tilewright::TILEWRIGHT_PATH {
namespace {

// In place: no block may be done twice. The compiler vectorises these as they are.
TILEWRIGHT_TARGET void fade_columns(const float* __restrict from, const float* __restrict weights, index_t width,
                                    float* __restrict to) {
  for (index_t i = 0; i < width; ++i) to[i] = cross_fade(from[i], to[i], weights[i]);
}

TILEWRIGHT_TARGET void fade_row(const float* __restrict from, float weight, index_t width, float* __restrict to) {
  for (index_t i = 0; i < width; ++i) to[i] = cross_fade(from[i], to[i], weight);
}

}  // namespace
}  // namespace tilewright::TILEWRIGHT_PATH

#include "core/rows/shuffle-inl.h"

namespace tilewright::TILEWRIGHT_PATH {

TILEWRIGHT_ROW_TABLES

}  // namespace tilewright::TILEWRIGHT_PATH
