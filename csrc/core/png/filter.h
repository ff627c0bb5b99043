// Filters rows of samples for a PNG file (PNG specification, third edition, clause 9).
#pragma once

#include <cstdint>

#include "core/isa.h"
#include "core/types.h"

namespace tilewright {

// Maximum number of samples and of bytes per pixel.
inline constexpr index_t kPngMaxChannels = 4;
inline constexpr index_t kPngMaxPixelBytes = kPngMaxChannels * 2;

// Rows from top to bottom: interleaved samples and, optionally, a separate alpha plane that becomes
// the last channel.
template <class Sample>
struct PngRows {
  ImageView<const Sample> pixels;
  ImageView<const Sample> alpha;  // data is nullptr if there is no separate alpha plane

  index_t channels() const { return pixels.channels + (alpha.data != nullptr ? 1 : 0); }
  index_t row_bytes() const { return pixels.width * channels() * static_cast<index_t>(sizeof(Sample)); }
};

// Writes each row as one byte for its filter type and row_bytes() filtered big-endian bytes.
//
// The filter of a row is the one with the smallest sum of absolute values of its bytes as signed
// numbers, as clause 12.7 suggests; on a tie, the one with the lowest number.
//
// `above`: the row_bytes() unfiltered bytes of the row above the first, all 0 at the top of a
// picture. They are replaced with those of the last row. Preconditions: alpha has one channel and
// the size of pixels; 1 <= channels() <= kPngMaxChannels; `filtered` has room for height x (1 +
// row_bytes()) bytes.
template <class Sample>
void png_filter(const PngRows<Sample>& rows, Isa isa, std::uint8_t* above, std::uint8_t* filtered);

}  // namespace tilewright
