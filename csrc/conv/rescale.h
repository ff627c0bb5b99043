// A reduction of the network's result, such as from 4 times the size of its input to 2 times.
#pragma once

#include <algorithm>
#include <vector>

#include "conv/types.h"

namespace tilewright::conv {

// A separable filter. Along each axis, result `to * m + i` is the sum over t of
// weights[i][t] * source[from * m + first + t], where m counts pixels of the network's input. Beyond
// the border, the source's edge pixels are repeated.
struct Rescale {
  index_t from = 1;  // scale of the source, relative to the network's input
  index_t to = 1;    // scale of the result
  index_t first = 0;
  index_t taps = 0;
  std::vector<float> weights;  // [to][taps]
  bool shuffles = false;       // a pixel of the last step holds from * from pixels of the source for each plane
  bool adds_image = false;     // the network's input, enlarged by repeating pixels, is added to the source

  // The kernels have room for so many pixels beyond the border.
  static constexpr index_t kMaxReach = 16;

  // Pixels of the network's input that a result reads beyond its own one, on either side.
  index_t reach() const {
    const index_t before = (from - 1 - first) / from;
    const index_t after = (first + taps - 1) / from;
    return std::max<index_t>({before, after, 0});
  }
};

// One band of the result. The source is the last step's output, or the pixels that it holds.
struct RescaleTask {
  const Rescale* filter = nullptr;
  index_t height = 0;  // of the network's input
  index_t width = 0;
  index_t planes = 0;
  Rows source;
  PlaneRows image;
  PlaneBand<float> out;
  index_t band = 1;  // rows of the result in `out`
};

}  // namespace tilewright::conv
