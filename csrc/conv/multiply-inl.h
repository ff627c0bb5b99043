// The matrix product of all convolutions. Part of kernels-inl.h.
#pragma once

#include "conv/vector-inl.h"

namespace tilewright::conv::TILEWRIGHT_NAMESPACE {
namespace {

// Output channels that one call computes: two vectors.
constexpr index_t kOutBlock = 2 * kLanes;

// out[kGroup][kOutBlock] = in[kGroup][depth] * weights[depth][kOutBlock]
//
// With fewer than two vectors, the rest of every row is left as it is. Each sum is formed in the
// order of `depth`, so a result does not depend on its place in a group. `next` are the weights of the
// next call. They are fetched into the cache meanwhile: the transformed weights of a layer do not fit
// into the second-level cache, and the hardware's prefetching starts anew at every page.
template <int kVectors>
TILEWRIGHT_INLINE void multiply(const float* in, const float* weights, index_t depth, float* out, const float* next) {
  Vector sums[kGroup][kVectors] = {};
  for (index_t d = 0; d < depth; ++d) {
    Vector w[kVectors];
    for (int v = 0; v < kVectors; ++v) w[v] = load(weights + d * kOutBlock + v * kLanes);
    for (index_t i = 0; i < kVectors * kLanes; i += kLine) __builtin_prefetch(next + d * kOutBlock + i);
#pragma GCC unroll 16
    for (int i = 0; i < kGroup; ++i) {
      const Vector x = splat(in[i * depth + d]);
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) sums[i][v] = fma(w[v], x, sums[i][v]);
    }
  }
  for (int i = 0; i < kGroup; ++i) {
    for (int v = 0; v < kVectors; ++v) store(out + i * kOutBlock + v * kLanes, sums[i][v]);
  }
}

}  // namespace
}  // namespace tilewright::conv::TILEWRIGHT_NAMESPACE
