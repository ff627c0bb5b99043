// Copies tiles of a picture into a network's input.
#pragma once

#include <vector>

#include "core/isa.h"
#include "core/tile_plan.h"
#include "core/types.h"

namespace tilewright {

// The network's input format.
struct GatherFormat {
  std::vector<index_t> channels;  // source channel of each plane, 0 <= channel < picture.channels
  ValueRange range;
};

// Fills `batch` with tile `index` of the picture. Positions beyond the picture are mirrored.
// Sample: std::uint8_t or std::uint16_t.
//
// Preconditions: the picture has the plan's size; 0 <= index < plan.size(); batch has
// format.channels.size() planes of the plan's tile size.
template <class Sample>
void gather(ImageView<const Sample> picture, const TilePlan& plan, index_t index, const GatherFormat& format, Isa isa,
            PlanarView<float> batch);

}  // namespace tilewright
