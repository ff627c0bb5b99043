#include "core/gather.h"

#include <algorithm>
#include <cstdint>

#include "core/rows/row_kernels.h"

namespace tilewright {
namespace {

// The planes that samples 0, 1 and 2 feed, when each feeds exactly one: colour in any order.
bool colour_planes(const std::vector<index_t>& channels, index_t (&plane_of)[3]) {
  if (channels.size() != 3) return false;
  std::fill(std::begin(plane_of), std::end(plane_of), index_t{-1});
  for (index_t plane = 0; plane < 3; ++plane) {
    const index_t channel = channels[static_cast<std::size_t>(plane)];
    if (channel > 2 || plane_of[channel] >= 0) return false;
    plane_of[channel] = plane;
  }
  return true;
}

template <class Sample, class Element>
void load_row(const Sample* pixels, index_t stride, index_t width, const GatherFormat& format, index_t y, Isa isa,
              PlanarView<Element> batch) {
  const auto& kernels = load_kernels<Sample, Element>(isa);
  index_t plane_of[3];
  if (stride >= 3 && stride <= 4 && colour_planes(format.channels, plane_of)) {
    Element* const planes[3] = {batch.row(plane_of[0], y), batch.row(plane_of[1], y), batch.row(plane_of[2], y)};
    kernels.three(pixels, stride, width, format.range, planes);
    return;
  }
  for (index_t plane = 0; plane < batch.planes; ++plane) {
    const index_t channel = format.channels[static_cast<std::size_t>(plane)];
    if (plane > 0 && channel == format.channels[static_cast<std::size_t>(plane - 1)]) {
      std::copy_n(batch.row(plane - 1, y), width, batch.row(plane, y));
    } else {
      kernels.one(pixels + channel, stride, width, format.range, batch.row(plane, y));
    }
  }
}

}  // namespace

template <class Sample, class Element>
void gather(ImageView<const Sample> picture, const TilePlan& plan, index_t index, const GatherFormat& format, Isa isa,
            PlanarView<Element> batch) {
  const Tile tile = plan.tile(index);
  const index_t inside_width = std::min(batch.width, picture.width - tile.x.origin);
  const index_t inside_height = std::min(batch.height, picture.height - tile.y.origin);

  for (index_t y = 0; y < inside_height; ++y) {
    const Sample* pixels = picture.row(tile.y.origin + y) + tile.x.origin * picture.channels;
    load_row(pixels, picture.channels, inside_width, format, y, isa, batch);
  }
  for (index_t plane = 0; plane < batch.planes; ++plane) {
    // Pixels beyond the picture are copies of pixels of this same tile: a plan only reaches out where the tile holds
    // the whole rest of the picture, and mirrors no further than the picture is long unless the tile begins at 0.
    for (index_t x = inside_width; x < batch.width; ++x) {
      const index_t from = made_up(tile.x.origin + x, picture.width, format.border) - tile.x.origin;
      for (index_t y = 0; y < inside_height; ++y) batch.row(plane, y)[x] = batch.row(plane, y)[from];
    }
    for (index_t y = inside_height; y < batch.height; ++y) {
      const index_t from = made_up(tile.y.origin + y, picture.height, format.border) - tile.y.origin;
      std::copy_n(batch.row(plane, from), batch.width, batch.row(plane, y));
    }
  }
}

#define TILEWRIGHT_GATHER(SAMPLE, ELEMENT)                                                                           \
  template void gather<SAMPLE, ELEMENT>(ImageView<const SAMPLE>, const TilePlan&, index_t, const GatherFormat&, Isa, \
                                        PlanarView<ELEMENT>)
TILEWRIGHT_GATHER(std::uint8_t, float);
TILEWRIGHT_GATHER(std::uint8_t, Half);
TILEWRIGHT_GATHER(std::uint16_t, float);
TILEWRIGHT_GATHER(std::uint16_t, Half);
#undef TILEWRIGHT_GATHER

}  // namespace tilewright
