// Data types of the convolution engine. They do not depend on the instruction set.
#pragma once

#include "core/types.h"

namespace tilewright::conv {

// Winograd's F(4x4, 3x3) gives squares of results of this side. It reads kTile + 2 rows and columns.
constexpr index_t kTile = 4;
constexpr index_t kPositions = (kTile + 2) * (kTile + 2);

// Zeros on the left and right of every row, in pixels: what the kernels read beyond its ends.
constexpr index_t kBorderBefore = 1;
constexpr index_t kBorderAfter = kTile;

// Channels of tensors are a multiple of this, so that every instruction set works on whole vectors.
constexpr index_t kChannelBlock = 16;

// The least multiple of `unit` that is at least `value`.
constexpr index_t round_up(index_t value, index_t unit) { return (value + unit - 1) / unit * unit; }

// The rows of an activation tensor in NHWC order that are in memory: a ring, in which a new row
// replaces the oldest one.
struct Rows {
  float* data = nullptr;         // pixel 0 of the row at place 0
  const float* zeros = nullptr;  // pixel 0 of a row of zeros, which stands for rows outside the picture
  index_t height = 0;            // of the whole picture
  index_t capacity = 1;          // rows in memory
  index_t row_stride = 0;        // in floats
  index_t pixel_stride = 0;      // in floats
  index_t channels = 0;          // that are used, from the first one
  int enlarge = 0;               // 1: every pixel counts as a square of 2 x 2 (nearest-neighbour enlargement)

  const float* row(index_t y) const {
    y >>= enlarge;
    return y < 0 || y >= height ? zeros : data + y % capacity * row_stride;
  }
  float* writable_row(index_t y) const { return data + y % capacity * row_stride; }
  index_t offset(index_t x) const { return (x >> enlarge) * pixel_stride; }
};

// The same for a picture in planes.
struct PlaneRows {
  float* data = nullptr;
  index_t height = 0;
  index_t width = 0;
  index_t planes = 0;
  index_t capacity = 1;

  const float* row(index_t plane, index_t y) const { return writable_row(plane, y); }
  float* writable_row(index_t plane, index_t y) const { return data + (y % capacity * planes + plane) * width; }
};

// Rows of a picture in planes, in memory of the caller.
template <class Element>
struct PlaneBand {
  Element* data = nullptr;   // the first row of the first plane
  index_t plane_stride = 0;  // in elements

  Element* plane(index_t number) const { return data + number * plane_stride; }
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
    Rows rows;
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
  Rows inputs[kMaxInputs];  // together they form the input
  int input_count = 0;
  index_t input_channels = 0;      // the sum of their channels
  const float* weights = nullptr;  // as the functions in weights.h order them
  Rows output;
  Epilogue epilogue;
};

// A direct convolution 3x3 of the network's input.
struct ImageTask {
  PlaneRows image;
  const float* offset;  // per plane: the convolution's input is (image + offset) * factor
  const float* factor;
  ConvTask conv;  // without inputs
};

}  // namespace tilewright::conv
