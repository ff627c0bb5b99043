// Vector arithmetic in terms of the compiler's vector extensions. Part of kernels-inl.h.
//
// The instruction set's source file defines kLanes and fma().
#pragma once

namespace tilewright::conv::TILEWRIGHT_NAMESPACE {
namespace {

constexpr index_t kLine = 16;  // floats of a cache line

TILEWRIGHT_INLINE Vector splat(float value) { return value - Vector{}; }

TILEWRIGHT_INLINE Vector load(const float* from) {
  Vector vector;
  std::memcpy(&vector, from, sizeof vector);
  return vector;
}

TILEWRIGHT_INLINE void store(float* to, Vector vector) { std::memcpy(to, &vector, sizeof vector); }

// e^x with a relative error below 2e-7: the argument is reduced to |r| <= ln(2) / 2 as in Cephes'
// expf (Moshier, 1992), whose polynomial this is. The argument is limited to the range of normal
// numbers; NaN stays NaN.
TILEWRIGHT_INLINE Vector exp(Vector x) {
  const Vector limit = splat(87.0F);
  x = x > limit ? limit : x;
  x = x < -limit ? -limit : x;
  const Vector magic = splat(12582912.0F);  // 1.5 * 2^23: adding it rounds to an integer
  const Vector n = fma(x, splat(1.44269504F), magic) - magic;
  Vector r = fma(n, splat(-0.693359375F), x);
  r = fma(n, splat(2.12194440e-4F), r);
  Vector p = splat(1.9875691500e-4F);
  p = fma(p, r, splat(1.3981999507e-3F));
  p = fma(p, r, splat(8.3334519073e-3F));
  p = fma(p, r, splat(4.1665795894e-2F));
  p = fma(p, r, splat(1.6666665459e-1F));
  p = fma(p, r, splat(5.0000001201e-1F));
  p = fma(p, r * r, r + 1.0F);
  const IntVector exponent = (__builtin_convertvector(n, IntVector) + 127) << 23;
  Vector power;
  std::memcpy(&power, &exponent, sizeof power);
  return p * power;
}

TILEWRIGHT_INLINE Vector sigmoid(Vector x) { return 1.0F / (1.0F + exp(-x)); }

}  // namespace
}  // namespace tilewright::conv::TILEWRIGHT_NAMESPACE
