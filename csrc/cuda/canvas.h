// The core's Canvas, on a device.
#pragma once

#include <utility>

#include "core/canvas_layout.h"
#include "cuda/blend.h"
#include "cuda/buffer.h"

namespace tilewright::cuda {

// Blends tiles, in the plan's order, into bands of samples; see the core's Canvas. Blends are put on one stream, or on
// streams that wait for each other.
class Canvas {
 public:
  // Throws OutOfMemory, and std::invalid_argument when the output is longer than a kernel can count.
  Canvas(CanvasLayout layout, int device);

  const CanvasLayout& layout() const { return layout_; }
  int device() const { return memory_.device(); }
  index_t nbytes() const { return memory_.nbytes(); }

  // As the core's blend, of `target` without padding. The count of values that are not finite is written to
  // `not_finite`, in the device's memory, whatever was there.
  template <class Element, class Sample>
  void blend(index_t index, const TensorTile<const Element>& result, const AnyTile& base, Sample* target,
             index_t target_channels, index_t first_channel, index_t channels, unsigned long long* not_finite,
             const Stream& stream);

 private:
  struct Strip {
    float* kept;
    float* faded;
  };

  CanvasLayout layout_;
  DeviceBuffer memory_;  // the ramp, then the strips
  Strip columns_;
  Strip rows_;
};

}  // namespace tilewright::cuda
