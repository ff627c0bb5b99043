// Data types of the convolution engine. They do not depend on the instruction set.
#pragma once

#include "core/types.h"

namespace tilewright::conv {

// Winograd's F(4x4, 3x3) gives squares of results of this side. It reads kTile + 2 rows and columns.
constexpr index_t kTile = 4;
constexpr index_t kPositions = (kTile + 2) * (kTile + 2);

// Zeros around a tensor, in pixels: what the kernels read beyond its edges. Kernels need no bounds
// checks therefore.
constexpr index_t kBorderBefore = 1;
constexpr index_t kBorderAfter = kTile;

// Channels of tensors are a multiple of this, so that every instruction set works on whole vectors.
constexpr index_t kChannelBlock = 16;

// Adjacent channels of an activation tensor in NHWC order, with a border of zeros.
struct Channels {
  float* data = nullptr;      // the first of these channels at pixel (0, 0)
  index_t pixel_stride = 0;   // in floats
  index_t row_stride = 0;     // in floats
  index_t count = 0;
  int enlarge = 0;  // 1: every pixel counts as a square of 2 x 2 (nearest-neighbour enlargement)

  const float* at(index_t y, index_t x) const {
    return data + (y >> enlarge) * row_stride + (x >> enlarge) * pixel_stride;
  }
};

enum class Activation {
  kNone,
  kPrelu,      // x > 0 ? x : slope * x, with one slope per channel
  kSilu,       // x * sigmoid(x)
  kAttention,  // (x + first residual) * (sigmoid(x) - 0.5), as in SPAN
};

// What happens to a result before it is stored: bias, activation, then for each residual
// result * scale + residual, in order.
struct Epilogue {
  struct Residual {
    Channels channels;
    float scale = 1.0F;
  };
  static constexpr int kMaxResiduals = 2;

  const float* bias = nullptr;   // one per output channel
  const float* slope = nullptr;  // one per output channel, for kPrelu
  Activation activation = Activation::kNone;
  int residual_count = 0;
  Residual residuals[kMaxResiduals];
};

// A convolution of one picture, with stride 1 and zero padding that preserves its size.
struct ConvTask {
  static constexpr int kMaxInputs = 6;

  index_t height = 0;  // of the output
  index_t width = 0;
  Channels inputs[kMaxInputs];  // together they form the input
  int input_count = 0;
  index_t input_channels = 0;  // the sum of their counts
  const float* weights = nullptr;  // as the kernel's pack function orders them
  Channels output;
  Epilogue epilogue;
};

// A convolution 3x3 of a picture in planes, such as the first layer of a network.
struct ImageTask {
  PlanarView<const float> image;
  const float* offset;  // per plane: the convolution's input is (image + offset) * factor
  const float* factor;
  ConvTask conv;  // without inputs
};

}  // namespace tilewright::conv
