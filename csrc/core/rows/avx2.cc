// Vector operations of AVX2, FMA and F16C, and the row kernels built from them.
#include "core/rows/row_kernels.h"

#if TILEWRIGHT_HAS_X86_KERNELS
#include <immintrin.h>

#include <array>
#include <cstdint>

#include "core/rows/rgb_order.h"

#define TILEWRIGHT_NAMESPACE avx2
#define TILEWRIGHT_TARGET TILEWRIGHT_TARGET_AVX2
#define TILEWRIGHT_INLINE TILEWRIGHT_ALWAYS_INLINE TILEWRIGHT_TARGET_AVX2

namespace tilewright::avx2 {
namespace {

using FloatVector = __m256;
using IntVector = __m256i;
constexpr int kFloatLanes = 8;
constexpr int kVectorBytes = 32;

// A vector has two 128-bit lanes. Bytes can be shuffled only within a lane.
constexpr int kLaneBytes = 16;
template <class Sample>
constexpr int kLaneSamples = kLaneBytes / static_cast<int>(sizeof(Sample));
template <class Sample>
constexpr int kLoadSamples = kLaneSamples<Sample>;

TILEWRIGHT_INLINE FloatVector splat(float value) { return _mm256_set1_ps(value); }
TILEWRIGHT_INLINE FloatVector multiply_add(FloatVector a, FloatVector b, FloatVector c) {
  return _mm256_fmadd_ps(a, b, c);
}
// Returns b if a or b is NaN.
TILEWRIGHT_INLINE FloatVector min(FloatVector a, FloatVector b) { return _mm256_min_ps(a, b); }
// Converts NaN to the lowest integer.
TILEWRIGHT_INLINE IntVector round_to_int(FloatVector values) { return _mm256_cvtps_epi32(values); }
TILEWRIGHT_INLINE bool any_nan(FloatVector values) {
  return _mm256_movemask_ps(_mm256_cmp_ps(values, values, _CMP_UNORD_Q)) != 0;
}

TILEWRIGHT_INLINE __m128i load_lane(const void* from) { return _mm_loadu_si128(static_cast<const __m128i*>(from)); }
TILEWRIGHT_INLINE IntVector load_vector(const void* from) {
  return _mm256_loadu_si256(static_cast<const IntVector*>(from));
}
TILEWRIGHT_INLINE void store_lane(void* to, __m128i lane) { _mm_storeu_si128(static_cast<__m128i*>(to), lane); }

TILEWRIGHT_INLINE FloatVector load(const float* values) { return _mm256_loadu_ps(values); }
TILEWRIGHT_INLINE FloatVector load(const Half* values) { return _mm256_cvtph_ps(load_lane(values)); }
TILEWRIGHT_INLINE FloatVector load(const std::uint8_t* samples) {
  const __m128i eight = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(samples));
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(eight));
}
TILEWRIGHT_INLINE FloatVector load(const std::uint16_t* samples) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(load_lane(samples)));
}

// Loads one channel of pixels with four samples.
template <int kChannel>
TILEWRIGHT_INLINE FloatVector load_channel_of_4(const std::uint8_t* pixels) {
  const IntVector shifted = _mm256_srli_epi32(load_vector(pixels), 8 * kChannel);
  return _mm256_cvtepi32_ps(_mm256_and_si256(shifted, _mm256_set1_epi32(0xFF)));
}
template <int kChannel>
TILEWRIGHT_INLINE FloatVector load_channel_of_4(const std::uint16_t* pixels) {
  const IntVector low = _mm256_srli_epi64(load_vector(pixels), 16 * kChannel);
  const IntVector high = _mm256_srli_epi64(load_vector(pixels + 16), 16 * kChannel);
  // Takes the low half of every 64 bits. The result alternates between low and high by lane and is
  // then reordered.
  const FloatVector mixed =
      _mm256_shuffle_ps(_mm256_castsi256_ps(low), _mm256_castsi256_ps(high), _MM_SHUFFLE(2, 0, 2, 0));
  const IntVector ordered = _mm256_permute4x64_epi64(_mm256_castps_si256(mixed), _MM_SHUFFLE(3, 1, 2, 0));
  return _mm256_cvtepi32_ps(_mm256_and_si256(ordered, _mm256_set1_epi32(0xFFFF)));
}

TILEWRIGHT_INLINE void store(float* to, FloatVector values) { _mm256_storeu_ps(to, values); }
template <class Sample>
TILEWRIGHT_INLINE void store(Sample* to, IntVector samples) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), samples);
}

using Bytes = std::array<std::uint8_t, kVectorBytes>;
constexpr std::uint8_t kZeroByte = 0x80;  // shuffle index that gives 0

TILEWRIGHT_INLINE IntVector table(const Bytes& bytes) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(bytes.data()));
}

// A mask that is all ones at the positions of a channel in vector `kPart`.
template <class Sample, int kPart, int kChannel>
alignas(kVectorBytes) constexpr Bytes kChannelMask = [] {
  Bytes mask{};
  for (int i = 0; i < kVectorBytes; ++i) {
    const int position = i % kLaneBytes / static_cast<int>(sizeof(Sample));
    mask[static_cast<std::size_t>(i)] = rgb_channel(kPart, position, kLaneSamples<Sample>) == kChannel ? 0xFF : 0;
  }
  return mask;
}();

// Shuffle indices that place the channel's sample of pixel 8 * part + i in 32-bit element i.
template <class Sample, int kChannel>
alignas(kVectorBytes) constexpr std::array<Bytes, kLaneSamples<Sample> / kFloatLanes> kWidenIndices = [] {
  constexpr int kSize = sizeof(Sample);
  std::array<Bytes, kLaneSamples<Sample> / kFloatLanes> tables{};
  for (int i = 0; i < static_cast<int>(tables.size()) * kVectorBytes; ++i) {
    const int position = rgb_position(i / 4, kChannel, kLaneSamples<Sample>);
    tables[static_cast<std::size_t>(i / kVectorBytes)][static_cast<std::size_t>(i % kVectorBytes)] =
        i % 4 < kSize ? static_cast<std::uint8_t>(position * kSize + i % 4) : kZeroByte;
  }
  return tables;
}();

// Shuffle indices that move a channel's samples from pixel order to their RGB positions, the same
// in both lanes.
template <class Sample, int kChannel>
alignas(kVectorBytes) constexpr Bytes kInterleaveIndices = [] {
  constexpr int kSize = sizeof(Sample);
  Bytes table{};
  for (int i = 0; i < kVectorBytes; ++i) {
    const int position = rgb_position(i % kLaneBytes / kSize, kChannel, kLaneSamples<Sample>);
    const int target = i / kLaneBytes * kLaneBytes + position * kSize + i % kSize;
    table[static_cast<std::size_t>(target)] = static_cast<std::uint8_t>(i % kLaneBytes);
  }
  return table;
}();

// Three lanes of RGB samples, each repeated in both lanes of a vector.
struct Rgb {
  IntVector parts[3];
};

template <class Sample>
TILEWRIGHT_INLINE Rgb load_rgb_vectors(const Sample* pixels) {
  constexpr int kCount = kLaneSamples<Sample>;
  return {{_mm256_broadcastsi128_si256(load_lane(pixels)), _mm256_broadcastsi128_si256(load_lane(pixels + kCount)),
           _mm256_broadcastsi128_si256(load_lane(pixels + 2 * kCount))}};
}

template <class Sample, int kChannel>
TILEWRIGHT_INLINE IntVector pick_channel(const Rgb& rgb) {
  const IntVector two = _mm256_blendv_epi8(rgb.parts[0], rgb.parts[1], table(kChannelMask<Sample, 1, kChannel>));
  return _mm256_blendv_epi8(two, rgb.parts[2], table(kChannelMask<Sample, 2, kChannel>));
}

template <class Sample, int kChannel>
TILEWRIGHT_INLINE FloatVector widen(IntVector samples, int part) {
  const Bytes& positions = kWidenIndices<Sample, kChannel>[static_cast<std::size_t>(part)];
  return _mm256_cvtepi32_ps(_mm256_shuffle_epi8(samples, table(positions)));
}

// Packing works per lane and so interleaves the lanes of its operands. The permutation restores
// their order.
TILEWRIGHT_INLINE IntVector pack(IntVector a, IntVector b) {
  return _mm256_permute4x64_epi64(_mm256_packus_epi32(a, b), _MM_SHUFFLE(3, 1, 2, 0));
}
// Packs to bytes. Each lane holds four bytes of every operand.
TILEWRIGHT_INLINE IntVector pack_lanes(IntVector a, IntVector b, IntVector c, IntVector d) {
  return _mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
}
TILEWRIGHT_INLINE IntVector pack(IntVector a, IntVector b, IntVector c, IntVector d) {
  return _mm256_permutevar8x32_epi32(pack_lanes(a, b, c, d), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

// Packs to bytes and interleaves: a0 b0 c0 d0 a1 b1 c1 d1 …
TILEWRIGHT_INLINE IntVector interleave4(IntVector a, IntVector b, IntVector c, IntVector d) {
  const IntVector order = _mm256_broadcastsi128_si256(_mm_setr_epi32(0x0C080400, 0x0D090501, 0x0E0A0602, 0x0F0B0703));
  return _mm256_shuffle_epi8(pack_lanes(a, b, c, d), order);
}
// Packs to bytes and interleaves in pairs: a0 b0 a1 b1 … c0 d0 c1 d1 …
TILEWRIGHT_INLINE IntVector interleave2(IntVector a, IntVector b, IntVector c, IntVector d) {
  const IntVector order = _mm256_broadcastsi128_si256(_mm_setr_epi32(0x05010400, 0x07030602, 0x0D090C08, 0x0F0B0E0A));
  return _mm256_permute4x64_epi64(_mm256_shuffle_epi8(pack_lanes(a, b, c, d), order), _MM_SHUFFLE(3, 1, 2, 0));
}

template <class Sample, int kPart>
TILEWRIGHT_INLINE void store_part(Sample* pixels, IntVector r, IntVector g, IntVector b) {
  const IntVector two = _mm256_blendv_epi8(r, g, table(kChannelMask<Sample, kPart, 1>));
  const IntVector part = _mm256_blendv_epi8(two, b, table(kChannelMask<Sample, kPart, 2>));
  store_lane(pixels + kPart * kLaneSamples<Sample>, _mm256_castsi256_si128(part));
  store_lane(pixels + (3 + kPart) * kLaneSamples<Sample>, _mm256_extracti128_si256(part, 1));
}

template <class Sample>
TILEWRIGHT_INLINE void store_rgb_vectors(Sample* pixels, IntVector red, IntVector green, IntVector blue) {
  const IntVector r = _mm256_shuffle_epi8(red, table(kInterleaveIndices<Sample, 0>));
  const IntVector g = _mm256_shuffle_epi8(green, table(kInterleaveIndices<Sample, 1>));
  const IntVector b = _mm256_shuffle_epi8(blue, table(kInterleaveIndices<Sample, 2>));
  store_part<Sample, 0>(pixels, r, g, b);
  store_part<Sample, 1>(pixels, r, g, b);
  store_part<Sample, 2>(pixels, r, g, b);
}

}  // namespace
}  // namespace tilewright::avx2

#include "core/rows/simd-inl.h"
#endif
