// Arithmetic on single samples, shared by all devices and instruction sets.
//
// It uses plain IEEE 754 operations in a fixed order and is compiled without contraction into fused
// multiply-add, so the results are the same bytes everywhere.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

#include "core/types.h"

#if defined(__CUDACC__)
#define TILEWRIGHT_MATH __host__ __device__ inline
#elif defined(__GNUC__)
// Kernels are compiled once per instruction set, so their arithmetic must be inlined into them.
#define TILEWRIGHT_MATH inline __attribute__((always_inline))
#else
#define TILEWRIGHT_MATH inline
#endif

namespace tilewright {

template <class Sample>
inline constexpr float kWhite = static_cast<float>(std::numeric_limits<Sample>::max());

// Rounds to the nearest integer, ties to even. Requires |value| < 2^22: after adding 1.5 * 2^23,
// the mantissa has no bits left for a fraction.
TILEWRIGHT_MATH float round_to_even(float value) {
  constexpr float kShift = 12582912.0F;
  return (value + kShift) - kShift;
}

// Converts a sample to a network value. The division comes first, so that in the range 0..1 the
// result is the correctly rounded quotient sample / white.
template <class Sample>
TILEWRIGHT_MATH float to_network(Sample sample, float black, float span) {
  return static_cast<float>(sample) / kWhite<Sample> * span + black;
}

// 1 / white as the sum of two floats. A sample times that sum, rounded once, equals the correctly
// rounded quotient. Tests check this for every 8-bit and every 16-bit sample.
template <class Sample>
inline constexpr float kReciprocalHigh = 1.0F / kWhite<Sample>;
template <class Sample>
inline constexpr float kReciprocalLow =
    static_cast<float>(1.0 / double{kWhite<Sample>} - double{kReciprocalHigh<Sample>});

// Converts a network value to a sample: clamps it and rounds to the nearest integer. NaN becomes 0.
// `gain` is the white sample divided by (white - black).
template <class Sample>
TILEWRIGHT_MATH Sample to_sample(float value, float black, float gain) {
  float level = (value - black) * gain;
  level = level > 0.0F ? level : 0.0F;
  level = level < kWhite<Sample> ? level : kWhite<Sample>;
  return static_cast<Sample>(static_cast<std::int32_t>(round_to_even(level)));
}

// This form returns exactly `from` where both values are equal, so that a feather leaves equal
// tiles unchanged.
TILEWRIGHT_MATH float cross_fade(float from, float to, float weight) { return from + weight * (to - from); }

// Smoothstep at the centre of pixel i of n. It is flat at both ends, where one of the tiles is
// closest to its cut edge.
TILEWRIGHT_MATH float feather_weight(index_t i, index_t n) {
  const float t = (static_cast<float>(i) + 0.5F) / static_cast<float>(n);
  return t * t * (3.0F - 2.0F * t);
}

TILEWRIGHT_MATH float mean_of(float a, float b, float c) { return ((a + b) + c) / 3.0F; }

TILEWRIGHT_MATH bool is_finite(float value) { return value - value == 0.0F; }

// Reflects an index into [0, size) without repeating the edge pixel: -1 becomes 1 and size becomes
// size - 2. Any distance outside the range is allowed.
TILEWRIGHT_MATH index_t mirror(index_t i, index_t size) {
  if (size == 1) return 0;
  const index_t period = 2 * (size - 1);
  i %= period;
  if (i < 0) i += period;
  return i < size ? i : period - i;
}

// Index of the source pixel for position i >= 0 of an axis. Positions beyond the picture are
// mirrored.
TILEWRIGHT_MATH index_t border_index(index_t i, index_t size) { return i < size ? i : mirror(i, size); }

// IEEE 754 conversions. They use selects instead of branches, so that compilers vectorise them.
TILEWRIGHT_MATH Half to_half(float value) {
#if defined(__CUDA_ARCH__)
  // One instruction gives the same result, except for the payload of a NaN.
  Half converted;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(converted.bits) : "f"(value));
  return converted;
#else
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000U;
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  // Rebias the exponent by 127 - 15 and round to nearest even at bit 13. A carry into the exponent
  // is correct.
  const std::uint32_t normal = (magnitude - 0x38000000U + 0xFFFU + ((magnitude >> 13) & 1U)) >> 13;
  // The last bit of a float near 0.5 is 2^-24, as in a subnormal half, so the addition rounds.
  const float shifted = std::bit_cast<float>(magnitude) + 0.5F;
  const std::uint32_t subnormal = std::bit_cast<std::uint32_t>(shifted) - 0x3F000000U;
  const std::uint32_t infinite_or_nan = magnitude > 0x7F800000U ? 0x7E00U : 0x7C00U;
  std::uint32_t half = magnitude < 0x38800000U ? subnormal : normal;
  half = magnitude >= 0x47800000U ? infinite_or_nan : half;
  return Half{static_cast<std::uint16_t>(sign | half)};
#endif
}

TILEWRIGHT_MATH float to_float(Half value) {
#if defined(__CUDA_ARCH__)
  float converted;
  asm("cvt.f32.f16 %0, %1;" : "=f"(converted) : "h"(value.bits));
  return converted;
#else
  const std::uint32_t sign = (static_cast<std::uint32_t>(value.bits) & 0x8000U) << 16;
  const std::uint32_t magnitude = value.bits & 0x7FFFU;
  const std::uint32_t normal = (magnitude << 13) + 0x38000000U;
  const float subnormal = static_cast<float>(static_cast<std::int32_t>(magnitude)) * 0x1p-24F;
  std::uint32_t bits = magnitude < 0x400U ? std::bit_cast<std::uint32_t>(subnormal) : normal;
  bits = magnitude >= 0x7C00U ? normal + 0x38000000U : bits;
  return std::bit_cast<float>(sign | bits);
#endif
}

TILEWRIGHT_MATH float to_float(float value) { return value; }

template <class Element>
TILEWRIGHT_MATH Element to_element(float value);
template <>
TILEWRIGHT_MATH float to_element<float>(float value) {
  return value;
}
template <>
TILEWRIGHT_MATH Half to_element<Half>(float value) {
  return to_half(value);
}

}  // namespace tilewright
