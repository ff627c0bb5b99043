// Weights for the cross-fade between neighbouring tiles.
#pragma once

#include <vector>

#include "core/types.h"

namespace tilewright {

// Returns the weights of the next tile at the centres of `length` output pixels. They rise from 0
// to 1 symmetrically; the previous tile has the weight 1 - w.
std::vector<float> feather_ramp(index_t length);

}  // namespace tilewright
