// Orders weights as the kernels read them.
#pragma once

#include <vector>

#include "conv/aligned.h"
#include "core/types.h"

namespace tilewright::conv {

// Weights of a convolution in the order of ONNX: [outputs][inputs][side][side].
struct Weights {
  const float* data;
  index_t outputs;
  index_t inputs;
  index_t side;  // 1 or 3
};

// For each input of the weights, its place among the channels of the padded tensors.
using Places = std::vector<index_t>;

// The transformed weights G g G^T of Winograd's F(4x4, 3x3), computed in double precision:
// [out blocks][36][depth][out_block]. Outputs and inputs that do not exist have weight 0.
AlignedFloats pack_winograd(const Weights& weights, const Places& places, index_t depth, index_t out_block);

// Weights for direct convolutions: [out blocks][depth][out_block]. The depth counts side * side
// values for every place.
AlignedFloats pack_direct(const Weights& weights, const Places& places, index_t depth, index_t out_block);

}  // namespace tilewright::conv
