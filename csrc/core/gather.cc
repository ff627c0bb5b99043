#include "core/gather.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "core/pixel_math.h"
#include "core/rows/row_kernels.h"

namespace tilewright {
namespace {

// Finds the planes that samples 0, 1 and 2 feed. Returns false unless each of them feeds exactly
// one of three planes.
bool find_rgb_planes(const std::vector<index_t>& channels, index_t (&plane_of)[3]) {
  if (channels.size() != 3) return false;
  std::fill(std::begin(plane_of), std::end(plane_of), index_t{-1});
  for (index_t plane = 0; plane < 3; ++plane) {
    const index_t channel = channels[static_cast<std::size_t>(plane)];
    if (channel > 2 || plane_of[channel] >= 0) return false;
    plane_of[channel] = plane;
  }
  return true;
}

template <class Sample>
void load_row(const Sample* pixels, index_t stride, index_t width, const GatherFormat& format, index_t y, Isa isa,
              PlanarView<float> batch) {
  const LoadKernels<Sample>& kernels = row_kernels(isa).load<Sample>();
  index_t plane_of[3];
  if (stride >= 3 && stride <= 4 && find_rgb_planes(format.channels, plane_of)) {
    float* const planes[3] = {batch.row(plane_of[0], y), batch.row(plane_of[1], y), batch.row(plane_of[2], y)};
    kernels.rgb(pixels, stride, width, format.range, planes);
    return;
  }
  for (index_t plane = 0; plane < batch.planes; ++plane) {
    const index_t channel = format.channels[static_cast<std::size_t>(plane)];
    if (plane > 0 && channel == format.channels[static_cast<std::size_t>(plane - 1)]) {
      std::copy_n(batch.row(plane - 1, y), width, batch.row(plane, y));
    } else {
      kernels.channel(pixels + channel, stride, width, format.range, batch.row(plane, y));
    }
  }
}

}  // namespace

template <class Sample>
void gather(ImageView<const Sample> picture, const TilePlan& plan, index_t index, const GatherFormat& format, Isa isa,
            PlanarView<float> batch) {
  const Tile tile = plan.tile(index);
  const index_t inside_width = std::min(batch.width, picture.width - tile.x.origin);
  const index_t inside_height = std::min(batch.height, picture.height - tile.y.origin);

  for (index_t y = 0; y < inside_height; ++y) {
    const Sample* pixels = picture.row(tile.y.origin + y) + tile.x.origin * picture.channels;
    load_row(pixels, picture.channels, inside_width, format, y, isa, batch);
  }
  for (index_t plane = 0; plane < batch.planes; ++plane) {
    // Pixels beyond the picture are copies of pixels in the same tile. The tile always contains
    // these: it extends beyond the picture by less than the part of the picture in it, unless its
    // origin is 0 and it contains the whole axis.
    for (index_t x = inside_width; x < batch.width; ++x) {
      const index_t source = border_index(tile.x.origin + x, picture.width) - tile.x.origin;
      for (index_t y = 0; y < inside_height; ++y) batch.row(plane, y)[x] = batch.row(plane, y)[source];
    }
    if (plan.is_bands()) continue;  // networks do not read the rows below the picture
    for (index_t y = inside_height; y < batch.height; ++y) {
      const index_t source = border_index(tile.y.origin + y, picture.height) - tile.y.origin;
      std::copy_n(batch.row(plane, source), batch.width, batch.row(plane, y));
    }
  }
}

template void gather(ImageView<const std::uint8_t>, const TilePlan&, index_t, const GatherFormat&, Isa,
                     PlanarView<float>);
template void gather(ImageView<const std::uint16_t>, const TilePlan&, index_t, const GatherFormat&, Isa,
                     PlanarView<float>);

}  // namespace tilewright
