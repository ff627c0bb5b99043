// Convolution kernels for AVX2 and FMA.
#include "conv/kernels.h"

#if TILEWRIGHT_HAS_X86_KERNELS
#include <immintrin.h>

#include <algorithm>
#include <cstring>

#define TILEWRIGHT_NAMESPACE avx2
#define TILEWRIGHT_TARGET TILEWRIGHT_TARGET_AVX2
#define TILEWRIGHT_INLINE TILEWRIGHT_ALWAYS_INLINE TILEWRIGHT_TARGET_AVX2

namespace tilewright::conv::avx2 {
namespace {

using Vector = __m256;
using IntVector = int __attribute__((vector_size(32)));
constexpr index_t kLanes = 8;
constexpr index_t kGroup = 6;  // 12 of 16 registers hold sums

TILEWRIGHT_INLINE Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }

}  // namespace
}  // namespace tilewright::conv::avx2

#include "conv/kernels-inl.h"
#endif
