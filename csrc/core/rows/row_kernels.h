// Kernels over one row of pixels. With the PNG filters they are the only code compiled once per
// instruction set.
//
// Each instruction set has a namespace and a source file in this folder. All give the same bytes.
#pragma once

#include <cstdint>
#include <type_traits>

#include "core/isa.h"
#include "core/isa_targets.h"
#include "core/types.h"

namespace tilewright {

// Converts interleaved samples to network planes. `stride`: samples per pixel.
template <class Sample>
struct LoadKernels {
  // Reads the first three samples of every pixel into three planes. `stride` is 3 or 4.
  void (*rgb)(const Sample* pixels, index_t stride, index_t width, ValueRange range, float* const planes[3]);
  // Reads one sample of every pixel into one plane. `pixels` points to the first pixel's sample.
  void (*channel)(const Sample* pixels, index_t stride, index_t width, ValueRange range, float* plane);
};

// Converts network planes to interleaved samples. `stride`: samples per pixel. All kernels return
// the number of non-finite values.
template <class Element, class Sample>
struct StoreKernels {
  // Writes three planes to the first three samples of every pixel. `stride` is 3 or 4.
  index_t (*rgb)(const Element* const planes[3], index_t width, ValueRange range, Sample* pixels, index_t stride);
  // Writes one plane, or the mean of three, to one sample of every pixel. `pixels` points to the
  // first pixel's sample.
  index_t (*channel)(const Element* plane, index_t width, ValueRange range, Sample* pixels, index_t stride);
  index_t (*mean)(const Element* const planes[3], index_t width, ValueRange range, Sample* pixels, index_t stride);
  // Applies a pixel shuffle and then does the same as `rgb`. `parts` holds `shuffle` rows of
  // `width` values for each of the three planes; they are interleaved as in FloatKernels. `bases`
  // holds a row to add to each plane, or nullptr.
  index_t (*shuffled)(const Element* const* parts, index_t shuffle, const float* const bases[3], index_t width,
                      ValueRange range, Sample* pixels, index_t stride);
};

// Kernels over rows of floats, which are cross-faded before they are stored.
struct FloatKernels {
  // out[i] = row[i]. Both return the number of non-finite values.
  index_t (*from_float)(const float* row, index_t width, float* out);
  index_t (*from_half)(const Half* row, index_t width, float* out);
  // to[i] = cross_fade(from[i], to[i], weights[i]). fade_row() uses the same weight for the whole
  // row.
  void (*fade_columns)(const float* from, const float* weights, index_t width, float* to);
  void (*fade_row)(const float* from, float weight, index_t width, float* to);
  // Pixel shuffle: out[shuffle * i + k] = parts[k][i] + base[i] for all k < shuffle. Nothing is
  // added if base is nullptr.
  void (*shuffle_floats)(const float* const* parts, index_t shuffle, const float* base, index_t width, float* out);
  void (*shuffle_halves)(const Half* const* parts, index_t shuffle, const float* base, index_t width, float* out);
};

// All kernels of one instruction set.
struct RowKernels {
  LoadKernels<std::uint8_t> load_u8;
  LoadKernels<std::uint16_t> load_u16;
  StoreKernels<float, std::uint8_t> store_float_u8;
  StoreKernels<float, std::uint16_t> store_float_u16;
  StoreKernels<Half, std::uint8_t> store_half_u8;
  StoreKernels<Half, std::uint16_t> store_half_u16;
  FloatKernels floats;

  template <class Sample>
  const LoadKernels<Sample>& load() const {
    if constexpr (sizeof(Sample) == 1) {
      return load_u8;
    } else {
      return load_u16;
    }
  }

  template <class Element, class Sample>
  const StoreKernels<Element, Sample>& store() const {
    if constexpr (std::is_same_v<Element, float>) {
      if constexpr (sizeof(Sample) == 1) {
        return store_float_u8;
      } else {
        return store_float_u16;
      }
    } else {
      if constexpr (sizeof(Sample) == 1) {
        return store_half_u8;
      } else {
        return store_half_u16;
      }
    }
  }
};

namespace scalar {
extern const RowKernels kRowKernels;
}  // namespace scalar

#if TILEWRIGHT_HAS_X86_KERNELS
namespace avx2 {
extern const RowKernels kRowKernels;
}  // namespace avx2

namespace avx512 {
extern const RowKernels kRowKernels;
}  // namespace avx512
#endif

// Returns the kernels of an instruction set. Precondition: it is in available_isas().
const RowKernels& row_kernels(Isa isa);

}  // namespace tilewright
