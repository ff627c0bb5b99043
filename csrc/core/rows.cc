#include "core/rows.h"

#include <cstdint>

#include "core/pixel_math.h"

// Each body is written once and compiled for every instruction set by inlining it into a function that carries the
// target attribute. Flags per file would do the same and let the linker keep an AVX-512 copy of a shared inline
// function.
#if defined(__GNUC__)
#define TILEWRIGHT_BODY static inline __attribute__((always_inline))
#else
#define TILEWRIGHT_BODY static inline
#endif

namespace tilewright {
namespace {

namespace body {

// A compile-time stride lets the compiler turn interleaved access into shuffles.
template <int kStride, class Sample, class Element>
TILEWRIGHT_BODY void load_three(const Sample* __restrict pixels, index_t width, ValueRange range,
                                Element* const planes[3]) {
  Element* __restrict a = planes[0];
  Element* __restrict b = planes[1];
  Element* __restrict c = planes[2];
  const float black = range.black;
  const float span = range.white - range.black;
  for (index_t i = 0; i < width; ++i) {
    a[i] = to_element<Element>(to_network(pixels[kStride * i], black, span));
    b[i] = to_element<Element>(to_network(pixels[kStride * i + 1], black, span));
    c[i] = to_element<Element>(to_network(pixels[kStride * i + 2], black, span));
  }
}

template <class Sample, class Element>
TILEWRIGHT_BODY void load_one(const Sample* __restrict pixels, index_t stride, index_t width, ValueRange range,
                              Element* __restrict plane) {
  const float black = range.black;
  const float span = range.white - range.black;
  if (stride == 1) {
    for (index_t i = 0; i < width; ++i) plane[i] = to_element<Element>(to_network(pixels[i], black, span));
  } else {
    for (index_t i = 0; i < width; ++i) plane[i] = to_element<Element>(to_network(pixels[stride * i], black, span));
  }
}

template <int kStride, class Sample>
TILEWRIGHT_BODY void store_three(const float* const planes[3], index_t width, float black, float gain,
                                 Sample* __restrict pixels) {
  const float* __restrict a = planes[0];
  const float* __restrict b = planes[1];
  const float* __restrict c = planes[2];
  for (index_t i = 0; i < width; ++i) {
    pixels[kStride * i] = to_sample<Sample>(a[i], black, gain);
    pixels[kStride * i + 1] = to_sample<Sample>(b[i], black, gain);
    pixels[kStride * i + 2] = to_sample<Sample>(c[i], black, gain);
  }
}

template <class Sample>
TILEWRIGHT_BODY void store_one(const float* __restrict plane, index_t width, float black, float gain,
                               Sample* __restrict pixels, index_t stride) {
  if (stride == 1) {
    for (index_t i = 0; i < width; ++i) pixels[i] = to_sample<Sample>(plane[i], black, gain);
  } else {
    for (index_t i = 0; i < width; ++i) pixels[stride * i] = to_sample<Sample>(plane[i], black, gain);
  }
}

template <class Sample>
TILEWRIGHT_BODY float gain_of(ValueRange range) {
  return kWhite<Sample> / (range.white - range.black);
}

TILEWRIGHT_BODY void fade_columns(const float* __restrict from, const float* __restrict weights, index_t width,
                                  float* __restrict to) {
  for (index_t i = 0; i < width; ++i) to[i] = cross_fade(from[i], to[i], weights[i]);
}

TILEWRIGHT_BODY void fade_row(const float* __restrict from, float weight, index_t width, float* __restrict to) {
  for (index_t i = 0; i < width; ++i) to[i] = cross_fade(from[i], to[i], weight);
}

TILEWRIGHT_BODY void mean_of_three(const float* const planes[3], index_t width, float* __restrict mean) {
  const float* __restrict a = planes[0];
  const float* __restrict b = planes[1];
  const float* __restrict c = planes[2];
  for (index_t i = 0; i < width; ++i) mean[i] = ((a[i] + b[i]) + c[i]) / 3.0F;
}

TILEWRIGHT_BODY void from_half(const Half* __restrict row, index_t width, float* __restrict out) {
  for (index_t i = 0; i < width; ++i) out[i] = to_float(row[i]);
}

TILEWRIGHT_BODY index_t count_not_finite(const float* __restrict row, index_t width) {
  // Blocks keep the inner counter narrow, so that it is as wide as a float and vectorises with it.
  constexpr index_t kBlock = index_t{1} << 20;
  index_t total = 0;
  for (index_t start = 0; start < width; start += kBlock) {
    const index_t stop = start + kBlock < width ? start + kBlock : width;
    std::int32_t count = 0;
    for (index_t i = start; i < stop; ++i) count += is_finite(row[i]) ? 0 : 1;
    total += count;
  }
  return total;
}

}  // namespace body

#define TILEWRIGHT_ROWS(PATH, ATTRIBUTE)                                                                             \
  namespace PATH {                                                                                                   \
  template <class Sample, class Element>                                                                             \
  ATTRIBUTE void load_three(const Sample* pixels, index_t stride, index_t width, ValueRange range,                   \
                            Element* const planes[3]) {                                                              \
    if (stride == 3) {                                                                                               \
      body::load_three<3>(pixels, width, range, planes);                                                             \
    } else {                                                                                                         \
      body::load_three<4>(pixels, width, range, planes);                                                             \
    }                                                                                                                \
  }                                                                                                                  \
  template <class Sample, class Element>                                                                             \
  ATTRIBUTE void load_one(const Sample* pixels, index_t stride, index_t width, ValueRange range, Element* plane) {   \
    body::load_one(pixels, stride, width, range, plane);                                                             \
  }                                                                                                                  \
  template <class Sample>                                                                                            \
  ATTRIBUTE void store_three(const float* const planes[3], index_t width, ValueRange range, Sample* pixels,          \
                             index_t stride) {                                                                       \
    if (stride == 3) {                                                                                               \
      body::store_three<3>(planes, width, range.black, body::gain_of<Sample>(range), pixels);                        \
    } else {                                                                                                         \
      body::store_three<4>(planes, width, range.black, body::gain_of<Sample>(range), pixels);                        \
    }                                                                                                                \
  }                                                                                                                  \
  template <class Sample>                                                                                            \
  ATTRIBUTE void store_one(const float* plane, index_t width, ValueRange range, Sample* pixels, index_t stride) {    \
    body::store_one(plane, width, range.black, body::gain_of<Sample>(range), pixels, stride);                        \
  }                                                                                                                  \
  ATTRIBUTE void fade_columns(const float* from, const float* weights, index_t width, float* to) {                   \
    body::fade_columns(from, weights, width, to);                                                                    \
  }                                                                                                                  \
  ATTRIBUTE void fade_row(const float* from, float weight, index_t width, float* to) {                               \
    body::fade_row(from, weight, width, to);                                                                         \
  }                                                                                                                  \
  ATTRIBUTE void mean_of_three(const float* const planes[3], index_t width, float* mean) {                           \
    body::mean_of_three(planes, width, mean);                                                                        \
  }                                                                                                                  \
  ATTRIBUTE void from_half(const Half* row, index_t width, float* out) { body::from_half(row, width, out); }         \
  ATTRIBUTE index_t count_not_finite(const float* row, index_t width) { return body::count_not_finite(row, width); } \
  template <class Sample, class Element>                                                                             \
  constexpr LoadKernels<Sample, Element> kLoad{load_three<Sample, Element>, load_one<Sample, Element>};              \
  template <class Sample>                                                                                            \
  constexpr StoreKernels<Sample> kStore{store_three<Sample>, store_one<Sample>};                                     \
  constexpr FloatKernels kFloat{fade_columns, fade_row, mean_of_three, from_half, count_not_finite};                 \
  }

#if defined(__GNUC__) && !defined(__clang__)
// The reference stays what it says: one sample after the other.
#define TILEWRIGHT_SCALAR __attribute__((optimize("no-tree-vectorize")))
#else
#define TILEWRIGHT_SCALAR
#endif

TILEWRIGHT_ROWS(scalar, TILEWRIGHT_SCALAR)
#if TILEWRIGHT_X86_ROWS
TILEWRIGHT_ROWS(avx2, __attribute__((target("avx2"))))
TILEWRIGHT_ROWS(avx512,
                __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,prefer-vector-width=512"))))
#endif

}  // namespace

bool has_row_kernels(Isa isa) { return isa == Isa::kScalar || TILEWRIGHT_X86_ROWS != 0; }

#if TILEWRIGHT_X86_ROWS
#define TILEWRIGHT_SELECT(...)    \
  switch (isa) {                  \
    case Isa::kAvx2:              \
      return avx2::__VA_ARGS__;   \
    case Isa::kAvx512:            \
      return avx512::__VA_ARGS__; \
    case Isa::kScalar:            \
      break;                      \
  }                               \
  return scalar::__VA_ARGS__
#else
#define TILEWRIGHT_SELECT(...) \
  (void)isa;                   \
  return scalar::__VA_ARGS__
#endif

template <class Sample, class Element>
const LoadKernels<Sample, Element>& load_kernels(Isa isa) {
  TILEWRIGHT_SELECT(kLoad<Sample, Element>);
}

template <class Sample>
const StoreKernels<Sample>& store_kernels(Isa isa) {
  TILEWRIGHT_SELECT(kStore<Sample>);
}

const FloatKernels& float_kernels(Isa isa) { TILEWRIGHT_SELECT(kFloat); }

template const LoadKernels<std::uint8_t, float>& load_kernels(Isa);
template const LoadKernels<std::uint8_t, Half>& load_kernels(Isa);
template const LoadKernels<std::uint16_t, float>& load_kernels(Isa);
template const LoadKernels<std::uint16_t, Half>& load_kernels(Isa);
template const StoreKernels<std::uint8_t>& store_kernels(Isa);
template const StoreKernels<std::uint16_t>& store_kernels(Isa);

}  // namespace tilewright
