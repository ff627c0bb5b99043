#include "core/tile_plan.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>

namespace tilewright {
namespace {

// Larger sizes could overflow when multiplied by a scale and a number of channels.
constexpr index_t kLengthLimit = index_t{1} << 31;

void require(bool condition, const std::string& message) {
  if (!condition) throw std::invalid_argument(message);
}

bool in_range(index_t value, index_t minimum) { return value >= minimum && value < kLengthLimit; }

void require_margins(index_t halo, index_t feather, index_t multiple, index_t grid) {
  require(in_range(halo, 0), "halo must be 0 or more, not " + std::to_string(halo));
  require(in_range(feather, 0), "feather must be 0 or more, not " + std::to_string(feather));
  require(in_range(multiple, 1), "multiple must be 1 or more, not " + std::to_string(multiple));
  require(in_range(grid, 1), "grid must be 1 or more, not " + std::to_string(grid));
}

index_t ceil_divide(index_t value, index_t divisor) { return (value + divisor - 1) / divisor; }

std::vector<Span> plan_axis(const char* name, index_t size, index_t tile, index_t halo, index_t feather,
                            index_t multiple, index_t grid) {
  const index_t padded = ceil_divide(size, multiple) * multiple;
  if (tile >= padded) return {Span{0, 0, size, 0, 0}};

  const index_t smallest = TilePlan::smallest_tile(halo, feather, multiple, grid);
  require(tile >= smallest, std::string("tile ") + name + " " + std::to_string(tile) + " is too small for halo " +
                                std::to_string(halo) + ", feather " + std::to_string(feather) + ", multiple " +
                                std::to_string(multiple) + ": use at least " + std::to_string(smallest));

  // In units that every origin is a multiple of.
  const index_t unit = std::lcm(multiple, grid);
  require((padded - tile) % unit == 0, std::string("tile ") + name + " " + std::to_string(tile) + " and picture " +
                                           name + " " + std::to_string(size) + " must differ by a multiple of " +
                                           std::to_string(unit));
  const index_t last_origin = (padded - tile) / unit;
  const index_t max_step = (tile - 2 * halo - feather) / unit;
  const index_t steps = ceil_divide(last_origin, max_step);

  std::vector<Span> spans;
  spans.reserve(static_cast<std::size_t>(steps + 1));
  index_t begin = 0;
  index_t lead = 0;
  for (index_t i = 0; i <= steps; ++i) {
    const index_t origin = i * last_origin / steps * unit;
    if (i == steps) {
      spans.push_back(Span{origin, begin, size, lead, 0});
      break;
    }
    // The cross-fade is centred in the overlap, which keeps it as far as possible from both tiles'
    // cut edges.
    const index_t next = (i + 1) * last_origin / steps * unit;
    const index_t overlap = origin + tile - next;
    const index_t end = next + (overlap - feather) / 2;
    spans.push_back(Span{origin, begin, end, lead, feather});
    begin = end;
    lead = feather;
  }
  return spans;
}

}  // namespace

TilePlan::TilePlan(index_t width, index_t height, index_t tile_width, index_t tile_height, index_t halo,
                   index_t feather, index_t multiple, index_t grid)
    : width_(width),
      height_(height),
      tile_width_(tile_width),
      tile_height_(tile_height),
      halo_(halo),
      feather_(feather),
      multiple_(multiple) {
  require(in_range(width, 1) && in_range(height, 1),
          "picture size must be 1 to 2^31-1, not " + std::to_string(width) + " x " + std::to_string(height));
  require(in_range(tile_width, 1) && in_range(tile_height, 1),
          "tile size must be 1 to 2^31-1, not " + std::to_string(tile_width) + " x " + std::to_string(tile_height));
  require_margins(halo, feather, multiple, grid);
  require(tile_width % multiple == 0 && tile_height % multiple == 0,
          "tile size " + std::to_string(tile_width) + " x " + std::to_string(tile_height) + " must be a multiple of " +
              std::to_string(multiple));
  x_ = plan_axis("width", width, tile_width, halo, feather, multiple, grid);
  y_ = plan_axis("height", height, tile_height, halo, feather, multiple, grid);
}

TilePlan TilePlan::bands(index_t width, index_t height, index_t rows) {
  TilePlan plan(width, height, width, height, 0, 0, 1);
  require(rows >= 1 && rows <= height, "rows must be 1 to the height, not " + std::to_string(rows));
  plan.is_bands_ = true;
  plan.tile_height_ = rows;
  plan.y_.clear();
  for (index_t begin = 0; begin < height; begin += rows) {
    plan.y_.push_back(Span{begin, begin, std::min(begin + rows, height), 0, 0});
  }
  return plan;
}

Tile TilePlan::tile(index_t index) const {
  return Tile{x_[static_cast<std::size_t>(index % columns())], y_[static_cast<std::size_t>(index / columns())]};
}

double TilePlan::redundancy() const {
  if (is_bands_) return 1.0;  // rows below the picture are not computed
  return static_cast<double>(size()) * static_cast<double>(tile_width_) * static_cast<double>(tile_height_) /
         (static_cast<double>(width_) * static_cast<double>(height_));
}

index_t TilePlan::smallest_tile(index_t halo, index_t feather, index_t multiple, index_t grid) {
  require_margins(halo, feather, multiple, grid);
  // Evenly spaced origins are at least half the maximum step apart. Feathers must not touch even
  // then.
  const index_t smallest = 2 * halo + feather + 2 * (feather + std::lcm(multiple, grid));
  return ceil_divide(smallest, multiple) * multiple;
}

}  // namespace tilewright
