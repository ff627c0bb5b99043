// Assigns tensors that are not needed at the same time to the same memory.
#pragma once

#include <vector>

#include "core/types.h"

namespace tilewright::conv {

// A tensor and what the step that computes it reads, as numbers of earlier steps.
struct Placed {
  index_t floats;
  std::vector<int> inputs;
  std::vector<int> residuals;  // read at the pixel that is written, so their memory may be the output's
};

// Where each tensor is, and how large the slots are.
struct Placement {
  std::vector<std::size_t> slots;  // per step
  std::vector<index_t> floats;     // per slot
};

// Steps run one after another, each over the whole picture. The last step's tensor is kept.
Placement share_memory(const std::vector<Placed>& steps);

// Every tensor has memory of its own.
Placement separate_memory(const std::vector<Placed>& steps);

}  // namespace tilewright::conv
