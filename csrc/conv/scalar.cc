// Convolution kernels for every CPU: vectors of four numbers, which the compiler maps to the
// instructions that all CPUs of an architecture have (SSE2, NEON).
#include <algorithm>
#include <cstring>

#include "conv/kernels.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#endif

#define TILEWRIGHT_NAMESPACE scalar
#define TILEWRIGHT_TARGET
#define TILEWRIGHT_INLINE TILEWRIGHT_ALWAYS_INLINE

namespace tilewright::conv::scalar {
namespace {

using Vector = float __attribute__((vector_size(16)));
using IntVector = int __attribute__((vector_size(16)));
constexpr index_t kLanes = 4;
constexpr index_t kGroup = 6;

TILEWRIGHT_INLINE Vector fma(Vector a, Vector b, Vector c) {
#if defined(__aarch64__)
  return vfmaq_f32(c, a, b);
#else
  return a * b + c;
#endif
}

}  // namespace
}  // namespace tilewright::conv::scalar

#include "conv/kernels-inl.h"
