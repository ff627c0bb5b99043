// Convolution 3x3 by Winograd's F(4x4, 3x3). Part of kernels-inl.h.
//
// Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015, section 4.3.
// A block of tiles is transformed, multiplied by the transformed weights at each of the 36
// positions, and transformed back, for kOutBlock output channels at a time. A block's transformed
// tiles stay in the second-level cache.
#pragma once

#include "conv/epilogue-inl.h"
#include "conv/multiply-inl.h"

namespace tilewright::conv::TILEWRIGHT_NAMESPACE {
namespace {

// Floats between two positions of a group of transformed tiles. The additional cache line keeps the
// 36 stores of a tile in different sets of the first-level cache.
TILEWRIGHT_INLINE index_t position_stride(index_t channels) { return kGroup * channels + kLine; }

// Floats between two positions of a group of products.
constexpr index_t kProductStride = kGroup * kOutBlock;

// The pixel at which a tile begins.
struct Origin {
  index_t y;
  index_t x;
};

TILEWRIGHT_INLINE Origin tile_origin(const ConvTask& task, index_t tile) {
  const index_t across = (task.width + kTile - 1) / kTile;
  return {tile / across * kTile, tile % across * kTile};
}

// B^T d for 6 values of a row or a column.
TILEWRIGHT_INLINE void transform_input(const Vector d[6], Vector out[6]) {
  const Vector four = splat(4.0F);
  const Vector five = splat(-5.0F);
  const Vector a = fma(-four, d[2], d[4]);
  const Vector b = fma(-four, d[1], d[3]);
  const Vector c = d[4] - d[2];
  const Vector e = (d[3] - d[1]) * 2.0F;
  out[0] = fma(four, d[0], fma(five, d[2], d[4]));
  out[1] = a + b;
  out[2] = a - b;
  out[3] = c + e;
  out[4] = c - e;
  out[5] = fma(four, d[1], fma(five, d[3], d[5]));
}

// A^T m for 6 values of a row or a column.
TILEWRIGHT_INLINE void transform_output(const Vector m[6], Vector out[4]) {
  const Vector sum1 = m[1] + m[2];
  const Vector sum2 = m[3] + m[4];
  const Vector difference1 = m[1] - m[2];
  const Vector difference2 = m[3] - m[4];
  out[0] = m[0] + sum1 + sum2;
  out[1] = fma(splat(2.0F), difference2, difference1);
  out[2] = fma(splat(4.0F), sum2, sum1);
  out[3] = fma(splat(8.0F), difference2, difference1 + m[5]);
}

// Transforms the channels of one input for a tile. `out` is the tile's place at
// the first position of its group.
TILEWRIGHT_INLINE void load_tile(const Rows& input, Origin tile, index_t stride, float* out) {
  const float* rows[6];
  index_t columns[6];
  for (int i = 0; i < 6; ++i) {
    rows[i] = input.row(tile.y + i - 1);
    columns[i] = input.offset(tile.x + i - 1);
  }
  const index_t next = input.offset(tile.x + kTile) - input.offset(tile.x);
  for (index_t c = 0; c < input.channels; c += kLanes) {
    // The columns that the next tile reads in addition: too many streams for the hardware's prefetching.
    if (c % kLine == 0) {
      for (int k = 2; k < 6; ++k) {
        for (const float* row : rows) __builtin_prefetch(row + columns[k] + next + c);
      }
    }
    Vector half[6][6];
    for (int k = 0; k < 6; ++k) {
      Vector d[6];
      Vector t[6];
      for (int i = 0; i < 6; ++i) d[i] = load(rows[i] + columns[k] + c);
      transform_input(d, t);
      for (int i = 0; i < 6; ++i) half[i][k] = t[i];
    }
    for (int i = 0; i < 6; ++i) {
      Vector t[6];
      transform_input(half[i], t);
      for (int k = 0; k < 6; ++k) store(out + (i * 6 + k) * stride + c, t[k]);
    }
  }
}

// Transforms the products of a tile back and stores its results for kLanes channels.
template <Activation kActivation>
TILEWRIGHT_INLINE void store_tile(const ConvTask& task, const float* products, Origin tile, index_t channel) {
  Vector half[kTile][6];
  for (int k = 0; k < 6; ++k) {
    Vector m[6];
    Vector t[kTile];
    for (int i = 0; i < 6; ++i) m[i] = load(products + (i * 6 + k) * kProductStride);
    transform_output(m, t);
    for (int i = 0; i < kTile; ++i) half[i][k] = t[i];
  }
  const index_t rows = std::min(kTile, task.height - tile.y);
  const index_t columns = std::min(kTile, task.width - tile.x);
  for (index_t i = 0; i < rows; ++i) {
    Vector t[kTile];
    transform_output(half[i], t);
    const OutputRow row = output_row(task, tile.y + i);
    for (index_t k = 0; k < columns; ++k) finish<kActivation>(task, t[k], row, tile.x + k, channel);
  }
}

// Fetches the place of a tile's results in a block of channels into the cache, to be written.
TILEWRIGHT_INLINE void prefetch_output(const ConvTask& task, Origin tile, index_t channel) {
  const index_t rows = std::min(kTile, task.height - tile.y);
  for (index_t i = 0; i < rows; ++i) {
    const float* row = task.output.writable_row(tile.y + i) + task.output.offset(tile.x) + channel;
    for (index_t k = 0; k < kTile; ++k) {
      for (index_t v = 0; v < kOutBlock; v += kLine) __builtin_prefetch(row + k * task.output.pixel_stride + v, 1);
    }
  }
}

// Groups of tiles per block, such that the transformed tiles take at most a quarter of a usual
// second-level cache of 512 KiB; at least one.
TILEWRIGHT_INLINE index_t groups_per_block(index_t channels) {
  constexpr index_t kCacheFloats = index_t{32} * 1024;
  return std::max<index_t>(1, kCacheFloats / (kPositions * position_stride(channels)));
}

// Multiplies the transformed tiles of a block by the weights of up to kVectors * kLanes output
// channels and stores the results.
template <Activation kActivation, int kVectors>
TILEWRIGHT_INLINE void multiply_block(const ConvTask& task, const float* tiles, const float* weights, index_t first,
                                      index_t count, index_t channel, float* products) {
  const index_t depth = task.input_channels;
  const index_t stride = position_stride(depth);
  const index_t groups = (count + kGroup - 1) / kGroup;
  for (index_t i = 0; i < count; ++i) prefetch_output(task, tile_origin(task, first + i), channel);
  for (index_t p = 0; p < kPositions; ++p) {
    for (index_t g = 0; g < groups; ++g) {
      const index_t at = g * kPositions + p;
      const float* position = weights + p * depth * kOutBlock;
      multiply<kVectors>(tiles + at * stride, position, depth, products + at * kProductStride,
                         position + depth * kOutBlock);
    }
  }
  for (index_t i = 0; i < count; ++i) {
    const Origin origin = tile_origin(task, first + i);
    const float* tile = products + i / kGroup * kPositions * kProductStride + i % kGroup * kOutBlock;
    for (int v = 0; v < kVectors; ++v) {
      store_tile<kActivation>(task, tile + v * kLanes, origin, channel + v * kLanes);
    }
  }
}

template <Activation kActivation>
TILEWRIGHT_TARGET void winograd_block(const ConvTask& task, index_t first, index_t count, float* tiles) {
  const index_t depth = task.input_channels;
  const index_t stride = position_stride(depth);
  for (index_t i = 0; i < count; ++i) {
    const Origin origin = tile_origin(task, first + i);
    float* out = tiles + i / kGroup * kPositions * stride + i % kGroup * depth;
    for (int s = 0; s < task.input_count; ++s) {
      load_tile(task.inputs[s], origin, stride, out);
      out += task.inputs[s].channels;
    }
  }
  float* products = tiles + groups_per_block(depth) * kPositions * stride;
  const float* weights = task.weights;
  for (index_t channel = 0; channel < task.output.channels; channel += kOutBlock) {
    if (channel + kOutBlock <= task.output.channels) {
      multiply_block<kActivation, 2>(task, tiles, weights, first, count, channel, products);
    } else {
      multiply_block<kActivation, 1>(task, tiles, weights, first, count, channel, products);
    }
    weights += kPositions * depth * kOutBlock;
  }
}

TILEWRIGHT_TARGET void winograd(const ConvTask& task, index_t first, index_t count, float* scratch) {
  const index_t block = groups_per_block(task.input_channels) * kGroup;
  for (index_t i = 0; i < count; i += block) {
    const index_t tiles = std::min(block, count - i);
    switch (task.epilogue.activation) {
      case Activation::kNone:
        winograd_block<Activation::kNone>(task, first + i, tiles, scratch);
        break;
      case Activation::kPrelu:
        winograd_block<Activation::kPrelu>(task, first + i, tiles, scratch);
        break;
      case Activation::kSilu:
        winograd_block<Activation::kSilu>(task, first + i, tiles, scratch);
        break;
      case Activation::kAttention:
        winograd_block<Activation::kAttention>(task, first + i, tiles, scratch);
        break;
    }
  }
}

TILEWRIGHT_TARGET index_t winograd_scratch(const ConvTask& task) {
  const index_t groups = groups_per_block(task.input_channels);
  return groups * kPositions * (position_stride(task.input_channels) + kProductStride);
}

}  // namespace
}  // namespace tilewright::conv::TILEWRIGHT_NAMESPACE
