// Pictures and tensors in a device's memory, as kernels are given them.
#pragma once

#include "core/types.h"

namespace tilewright::cuda {

// Elements from one to the next along each axis.
struct Steps {
  index_t plane;
  index_t row;
  index_t pixel;
};

// One tile of a batch, in any layout.
template <class Element>
struct TensorTile {
  Element* data;
  Steps steps;
};

// A tensor as it is read: its elements are float or Half.
struct AnyTile {
  const void* data;  // null: none
  bool is_half;
  Steps steps;
};

// Interleaved pixels without padding.
template <class Sample>
struct Pixels {
  Sample* data;
  int width;
  int height;
  int channels;
};

}  // namespace tilewright::cuda
