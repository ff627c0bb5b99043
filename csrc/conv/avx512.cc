// Convolution kernels for AVX-512.
#include "conv/kernels.h"

#if TILEWRIGHT_HAS_X86_KERNELS
#include <immintrin.h>

#include <algorithm>
#include <cstring>

#define TILEWRIGHT_NAMESPACE avx512
#define TILEWRIGHT_TARGET TILEWRIGHT_TARGET_AVX512
#define TILEWRIGHT_INLINE TILEWRIGHT_ALWAYS_INLINE TILEWRIGHT_TARGET_AVX512

namespace tilewright::conv::avx512 {
namespace {

using Vector = __m512;
using IntVector = int __attribute__((vector_size(64)));
constexpr index_t kLanes = 16;
constexpr index_t kGroup = 12;  // 24 of 32 registers hold sums

TILEWRIGHT_INLINE Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }

}  // namespace
}  // namespace tilewright::conv::avx512

#include "conv/kernels-inl.h"
#endif
