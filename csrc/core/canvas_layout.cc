#include "core/canvas_layout.h"

#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

namespace tilewright {
namespace {

Span scaled(const Span& span, index_t scale) {
  return Span{span.origin * scale, span.begin * scale, span.end * scale, span.lead * scale, span.trail * scale};
}

}  // namespace

CanvasLayout::CanvasLayout(TilePlan plan, index_t scale, index_t planes, ValueRange range, Tail tail)
    : plan_(std::move(plan)), scale_(scale), planes_(planes), range_(range), tail_(tail) {
  if (scale < 1 || scale > kMaxScale) {
    throw std::invalid_argument("scale must be 1 to 64, not " + std::to_string(scale));
  }
  if (planes != 1 && planes != 3) throw std::invalid_argument("planes must be 1 or 3, not " + std::to_string(planes));
  if (!std::isfinite(range.white - range.black) || range.white == range.black) {
    throw std::invalid_argument("value_range must be finite, and black must differ from white");
  }
  if (tail.shuffle != 1 && tail.shuffle != scale) {
    throw std::invalid_argument("shuffle must be 1 or the scale, not " + std::to_string(tail.shuffle));
  }
  if (tail.adds_base && tail.shuffle != scale) {
    throw std::invalid_argument("adds_base requires that shuffle is the scale");
  }
}

Band CanvasLayout::band(index_t row) const {
  const Span& span = plan_.row(row);
  return Band{span.begin * scale_, span.end * scale_};
}

Tile CanvasLayout::tile(index_t index) const {
  const Tile tile = plan_.tile(index);
  return Tile{scaled(tile.x, scale_), scaled(tile.y, scale_)};
}

bool CanvasLayout::advance_to(index_t index) {
  if (index == blended_ - 1) return false;
  if (index != blended_) {
    throw std::invalid_argument("tiles must be blended in order: tile " + std::to_string(blended_) + " is next, not " +
                                std::to_string(index));
  }
  ++blended_;
  return true;
}

}  // namespace tilewright
