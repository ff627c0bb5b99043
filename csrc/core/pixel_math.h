// The arithmetic of one sample, for every device and instruction set alike.
//
// Plain IEEE operations in a fixed order, compiled without contraction: the same bytes everywhere.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

#include "core/types.h"

#if defined(__CUDACC__)
#define TILEWRIGHT_MATH __host__ __device__ inline
#elif defined(__GNUC__)
// Kernels are compiled once per instruction set; their arithmetic must be compiled with them, not called.
#define TILEWRIGHT_MATH inline __attribute__((always_inline))
#else
#define TILEWRIGHT_MATH inline
#endif

namespace tilewright {

template <class Sample>
inline constexpr float kWhite = static_cast<float>(std::numeric_limits<Sample>::max());

// Rounds to the nearest integer, ties to even, for |value| < 2^22: adding 1.5 * 2^23 leaves no bit for a fraction.
TILEWRIGHT_MATH float round_to_even(float value) {
  constexpr float kShift = 12582912.0F;
  return (value + kShift) - kShift;
}

// A sample as the network wants it. Dividing first makes the usual range 0..1 equal to sample / white, correctly
// rounded.
template <class Sample>
TILEWRIGHT_MATH float to_network(Sample sample, float black, float span) {
  return static_cast<float>(sample) / kWhite<Sample> * span + black;
}

// 1 / white as a sum of two floats. Times a sample, the sum rounded once, it is the quotient correctly rounded: for
// every sample of 8 and of 16 bits, as the tests go through them all.
template <class Sample>
inline constexpr float kReciprocal = 1.0F / kWhite<Sample>;
template <class Sample>
inline constexpr float kReciprocalRest = static_cast<float>(1.0 / double{kWhite<Sample>} - double{kReciprocal<Sample>});

// A network's value as a sample: clamped, rounded to nearest. NaN gives 0. `gain` is white sample / (white - black).
template <class Sample>
TILEWRIGHT_MATH Sample to_sample(float value, float black, float gain) {
  float level = (value - black) * gain;
  level = level > 0.0F ? level : 0.0F;
  level = level < kWhite<Sample> ? level : kWhite<Sample>;
  return static_cast<Sample>(static_cast<std::int32_t>(round_to_even(level)));
}

// This form returns `from` exactly where both are equal, so exact tiles stay exact under a feather.
TILEWRIGHT_MATH float cross_fade(float from, float to, float weight) { return from + weight * (to - from); }

// Smoothstep at the centre of pixel i of n: flat at both ends, where one of the tiles is nearest to its cut edge.
TILEWRIGHT_MATH float feather_weight(index_t i, index_t n) {
  const float t = (static_cast<float>(i) + 0.5F) / static_cast<float>(n);
  return t * t * (3.0F - 2.0F * t);
}

TILEWRIGHT_MATH float mean_of(float a, float b, float c) { return ((a + b) + c) / 3.0F; }

TILEWRIGHT_MATH bool is_finite(float value) { return value - value == 0.0F; }

// Mirrors without repeating the edge pixel: -1 is 1, size is size - 2; any overshoot.
TILEWRIGHT_MATH index_t mirror(index_t i, index_t size) {
  if (size == 1) return 0;
  const index_t period = 2 * (size - 1);
  i %= period;
  if (i < 0) i += period;
  return i < size ? i : period - i;
}

// How pixels beyond the picture are made up, where a tile must be larger than the picture.
enum class Border { kMirror, kEdge };

// The pixel of an axis that stands for pixel i, 0 <= i.
TILEWRIGHT_MATH index_t made_up(index_t i, index_t size, Border border) {
  if (i < size) return i;
  return border == Border::kMirror ? mirror(i, size) : size - 1;
}

// IEEE 754 conversions, written with selects so that compilers vectorise them.
TILEWRIGHT_MATH Half to_half(float value) {
#if defined(__CUDA_ARCH__)
  // The same but for the bits of a NaN, in one instruction.
  Half converted;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(converted.bits) : "f"(value));
  return converted;
#else
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000U;
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  // Rebias the exponent by 127 - 15 and round to nearest even at bit 13; a carry may run into the exponent, as it
  // should.
  const std::uint32_t normal = (magnitude - 0x38000000U + 0xFFFU + ((magnitude >> 13) & 1U)) >> 13;
  // Next to 0.5 a float's last bit is 2^-24, a subnormal half's: the addition rounds.
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
