// Rows of samples as PNG stores them: big-endian bytes, each row filtered (PNG specification, third edition, clause 9).
#pragma once

#include <cstdint>

#include "core/isa.h"
#include "core/types.h"

namespace tilewright {

// Samples of the widest pixel, and their bytes.
inline constexpr index_t kPngMaxChannels = 4;
inline constexpr index_t kPngMaxPixelBytes = kPngMaxChannels * 2;

// Rows from top to bottom: interleaved samples, and optionally one more sample for each pixel from a plane of its own.
template <class Sample>
struct PngRows {
  ImageView<const Sample> pixels;
  ImageView<const Sample> alpha;  // data is nullptr where there is none

  index_t channels() const { return pixels.channels + (alpha.data != nullptr ? 1 : 0); }
  index_t row_bytes() const { return pixels.width * channels() * static_cast<index_t>(sizeof(Sample)); }
};

// Writes each row as one byte that names its filter and row_bytes() filtered bytes.
//
// The filter is the one whose bytes, taken as signed, have the smallest sum of absolute values (clause 12.7 suggests
// it); of equal ones the first.
//
// `above`: the row_bytes() bytes of the row above the first, all 0 at the top of a picture; replaced by those of the
// last row. Preconditions: alpha has one channel and the size of pixels; 1 <= channels() <= kPngMaxChannels;
// filtered has room for height x (1 + row_bytes()) bytes.
template <class Sample>
void png_filter(const PngRows<Sample>& rows, Isa isa, std::uint8_t* above, std::uint8_t* filtered);

}  // namespace tilewright
