#include "core/rows/tables.h"

#if TILEWRIGHT_X86_PATHS
#include <immintrin.h>

#include <array>
#include <cstdint>

#include "core/rows/rgb_order.h"

#define TILEWRIGHT_PATH avx2
#define TILEWRIGHT_TARGET __attribute__((target("avx2,fma,f16c")))
#define TILEWRIGHT_STEP static inline __attribute__((always_inline, target("avx2,fma,f16c")))

namespace tilewright::avx2 {
namespace {

using Floats = __m256;
using Register = __m256i;
constexpr int kFloats = 8;
constexpr int kRegisterBytes = 32;

// Bytes are shuffled within halves of a register only.
constexpr int kHalfBytes = 16;
template <class Sample>
constexpr int kHalfPlaces = kHalfBytes / static_cast<int>(sizeof(Sample));
template <class Sample>
constexpr int kLoadPlaces = kHalfPlaces<Sample>;

TILEWRIGHT_STEP Floats splat(float value) { return _mm256_set1_ps(value); }
TILEWRIGHT_STEP Floats multiply_add(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
// b where either is NaN.
TILEWRIGHT_STEP Floats least(Floats a, Floats b) { return _mm256_min_ps(a, b); }
// NaN gives the lowest integer.
TILEWRIGHT_STEP Register round_to_integers(Floats values) { return _mm256_cvtps_epi32(values); }
TILEWRIGHT_STEP bool any_nan(Floats values) {
  return _mm256_movemask_ps(_mm256_cmp_ps(values, values, _CMP_UNORD_Q)) != 0;
}

TILEWRIGHT_STEP __m128i load_half(const void* from) { return _mm_loadu_si128(static_cast<const __m128i*>(from)); }
TILEWRIGHT_STEP Register load_register(const void* from) {
  return _mm256_loadu_si256(static_cast<const Register*>(from));
}
TILEWRIGHT_STEP void store_half(void* to, __m128i half) { _mm_storeu_si128(static_cast<__m128i*>(to), half); }

TILEWRIGHT_STEP Floats load(const float* values) { return _mm256_loadu_ps(values); }
TILEWRIGHT_STEP Floats load(const Half* values) { return _mm256_cvtph_ps(load_half(values)); }
TILEWRIGHT_STEP Floats load(const std::uint8_t* samples) {
  const __m128i eight = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(samples));
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(eight));
}
TILEWRIGHT_STEP Floats load(const std::uint16_t* samples) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(load_half(samples)));
}

// A channel of pixels of four.
template <int kChannel>
TILEWRIGHT_STEP Floats load_of_four(const std::uint8_t* pixels) {
  const Register shifted = _mm256_srli_epi32(load_register(pixels), 8 * kChannel);
  return _mm256_cvtepi32_ps(_mm256_and_si256(shifted, _mm256_set1_epi32(0xFF)));
}
template <int kChannel>
TILEWRIGHT_STEP Floats load_of_four(const std::uint16_t* pixels) {
  const Register low = _mm256_srli_epi64(load_register(pixels), 16 * kChannel);
  const Register high = _mm256_srli_epi64(load_register(pixels + 16), 16 * kChannel);
  // The low half of every 64 bits, of low and high in turns by halves of a register; then in order.
  const Floats mixed = _mm256_shuffle_ps(_mm256_castsi256_ps(low), _mm256_castsi256_ps(high), _MM_SHUFFLE(2, 0, 2, 0));
  const Register ordered = _mm256_permute4x64_epi64(_mm256_castps_si256(mixed), _MM_SHUFFLE(3, 1, 2, 0));
  return _mm256_cvtepi32_ps(_mm256_and_si256(ordered, _mm256_set1_epi32(0xFFFF)));
}

TILEWRIGHT_STEP void store(float* to, Floats values) { _mm256_storeu_ps(to, values); }
TILEWRIGHT_STEP void store(Half* to, Floats values) {
  store_half(to, _mm256_cvtps_ph(values, _MM_FROUND_TO_NEAREST_INT));
}
template <class Sample>
TILEWRIGHT_STEP void store(Sample* to, Register samples) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), samples);
}

using Bytes = std::array<std::uint8_t, kRegisterBytes>;
constexpr std::uint8_t kNone = 0x80;  // as an index of a shuffle: nothing, 0

TILEWRIGHT_STEP Register table(const Bytes& bytes) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(bytes.data()));
}

// All ones where a register's place is of the channel.
template <class Sample, int kPart, int kChannel>
alignas(kRegisterBytes) constexpr Bytes kIsOf = [] {
  Bytes mask{};
  for (int i = 0; i < kRegisterBytes; ++i) {
    const int place = i % kHalfBytes / static_cast<int>(sizeof(Sample));
    mask[static_cast<std::size_t>(i)] = rgb_channel_at(kPart, place, kHalfPlaces<Sample>) == kChannel ? 0xFF : 0;
  }
  return mask;
}();

// For pixel 8 part + i of half a register, that sample of its channel as 32-bit number i.
template <class Sample, int kChannel>
alignas(kRegisterBytes) constexpr std::array<Bytes, kHalfPlaces<Sample> / kFloats> kSpread = [] {
  constexpr int kSize = sizeof(Sample);
  std::array<Bytes, kHalfPlaces<Sample> / kFloats> tables{};
  for (int i = 0; i < static_cast<int>(tables.size()) * kRegisterBytes; ++i) {
    const int place = rgb_place_of(i / 4, kChannel, kHalfPlaces<Sample>);
    tables[static_cast<std::size_t>(i / kRegisterBytes)][static_cast<std::size_t>(i % kRegisterBytes)] =
        i % 4 < kSize ? static_cast<std::uint8_t>(place * kSize + i % 4) : kNone;
  }
  return tables;
}();

// Moves the samples of a channel, in the order of pixels, to their places in RGB: in both halves alike.
template <class Sample, int kChannel>
alignas(kRegisterBytes) constexpr Bytes kToPlaces = [] {
  constexpr int kSize = sizeof(Sample);
  Bytes table{};
  for (int i = 0; i < kRegisterBytes; ++i) {
    const int place = rgb_place_of(i % kHalfBytes / kSize, kChannel, kHalfPlaces<Sample>);
    table[static_cast<std::size_t>(i / kHalfBytes * kHalfBytes + place * kSize + i % kSize)] =
        static_cast<std::uint8_t>(i % kHalfBytes);
  }
  return table;
}();

// Half a register each, in both halves.
struct Rgb {
  Register parts[3];
};

template <class Sample>
TILEWRIGHT_STEP Rgb load_registers(const Sample* pixels) {
  constexpr int kPlaces = kHalfPlaces<Sample>;
  return {{_mm256_broadcastsi128_si256(load_half(pixels)), _mm256_broadcastsi128_si256(load_half(pixels + kPlaces)),
           _mm256_broadcastsi128_si256(load_half(pixels + 2 * kPlaces))}};
}

template <class Sample, int kChannel>
TILEWRIGHT_STEP Register pick_channel(const Rgb& rgb) {
  const Register two = _mm256_blendv_epi8(rgb.parts[0], rgb.parts[1], table(kIsOf<Sample, 1, kChannel>));
  return _mm256_blendv_epi8(two, rgb.parts[2], table(kIsOf<Sample, 2, kChannel>));
}

template <class Sample, int kChannel>
TILEWRIGHT_STEP Floats spread(Register samples, int part) {
  const Bytes& places = kSpread<Sample, kChannel>[static_cast<std::size_t>(part)];
  return _mm256_cvtepi32_ps(_mm256_shuffle_epi8(samples, table(places)));
}

// Packing works on halves: the second step puts what it interleaved in order.
TILEWRIGHT_STEP Register pack(Register a, Register b) {
  return _mm256_permute4x64_epi64(_mm256_packus_epi32(a, b), _MM_SHUFFLE(3, 1, 2, 0));
}
// Four bytes of each in both halves.
TILEWRIGHT_STEP Register pack_halves(Register a, Register b, Register c, Register d) {
  return _mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
}
TILEWRIGHT_STEP Register pack(Register a, Register b, Register c, Register d) {
  return _mm256_permutevar8x32_epi32(pack_halves(a, b, c, d), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

// The first of each, the second of each, and so on.
TILEWRIGHT_STEP Register take_turns_of_four(Register a, Register b, Register c, Register d) {
  const Register order = _mm256_broadcastsi128_si256(_mm_setr_epi32(0x0C080400, 0x0D090501, 0x0E0A0602, 0x0F0B0703));
  return _mm256_shuffle_epi8(pack_halves(a, b, c, d), order);
}
// The first of a, the first of b, the second of a, and so on; then likewise c and d, to which a and b belong.
TILEWRIGHT_STEP Register take_turns_of_two(Register a, Register b, Register c, Register d) {
  const Register order = _mm256_broadcastsi128_si256(_mm_setr_epi32(0x05010400, 0x07030602, 0x0D090C08, 0x0F0B0E0A));
  return _mm256_permute4x64_epi64(_mm256_shuffle_epi8(pack_halves(a, b, c, d), order), _MM_SHUFFLE(3, 1, 2, 0));
}

template <class Sample, int kPart>
TILEWRIGHT_STEP void store_part(Sample* pixels, Register r, Register g, Register b) {
  const Register two = _mm256_blendv_epi8(r, g, table(kIsOf<Sample, kPart, 1>));
  const Register part = _mm256_blendv_epi8(two, b, table(kIsOf<Sample, kPart, 2>));
  store_half(pixels + kPart * kHalfPlaces<Sample>, _mm256_castsi256_si128(part));
  store_half(pixels + (3 + kPart) * kHalfPlaces<Sample>, _mm256_extracti128_si256(part, 1));
}

template <class Sample>
TILEWRIGHT_STEP void store_registers(Sample* pixels, Register red, Register green, Register blue) {
  const Register r = _mm256_shuffle_epi8(red, table(kToPlaces<Sample, 0>));
  const Register g = _mm256_shuffle_epi8(green, table(kToPlaces<Sample, 1>));
  const Register b = _mm256_shuffle_epi8(blue, table(kToPlaces<Sample, 2>));
  store_part<Sample, 0>(pixels, r, g, b);
  store_part<Sample, 1>(pixels, r, g, b);
  store_part<Sample, 2>(pixels, r, g, b);
}

}  // namespace
}  // namespace tilewright::avx2

#include "core/rows/simd-inl.h"
#endif
