// Direct convolutions, for layers where Winograd's algorithm does not pay: 1x1, and 3x3 of the few
// planes of a picture. Part of kernels-inl.h.
//
// The inputs of kGroup adjacent pixels are gathered as rows of a matrix and multiplied by the
// weights.
#pragma once

#include "conv/epilogue-inl.h"
#include "conv/multiply-inl.h"

namespace tilewright::conv::TILEWRIGHT_NAMESPACE {
namespace {

TILEWRIGHT_TARGET index_t pixel_scratch(index_t depth) { return kGroup * depth + kGroup * kOutBlock + 16; }

template <Activation kActivation>
TILEWRIGHT_TARGET void multiply_pixels(const ConvTask& task, const float* in, index_t depth, index_t y, index_t x,
                                       index_t count, float* products) {
  const float* weights = task.weights;
  const OutputRow row = output_row(task, y);
  for (index_t channel = 0; channel < task.output.channels; channel += kOutBlock) {
    const index_t lanes = std::min(kOutBlock, task.output.channels - channel);
    multiply<2>(in, weights, depth, products, weights);
    weights += depth * kOutBlock;
    for (index_t i = 0; i < count; ++i) {
      for (index_t v = 0; v < lanes; v += kLanes) {
        finish<kActivation>(task, load(products + i * kOutBlock + v), row, x + i, channel + v);
      }
    }
  }
}

TILEWRIGHT_TARGET void multiply_pixels(const ConvTask& task, const float* in, index_t depth, index_t y, index_t x,
                                       index_t count, float* products) {
  switch (task.epilogue.activation) {
    case Activation::kNone:
      return multiply_pixels<Activation::kNone>(task, in, depth, y, x, count, products);
    case Activation::kPrelu:
      return multiply_pixels<Activation::kPrelu>(task, in, depth, y, x, count, products);
    case Activation::kSilu:
      return multiply_pixels<Activation::kSilu>(task, in, depth, y, x, count, products);
    case Activation::kAttention:
      return multiply_pixels<Activation::kAttention>(task, in, depth, y, x, count, products);
  }
}

TILEWRIGHT_TARGET void pointwise(const ConvTask& task, index_t first, index_t count, float* scratch) {
  const index_t depth = task.input_channels;
  float* products = scratch + kGroup * depth;
  for (index_t y = first; y < first + count; ++y) {
    for (index_t x = 0; x < task.width; x += kGroup) {
      const index_t pixels = std::min<index_t>(kGroup, task.width - x);
      for (index_t i = 0; i < pixels; ++i) {
        float* row = scratch + i * depth;
        for (int s = 0; s < task.input_count; ++s) {
          const Rows& input = task.inputs[s];
          const auto bytes = static_cast<std::size_t>(input.channels) * sizeof(float);
          std::memcpy(row, input.row(y) + input.offset(x + i), bytes);
          row += input.channels;
        }
      }
      multiply_pixels(task, scratch, depth, y, x, pixels, products);
    }
  }
}

// Gathers the 3x3 surroundings of a pixel in the order plane, row, column; zeros outside.
TILEWRIGHT_INLINE void gather_patch(const ImageTask& task, index_t y, index_t x, float* out) {
  const PlaneRows& image = task.image;
  for (index_t p = 0; p < image.planes; ++p) {
    for (index_t i = y - 1; i <= y + 1; ++i) {
      const bool inside = i >= 0 && i < image.height;
      const float* row = inside ? image.row(p, i) : nullptr;
      for (index_t k = x - 1; k <= x + 1; ++k) {
        *out++ = inside && k >= 0 && k < image.width ? (row[k] + task.offset[p]) * task.factor[p] : 0.0F;
      }
    }
  }
}

TILEWRIGHT_TARGET void image(const ImageTask& task, index_t first, index_t count, float* scratch) {
  const index_t depth = task.image.planes * 9;
  float* products = scratch + kGroup * depth;
  for (index_t y = first; y < first + count; ++y) {
    for (index_t x = 0; x < task.image.width; x += kGroup) {
      const index_t pixels = std::min<index_t>(kGroup, task.image.width - x);
      for (index_t i = 0; i < pixels; ++i) gather_patch(task, y, x + i, scratch + i * depth);
      multiply_pixels(task.conv, scratch, depth, y, x, pixels, products);
    }
  }
}

}  // namespace
}  // namespace tilewright::conv::TILEWRIGHT_NAMESPACE
