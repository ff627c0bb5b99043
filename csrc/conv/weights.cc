#include "conv/weights.h"

#include "conv/types.h"

namespace tilewright::conv {
namespace {

// G of Lavin and Gray, section 4.3.
constexpr double kTransform[6][3] = {
    {1.0 / 4, 0, 0},
    {-1.0 / 6, -1.0 / 6, -1.0 / 6},
    {-1.0 / 6, 1.0 / 6, -1.0 / 6},
    {1.0 / 24, 1.0 / 12, 1.0 / 6},
    {1.0 / 24, -1.0 / 12, 1.0 / 6},
    {0, 0, 1},
};

// Element (row, column) of G g G^T.
double transformed(const float* g, index_t row, index_t column) {
  double sum = 0;
  for (index_t i = 0; i < 3; ++i) {
    for (index_t k = 0; k < 3; ++k) {
      sum += kTransform[row][i] * kTransform[column][k] * static_cast<double>(g[i * 3 + k]);
    }
  }
  return sum;
}

// Blocks for all channels of the output, those without weights included.
index_t blocks(index_t outputs, index_t out_block) {
  return round_up(round_up(outputs, kChannelBlock), out_block) / out_block;
}

}  // namespace

AlignedFloats pack_winograd(const Weights& weights, const Places& places, index_t depth, index_t out_block) {
  AlignedFloats packed = zeros(blocks(weights.outputs, out_block) * kPositions * depth * out_block);
  for (index_t o = 0; o < weights.outputs; ++o) {
    for (index_t i = 0; i < weights.inputs; ++i) {
      const float* g = weights.data + (o * weights.inputs + i) * 9;
      const index_t place = places[static_cast<std::size_t>(i)];
      for (index_t p = 0; p < kPositions; ++p) {
        const index_t row = o / out_block * kPositions * depth + p * depth + place;
        packed.data()[row * out_block + o % out_block] = static_cast<float>(transformed(g, p / 6, p % 6));
      }
    }
  }
  return packed;
}

AlignedFloats pack_direct(const Weights& weights, const Places& places, index_t depth, index_t out_block) {
  const index_t area = weights.side * weights.side;
  AlignedFloats packed = zeros(blocks(weights.outputs, out_block) * depth * out_block);
  for (index_t o = 0; o < weights.outputs; ++o) {
    for (index_t i = 0; i < weights.inputs; ++i) {
      for (index_t k = 0; k < area; ++k) {
        const index_t row = o / out_block * depth + places[static_cast<std::size_t>(i)] * area + k;
        packed.data()[row * out_block + o % out_block] = weights.data[(o * weights.inputs + i) * area + k];
      }
    }
  }
  return packed;
}

}  // namespace tilewright::conv
