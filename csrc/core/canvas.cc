#include "core/canvas.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/feather.h"
#include "core/rows.h"

namespace tilewright {
namespace {

Span scaled(const Span& span, index_t scale) {
  return Span{span.origin * scale, span.begin * scale, span.end * scale, span.lead * scale, span.trail * scale};
}

std::vector<float> floats(index_t a, index_t b, index_t c) {
  return std::vector<float>(static_cast<std::size_t>(a * b * c));
}

}  // namespace

Canvas::Canvas(TilePlan plan, index_t scale, index_t planes, ValueRange range, Isa isa)
    : plan_(std::move(plan)), scale_(scale), planes_(planes), range_(range), isa_(isa) {
  if (scale < 1 || scale > 64) throw std::invalid_argument("scale must be 1 to 64, not " + std::to_string(scale));
  if (planes != 1 && planes != 3) throw std::invalid_argument("planes must be 1 or 3, not " + std::to_string(planes));
  if (!std::isfinite(range.white - range.black) || range.white == range.black) {
    throw std::invalid_argument("value range must be finite and not empty");
  }
  const index_t feather = plan_.feather() * scale;
  ramp_ = feather_ramp(feather);
  if (plan_.columns() > 1) {
    columns_.kept = floats(planes, plan_.tile_height() * scale, feather);
    columns_.faded = columns_.kept;
  }
  if (plan_.rows() > 1) {
    rows_.kept = floats(planes, feather, plan_.width() * scale);
    rows_.faded = rows_.kept;
  }
  scratch_ = floats(planes + 1, 1, plan_.tile_width() * scale);
}

Band Canvas::band(index_t row) const {
  const Span& span = plan_.row(row);
  return Band{span.begin * scale_, span.end * scale_};
}

template <class Element, class Sample>
index_t Canvas::blend(index_t index, PlanarView<const Element> result, ImageView<Sample> target, index_t first_channel,
                      index_t channels) {
  const bool again = index == blended_ - 1;
  if (!again && index != blended_) {
    throw std::invalid_argument("tiles must be blended in order: tile " + std::to_string(blended_) + " is next, not " +
                                std::to_string(index));
  }
  if (!again) {
    std::swap(columns_.kept, columns_.faded);
    if (index % plan_.columns() == 0) std::swap(rows_.kept, rows_.faded);
    ++blended_;
  }

  const FloatKernels& kernels = float_kernels(isa_);
  const StoreKernels<Sample>& store = store_kernels<Sample>(isa_);
  const Tile tile = plan_.tile(index);
  const Span x = scaled(tile.x, scale_);
  const Span y = scaled(tile.y, scale_);
  const index_t left = x.begin - x.origin;  // first column of the result that counts
  const index_t owned = x.end - x.begin;    // columns that become final in this row of tiles
  const index_t used = owned + x.trail;     // columns that count
  const index_t output_width = plan_.width() * scale_;
  const index_t feather = plan_.feather() * scale_;
  index_t not_finite = 0;

  for (index_t row = y.begin; row < y.end + y.trail; ++row) {
    const index_t tile_row = row - y.origin;
    const bool fades_in = row < y.begin + y.lead;
    const bool fades_out = row >= y.end;
    const float* planes[3];

    for (index_t plane = 0; plane < planes_; ++plane) {
      float* scratch = scratch_.data() + plane * plan_.tile_width() * scale_;
      const float* values;
      if constexpr (std::is_same_v<Element, Half>) {
        kernels.from_half(result.row(plane, tile_row) + left, used, scratch);
        values = scratch;
      } else {
        values = result.row(plane, tile_row) + left;
      }
      not_finite += kernels.count_not_finite(values, used);

      const index_t strip = (plane * plan_.tile_height() * scale_ + tile_row) * feather;
      if (x.trail > 0) std::copy_n(values + owned, x.trail, columns_.kept.data() + strip);

      // Straight from the result where nothing fades; through the scratch row otherwise.
      if (values != scratch && (x.lead > 0 || fades_in)) {
        std::copy_n(values, owned, scratch);
        values = scratch;
      }
      if (x.lead > 0) kernels.fade_columns(columns_.faded.data() + strip, ramp_.data(), x.lead, scratch);
      if (fades_in) {
        const float* above = rows_.faded.data() + (plane * feather + (row - y.begin)) * output_width + x.begin;
        kernels.fade_row(above, ramp_[static_cast<std::size_t>(row - y.begin)], owned, scratch);
      }
      if (fades_out) {
        std::copy_n(values, owned, rows_.kept.data() + (plane * feather + (row - y.end)) * output_width + x.begin);
      }
      planes[plane] = values;
    }

    if (fades_out) continue;
    Sample* pixels = target.row(row - y.begin) + x.begin * target.channels + first_channel;
    const bool adjacent = target.channels == 3 || target.channels == 4;
    if (channels == 3 && adjacent) {
      store.three(planes, owned, range_, pixels, target.channels);
    } else if (channels == planes_) {
      for (index_t plane = 0; plane < planes_; ++plane) {
        store.one(planes[plane], owned, range_, pixels + plane, target.channels);
      }
    } else {
      float* mean = scratch_.data() + planes_ * plan_.tile_width() * scale_;
      kernels.mean_of_three(planes, owned, mean);
      store.one(mean, owned, range_, pixels, target.channels);
    }
  }
  return not_finite;
}

#define TILEWRIGHT_BLEND(ELEMENT, SAMPLE)                                                                         \
  template index_t Canvas::blend<ELEMENT, SAMPLE>(index_t, PlanarView<const ELEMENT>, ImageView<SAMPLE>, index_t, \
                                                  index_t)
TILEWRIGHT_BLEND(float, std::uint8_t);
TILEWRIGHT_BLEND(float, std::uint16_t);
TILEWRIGHT_BLEND(Half, std::uint8_t);
TILEWRIGHT_BLEND(Half, std::uint16_t);
#undef TILEWRIGHT_BLEND

}  // namespace tilewright
