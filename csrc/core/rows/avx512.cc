// Vector operations of AVX-512 with VBMI, and the row kernels built from them.
#include "core/rows/row_kernels.h"

#if TILEWRIGHT_HAS_X86_KERNELS
#if !defined(__clang__)
// GCC 12 warns about deliberately undefined operands in its own intrinsics (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <array>
#include <cstdint>

#include "core/rows/rgb_order.h"

#define TILEWRIGHT_NAMESPACE avx512
#define TILEWRIGHT_TARGET TILEWRIGHT_TARGET_AVX512
#define TILEWRIGHT_INLINE TILEWRIGHT_ALWAYS_INLINE TILEWRIGHT_TARGET_AVX512

namespace tilewright::avx512 {
namespace {

using FloatVector = __m512;
using IntVector = __m512i;
constexpr int kFloatLanes = 16;
constexpr int kVectorBytes = 64;
template <class Sample>
constexpr int kVectorSamples = kVectorBytes / static_cast<int>(sizeof(Sample));
template <class Sample>
constexpr int kLoadSamples = kVectorSamples<Sample>;

TILEWRIGHT_INLINE FloatVector splat(float value) { return _mm512_set1_ps(value); }
TILEWRIGHT_INLINE FloatVector multiply_add(FloatVector a, FloatVector b, FloatVector c) {
  return _mm512_fmadd_ps(a, b, c);
}
// Returns b if a or b is NaN.
TILEWRIGHT_INLINE FloatVector min(FloatVector a, FloatVector b) { return _mm512_min_ps(a, b); }
// Converts NaN to the lowest integer.
TILEWRIGHT_INLINE IntVector round_to_int(FloatVector values) { return _mm512_cvtps_epi32(values); }
TILEWRIGHT_INLINE bool any_nan(FloatVector values) { return _mm512_cmp_ps_mask(values, values, _CMP_UNORD_Q) != 0; }

TILEWRIGHT_INLINE FloatVector load(const float* values) { return _mm512_loadu_ps(values); }
TILEWRIGHT_INLINE FloatVector load(const Half* values) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(values)));
}
TILEWRIGHT_INLINE FloatVector load(const std::uint8_t* samples) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(samples))));
}
TILEWRIGHT_INLINE FloatVector load(const std::uint16_t* samples) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(samples))));
}

// Loads one channel of pixels with four samples.
template <int kChannel>
TILEWRIGHT_INLINE FloatVector load_channel_of_4(const std::uint8_t* pixels) {
  const IntVector shifted = _mm512_srli_epi32(_mm512_loadu_si512(pixels), 8 * kChannel);
  return _mm512_cvtepi32_ps(_mm512_and_si512(shifted, _mm512_set1_epi32(0xFF)));
}
template <int kChannel>
TILEWRIGHT_INLINE FloatVector load_channel_of_4(const std::uint16_t* pixels) {
  const IntVector low = _mm512_srli_epi64(_mm512_loadu_si512(pixels), 16 * kChannel);
  const IntVector high = _mm512_srli_epi64(_mm512_loadu_si512(pixels + 32), 16 * kChannel);
  const IntVector even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const IntVector samples = _mm512_permutex2var_epi32(low, even, high);
  return _mm512_cvtepi32_ps(_mm512_and_si512(samples, _mm512_set1_epi32(0xFFFF)));
}

TILEWRIGHT_INLINE void store(float* to, FloatVector values) { _mm512_storeu_ps(to, values); }
template <class Sample>
TILEWRIGHT_INLINE void store(Sample* to, IntVector samples) {
  _mm512_storeu_si512(to, samples);
}

// A mask with a bit for every position of a channel in vector `kPart`.
template <class Sample, int kPart, int kChannel>
constexpr std::uint64_t kChannelMask = [] {
  std::uint64_t mask = 0;
  for (int position = 0; position < kVectorSamples<Sample>; ++position) {
    if (rgb_channel(kPart, position, kVectorSamples<Sample>) == kChannel) mask |= std::uint64_t{1} << position;
  }
  return mask;
}();

template <class Sample>
using Indices = std::array<Sample, kVectorSamples<Sample>>;

// Indices that place the channel's sample of pixel 16 * part + i in the low bits of 32-bit element
// i. A mask clears the other bits.
template <class Sample, int kChannel>
alignas(kVectorBytes) constexpr std::array<Indices<Sample>, kVectorSamples<Sample> / kFloatLanes> kWidenIndices = [] {
  constexpr int kStep = 4 / sizeof(Sample);
  std::array<Indices<Sample>, kVectorSamples<Sample> / kFloatLanes> tables{};
  for (int i = 0; i < kVectorSamples<Sample>; ++i) {
    const int element = i % kFloatLanes * kStep;
    tables[static_cast<std::size_t>(i / kFloatLanes)][static_cast<std::size_t>(element)] =
        static_cast<Sample>(rgb_position(i, kChannel, kVectorSamples<Sample>));
  }
  return tables;
}();

// Indices that move a channel's samples from pixel order to their RGB positions.
template <class Sample, int kChannel>
alignas(kVectorBytes) constexpr Indices<Sample> kInterleaveIndices = [] {
  Indices<Sample> table{};
  for (int i = 0; i < kVectorSamples<Sample>; ++i) {
    table[static_cast<std::size_t>(rgb_position(i, kChannel, kVectorSamples<Sample>))] = static_cast<Sample>(i);
  }
  return table;
}();

template <class Sample, int kPart, int kChannel>
TILEWRIGHT_INLINE IntVector blend(IntVector others, IntVector channel) {
  constexpr std::uint64_t kMask = kChannelMask<Sample, kPart, kChannel>;
  if constexpr (sizeof(Sample) == 1) {
    return _mm512_mask_blend_epi8(kMask, others, channel);
  } else {
    return _mm512_mask_blend_epi16(static_cast<__mmask32>(kMask), others, channel);
  }
}

template <class Sample>
TILEWRIGHT_INLINE IntVector permute(IntVector samples, const Indices<Sample>& indices) {
  const IntVector positions = _mm512_load_si512(indices.data());
  if constexpr (sizeof(Sample) == 1) {
    return _mm512_permutexvar_epi8(positions, samples);
  } else {
    return _mm512_permutexvar_epi16(positions, samples);
  }
}

struct Rgb {
  IntVector parts[3];
};

template <class Sample>
TILEWRIGHT_INLINE Rgb load_rgb_vectors(const Sample* pixels) {
  return {{_mm512_loadu_si512(pixels), _mm512_loadu_si512(pixels + kVectorSamples<Sample>),
           _mm512_loadu_si512(pixels + 2 * kVectorSamples<Sample>)}};
}

template <class Sample, int kChannel>
TILEWRIGHT_INLINE IntVector pick_channel(const Rgb& rgb) {
  const IntVector two = blend<Sample, 1, kChannel>(rgb.parts[0], rgb.parts[1]);
  return blend<Sample, 2, kChannel>(two, rgb.parts[2]);
}

template <class Sample, int kChannel>
TILEWRIGHT_INLINE FloatVector widen(IntVector samples, int part) {
  const IntVector positions = _mm512_load_si512(kWidenIndices<Sample, kChannel>[static_cast<std::size_t>(part)].data());
  if constexpr (sizeof(Sample) == 1) {
    return _mm512_cvtepi32_ps(_mm512_maskz_permutexvar_epi8(0x1111'1111'1111'1111, positions, samples));
  } else {
    return _mm512_cvtepi32_ps(_mm512_maskz_permutexvar_epi16(0x5555'5555, positions, samples));
  }
}

// Packing works per 128-bit lane and so interleaves the lanes of its operands. The permutation
// restores their order.
TILEWRIGHT_INLINE IntVector pack(IntVector a, IntVector b) {
  const IntVector order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
  return _mm512_permutexvar_epi64(order, _mm512_packus_epi32(a, b));
}
// Packs to bytes. Each lane holds four bytes of every operand.
TILEWRIGHT_INLINE IntVector pack_lanes(IntVector a, IntVector b, IntVector c, IntVector d) {
  return _mm512_packus_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
}
TILEWRIGHT_INLINE IntVector pack(IntVector a, IntVector b, IntVector c, IntVector d) {
  const IntVector order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(order, pack_lanes(a, b, c, d));
}

// Packs to bytes and interleaves: a0 b0 c0 d0 a1 b1 c1 d1 …
TILEWRIGHT_INLINE IntVector interleave4(IntVector a, IntVector b, IntVector c, IntVector d) {
  const IntVector order = _mm512_set4_epi32(0x0F0B0703, 0x0E0A0602, 0x0D090501, 0x0C080400);
  return _mm512_shuffle_epi8(pack_lanes(a, b, c, d), order);
}
// Packs to bytes and interleaves in pairs: a0 b0 a1 b1 … c0 d0 c1 d1 …
TILEWRIGHT_INLINE IntVector interleave2(IntVector a, IntVector b, IntVector c, IntVector d) {
  const IntVector order = _mm512_set4_epi32(0x0F0B0E0A, 0x0D090C08, 0x07030602, 0x05010400);
  const IntVector mixed = _mm512_shuffle_epi8(pack_lanes(a, b, c, d), order);
  return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), mixed);
}

template <class Sample, int kPart>
TILEWRIGHT_INLINE void store_part(Sample* pixels, IntVector r, IntVector g, IntVector b) {
  store(pixels + kPart * kVectorSamples<Sample>, blend<Sample, kPart, 2>(blend<Sample, kPart, 1>(r, g), b));
}

template <class Sample>
TILEWRIGHT_INLINE void store_rgb_vectors(Sample* pixels, IntVector red, IntVector green, IntVector blue) {
  const IntVector r = permute<Sample>(red, kInterleaveIndices<Sample, 0>);
  const IntVector g = permute<Sample>(green, kInterleaveIndices<Sample, 1>);
  const IntVector b = permute<Sample>(blue, kInterleaveIndices<Sample, 2>);
  store_part<Sample, 0>(pixels, r, g, b);
  store_part<Sample, 1>(pixels, r, g, b);
  store_part<Sample, 2>(pixels, r, g, b);
}

}  // namespace
}  // namespace tilewright::avx512

#include "core/rows/simd-inl.h"
#endif
