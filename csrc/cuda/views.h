// Views of images and tensors in device memory, as kernels receive them.
#pragma once

#include "core/types.h"

namespace tilewright::cuda {

// Interleaved pixels without row padding.
template <class Sample>
struct DeviceImageView {
  Sample* data;
  int width;
  int height;
  int channels;
};

// Distances between neighbouring elements along each axis of a batch, in elements.
struct TensorStrides {
  index_t tile;
  index_t plane;
  index_t row;
  index_t pixel;
};

// A batch of tiles in layout NCHW or NHWC, as the strides say.
template <class Element>
struct DeviceTensorView {
  Element* data;
  TensorStrides strides;
};

// A read-only tensor whose element type, float or Half, is known only at run time.
struct AnyDeviceTensorView {
  const void* data;  // nullptr if there is no tensor
  bool is_half;
  TensorStrides strides;
};

}  // namespace tilewright::cuda
