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
#include "core/rows_paths.h"

namespace tilewright::TILEWRIGHT_PATH {
namespace {

// Pixels with a rare stride are packed, or spread, in this many at a time, to be loaded and stored like others.
constexpr index_t kPacked = 256;

}  // namespace
}  // namespace tilewright::TILEWRIGHT_PATH

#include "core/rows_simd_load.h"
#include "core/rows_simd_store.h"

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

// A block of pixels of one row: each plane as floats, its base added.
template <class Element>
TILEWRIGHT_STEP void with_base(const Element* __restrict plane, const float* __restrict base, index_t width,
                               float* __restrict out) {
  Floats ignored = splat(0.0F);
  for (index_t i = 0; i < width; i += kFloats) {
    const index_t at = std::min(i, width - kFloats);
    const Floats values = values_at(plane, at, ignored);
    store(out + at, base == nullptr ? values : values + load(base + at));
  }
}

// The compiler vectorises the interleaving of a number of planes that it knows.
template <int kShuffle>
TILEWRIGHT_STEP void interleave(const float (*__restrict planes)[kPacked], index_t width, float* __restrict out) {
  for (index_t i = 0; i < width; ++i) {
    for (int k = 0; k < kShuffle; ++k) out[kShuffle * i + k] = planes[k][i];
  }
}

template <int kShuffle, class Element>
TILEWRIGHT_STEP void shuffle_blocks(const Element* const* planes, const float* base, index_t width, float* out) {
  float block[kShuffle][kPacked];
  const index_t count = std::min(width, kPacked);
  for (index_t i = 0; i < width; i += kPacked) {
    const index_t at = std::min(i, width - count);
    for (int k = 0; k < kShuffle; ++k) {
      with_base(planes[k] + at, base == nullptr ? nullptr : base + at, count, block[k]);
    }
    interleave<kShuffle>(block, count, out + kShuffle * at);
  }
}

TILEWRIGHT_STEP void scalar_shuffle(const float* const* planes, index_t shuffle, const float* base, index_t width,
                                    float* out) {
  scalar::float_kernels().shuffle_floats(planes, shuffle, base, width, out);
}
TILEWRIGHT_STEP void scalar_shuffle(const Half* const* planes, index_t shuffle, const float* base, index_t width,
                                    float* out) {
  scalar::float_kernels().shuffle_halves(planes, shuffle, base, width, out);
}

template <class Element>
TILEWRIGHT_TARGET void shuffle_rows(const Element* const* planes, index_t shuffle, const float* base, index_t width,
                                    float* out) {
  if (width < kFloats || shuffle < 2 || shuffle > 4) {
    scalar_shuffle(planes, shuffle, base, width, out);
  } else if (shuffle == 2) {
    shuffle_blocks<2>(planes, base, width, out);
  } else if (shuffle == 3) {
    shuffle_blocks<3>(planes, base, width, out);
  } else {
    shuffle_blocks<4>(planes, base, width, out);
  }
}

}  // namespace

TILEWRIGHT_ROW_TABLES

}  // namespace tilewright::TILEWRIGHT_PATH
