// Blends a network's results into finished rows on a device.
#pragma once

#include <utility>

#include "core/canvas_layout.h"
#include "cuda/blend.h"
#include "cuda/buffer.h"

namespace tilewright::cuda {

// Does the same as the core's Canvas, with the same bytes. All blends must be on one stream, or on
// streams that wait for each other.
class Canvas {
 public:
  // Throws OutOfMemory, or std::invalid_argument if the output is too large for the kernel's 32-bit
  // positions.
  Canvas(CanvasLayout layout, int device);

  const CanvasLayout& layout() const { return layout_; }
  int device() const { return memory_.device(); }
  index_t nbytes() const { return memory_.nbytes(); }

  // Enqueues a blend with the arguments of the core's Canvas::blend(). The number of non-finite
  // values is written to `nonfinite`, which is in device memory.
  template <class Element, class Sample>
  void blend(index_t index, const DeviceTensorView<const Element>& result, const AnyDeviceTensorView& base,
             const DeviceImageView<Sample>& target, index_t first_channel, index_t channels,
             unsigned long long* nonfinite, const Stream& stream);

 private:
  struct Strip {
    float* outgoing;
    float* incoming;
  };

  CanvasLayout layout_;
  DeviceBuffer memory_;  // the ramp, followed by the strips
  Strip columns_;
  Strip rows_;
};

}  // namespace tilewright::cuda
