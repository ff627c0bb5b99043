// Tiles of a picture, as the batch a network eats.
#pragma once

#include <vector>

#include "core/isa.h"
#include "core/pixel_math.h"
#include "core/tile_plan.h"
#include "core/types.h"

namespace tilewright {

// Which sample of a pixel feeds each plane of the network, and the values the network expects.
struct GatherFormat {
  std::vector<index_t> channels;  // one per plane, each 0 <= channel < picture.channels
  ValueRange range;
  Border border = Border::kMirror;
};

// Fills `batch` (planes of tile_width x tile_height: plan sizes, planes = format.channels.size()) with one tile.
// Preconditions: picture has the plan's size; 0 <= index < plan.size(). Sample: u8 or u16. Element: float or Half.
template <class Sample, class Element>
void gather(ImageView<const Sample> picture, const TilePlan& plan, index_t index, const GatherFormat& format, Isa isa,
            PlanarView<Element> batch);

}  // namespace tilewright
