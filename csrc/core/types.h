// The vocabulary of the core. The same words are used in Python and in docs/glossary.md.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tilewright {

// Lengths and positions, in pixels. Signed, so that differences are safe.
using index_t = std::int64_t;

// IEEE 754 binary16, by its bits: arithmetic is always done in float.
struct Half {
  std::uint16_t bits;
};

// Interleaved pixels: samples of one pixel are adjacent, rows may be padded.
template <class Sample>
struct ImageView {
  Sample* data;
  index_t width;
  index_t height;
  index_t channels;
  index_t row_stride;  // in samples, including any padding

  Sample* row(index_t y) const { return data + y * row_stride; }
};

// One plane per channel, densely packed: what a network eats and returns.
template <class Element>
struct PlanarView {
  Element* data;
  index_t width;
  index_t height;
  index_t planes;

  Element* row(index_t plane, index_t y) const { return data + (plane * height + y) * width; }
};

// The values a network uses for black and white.
struct ValueRange {
  float black = 0.0F;
  float white = 1.0F;
};

}  // namespace tilewright
