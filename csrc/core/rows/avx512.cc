#include "core/rows/tables.h"

#if TILEWRIGHT_X86_PATHS
#if !defined(__clang__)
// GCC 12 takes the undefined operands in its own intrinsics for an oversight (its bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <array>
#include <cstdint>

#include "core/rows/rgb_order.h"

#define TILEWRIGHT_FEATURES "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,prefer-vector-width=512"
#define TILEWRIGHT_PATH avx512
#define TILEWRIGHT_TARGET __attribute__((target(TILEWRIGHT_FEATURES)))
#define TILEWRIGHT_STEP static inline __attribute__((always_inline, target(TILEWRIGHT_FEATURES)))

namespace tilewright::avx512 {
namespace {

using Floats = __m512;
using Register = __m512i;
constexpr int kFloats = 16;
constexpr int kRegisterBytes = 64;
template <class Sample>
constexpr int kPlaces = kRegisterBytes / static_cast<int>(sizeof(Sample));
template <class Sample>
constexpr int kLoadPlaces = kPlaces<Sample>;

TILEWRIGHT_STEP Floats splat(float value) { return _mm512_set1_ps(value); }
TILEWRIGHT_STEP Floats multiply_add(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
// b where either is NaN.
TILEWRIGHT_STEP Floats least(Floats a, Floats b) { return _mm512_min_ps(a, b); }
// NaN gives the lowest integer.
TILEWRIGHT_STEP Register round_to_integers(Floats values) { return _mm512_cvtps_epi32(values); }
TILEWRIGHT_STEP bool any_nan(Floats values) { return _mm512_cmp_ps_mask(values, values, _CMP_UNORD_Q) != 0; }

TILEWRIGHT_STEP Floats load(const float* values) { return _mm512_loadu_ps(values); }
TILEWRIGHT_STEP Floats load(const Half* values) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(values)));
}
TILEWRIGHT_STEP Floats load(const std::uint8_t* samples) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(samples))));
}
TILEWRIGHT_STEP Floats load(const std::uint16_t* samples) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(samples))));
}

// A channel of pixels of four.
template <int kChannel>
TILEWRIGHT_STEP Floats load_of_four(const std::uint8_t* pixels) {
  const Register shifted = _mm512_srli_epi32(_mm512_loadu_si512(pixels), 8 * kChannel);
  return _mm512_cvtepi32_ps(_mm512_and_si512(shifted, _mm512_set1_epi32(0xFF)));
}
template <int kChannel>
TILEWRIGHT_STEP Floats load_of_four(const std::uint16_t* pixels) {
  const Register low = _mm512_srli_epi64(_mm512_loadu_si512(pixels), 16 * kChannel);
  const Register high = _mm512_srli_epi64(_mm512_loadu_si512(pixels + 32), 16 * kChannel);
  const Register even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const Register samples = _mm512_permutex2var_epi32(low, even, high);
  return _mm512_cvtepi32_ps(_mm512_and_si512(samples, _mm512_set1_epi32(0xFFFF)));
}

TILEWRIGHT_STEP void store(float* to, Floats values) { _mm512_storeu_ps(to, values); }
TILEWRIGHT_STEP void store(Half* to, Floats values) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtps_ph(values, _MM_FROUND_TO_NEAREST_INT));
}
template <class Sample>
TILEWRIGHT_STEP void store(Sample* to, Register samples) {
  _mm512_storeu_si512(to, samples);
}

// A bit for every place of a register that is of the channel.
template <class Sample, int kPart, int kChannel>
constexpr std::uint64_t kIsOf = [] {
  std::uint64_t mask = 0;
  for (int place = 0; place < kPlaces<Sample>; ++place) {
    if (rgb_channel_at(kPart, place, kPlaces<Sample>) == kChannel) mask |= std::uint64_t{1} << place;
  }
  return mask;
}();

template <class Sample>
using Indices = std::array<Sample, kPlaces<Sample>>;

// For pixel 16 part + i, that sample of its channel as the low part of 32-bit number i. The rest is masked.
template <class Sample, int kChannel>
alignas(kRegisterBytes) constexpr std::array<Indices<Sample>, kPlaces<Sample> / kFloats> kSpread = [] {
  constexpr int kStep = 4 / sizeof(Sample);
  std::array<Indices<Sample>, kPlaces<Sample> / kFloats> tables{};
  for (int i = 0; i < kPlaces<Sample>; ++i) {
    tables[static_cast<std::size_t>(i / kFloats)][static_cast<std::size_t>(i % kFloats * kStep)] =
        static_cast<Sample>(rgb_place_of(i, kChannel, kPlaces<Sample>));
  }
  return tables;
}();

// Moves the samples of a channel, in the order of pixels, to their places in RGB.
template <class Sample, int kChannel>
alignas(kRegisterBytes) constexpr Indices<Sample> kToPlaces = [] {
  Indices<Sample> table{};
  for (int i = 0; i < kPlaces<Sample>; ++i) {
    table[static_cast<std::size_t>(rgb_place_of(i, kChannel, kPlaces<Sample>))] = static_cast<Sample>(i);
  }
  return table;
}();

template <class Sample, int kPart, int kChannel>
TILEWRIGHT_STEP Register blend(Register others, Register channel) {
  constexpr std::uint64_t kMask = kIsOf<Sample, kPart, kChannel>;
  if constexpr (sizeof(Sample) == 1) {
    return _mm512_mask_blend_epi8(kMask, others, channel);
  } else {
    return _mm512_mask_blend_epi16(static_cast<__mmask32>(kMask), others, channel);
  }
}

template <class Sample>
TILEWRIGHT_STEP Register shuffle(Register samples, const Indices<Sample>& indices) {
  const Register places = _mm512_load_si512(indices.data());
  if constexpr (sizeof(Sample) == 1) {
    return _mm512_permutexvar_epi8(places, samples);
  } else {
    return _mm512_permutexvar_epi16(places, samples);
  }
}

struct Rgb {
  Register parts[3];
};

template <class Sample>
TILEWRIGHT_STEP Rgb load_registers(const Sample* pixels) {
  return {{_mm512_loadu_si512(pixels), _mm512_loadu_si512(pixels + kPlaces<Sample>),
           _mm512_loadu_si512(pixels + 2 * kPlaces<Sample>)}};
}

template <class Sample, int kChannel>
TILEWRIGHT_STEP Register pick_channel(const Rgb& rgb) {
  const Register two = blend<Sample, 1, kChannel>(rgb.parts[0], rgb.parts[1]);
  return blend<Sample, 2, kChannel>(two, rgb.parts[2]);
}

template <class Sample, int kChannel>
TILEWRIGHT_STEP Floats spread(Register samples, int part) {
  const Register places = _mm512_load_si512(kSpread<Sample, kChannel>[static_cast<std::size_t>(part)].data());
  if constexpr (sizeof(Sample) == 1) {
    return _mm512_cvtepi32_ps(_mm512_maskz_permutexvar_epi8(0x1111'1111'1111'1111, places, samples));
  } else {
    return _mm512_cvtepi32_ps(_mm512_maskz_permutexvar_epi16(0x5555'5555, places, samples));
  }
}

// Packing works on quarters: the second step puts what it interleaved in order.
TILEWRIGHT_STEP Register pack(Register a, Register b) {
  const Register order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
  return _mm512_permutexvar_epi64(order, _mm512_packus_epi32(a, b));
}
// Four bytes of each in every quarter.
TILEWRIGHT_STEP Register pack_quarters(Register a, Register b, Register c, Register d) {
  return _mm512_packus_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
}
TILEWRIGHT_STEP Register pack(Register a, Register b, Register c, Register d) {
  const Register order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(order, pack_quarters(a, b, c, d));
}

// The first of each, the second of each, and so on.
TILEWRIGHT_STEP Register take_turns_of_four(Register a, Register b, Register c, Register d) {
  const Register order = _mm512_set4_epi32(0x0F0B0703, 0x0E0A0602, 0x0D090501, 0x0C080400);
  return _mm512_shuffle_epi8(pack_quarters(a, b, c, d), order);
}
// The first of a, the first of b, the second of a, and so on; then likewise c and d, to which a and b belong.
TILEWRIGHT_STEP Register take_turns_of_two(Register a, Register b, Register c, Register d) {
  const Register order = _mm512_set4_epi32(0x0F0B0E0A, 0x0D090C08, 0x07030602, 0x05010400);
  const Register mixed = _mm512_shuffle_epi8(pack_quarters(a, b, c, d), order);
  return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), mixed);
}

template <class Sample, int kPart>
TILEWRIGHT_STEP void store_part(Sample* pixels, Register r, Register g, Register b) {
  store(pixels + kPart * kPlaces<Sample>, blend<Sample, kPart, 2>(blend<Sample, kPart, 1>(r, g), b));
}

template <class Sample>
TILEWRIGHT_STEP void store_registers(Sample* pixels, Register red, Register green, Register blue) {
  const Register r = shuffle<Sample>(red, kToPlaces<Sample, 0>);
  const Register g = shuffle<Sample>(green, kToPlaces<Sample, 1>);
  const Register b = shuffle<Sample>(blue, kToPlaces<Sample, 2>);
  store_part<Sample, 0>(pixels, r, g, b);
  store_part<Sample, 1>(pixels, r, g, b);
  store_part<Sample, 2>(pixels, r, g, b);
}

}  // namespace
}  // namespace tilewright::avx512

#include "core/rows/simd-inl.h"
#endif
