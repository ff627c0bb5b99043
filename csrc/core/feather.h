// The cross-fade between neighbouring tiles.
#pragma once

#include <vector>

#include "core/types.h"

namespace tilewright {

// Weights of the tile that takes over, at the centres of `length` output pixels: rising from 0 to 1, symmetrical, so
// that with the other tile's 1 - weight they sum to 1.
std::vector<float> feather_ramp(index_t length);

}  // namespace tilewright
