// Basic types of the core. Python and docs/glossary.md use the same words.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tilewright {

// A length or position in pixels. Signed, so that differences cannot wrap around.
using index_t = std::int64_t;

// The bits of an IEEE 754 binary16 number. All arithmetic is done in float.
struct Half {
  std::uint16_t bits;
};

// Interleaved pixels in host memory. The samples of a pixel are adjacent; rows may be padded.
template <class Sample>
struct ImageView {
  Sample* data;
  index_t width;
  index_t height;
  index_t channels;
  index_t row_stride;  // in samples, including padding

  Sample* row(index_t y) const { return data + y * row_stride; }
};

// One densely packed plane per channel in host memory: the layout of a network's input and output.
template <class Element>
struct PlanarView {
  Element* data;
  index_t width;
  index_t height;
  index_t planes;

  Element* row(index_t plane, index_t y) const { return data + (plane * height + y) * width; }
};

// The values that a network uses for black and white.
struct ValueRange {
  float black = 0.0F;
  float white = 1.0F;
};

}  // namespace tilewright
