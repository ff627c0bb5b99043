#include "core/canvas.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "core/feather.h"
#include "core/rows/row_kernels.h"

namespace tilewright {
namespace {

// No row kernel takes more samples at a time: what is narrower it does one by one.
constexpr index_t kWidestBlock = 64;

// How many of `owned` columns take the way through floats when the first `lead` must: those, and as many as it takes to
// leave no narrow rest on either side; a multiple of `shuffle`, as `lead` and `owned` are.
index_t detour_of(index_t lead, index_t owned, index_t shuffle) {
  if (lead == 0) return 0;
  const index_t detour = std::max(lead, (kWidestBlock + shuffle - 1) / shuffle * shuffle);
  return owned - detour < kWidestBlock ? owned : detour;
}

std::vector<float> floats(index_t a, index_t b, index_t c) {
  return std::vector<float>(static_cast<std::size_t>(a * b * c));
}

index_t as_floats(const FloatKernels& kernels, const float* row, index_t width, float* out) {
  return kernels.from_float(row, width, out);
}

index_t as_floats(const FloatKernels& kernels, const Half* row, index_t width, float* out) {
  return kernels.from_half(row, width, out);
}

void shuffled_row(const FloatKernels& kernels, const float* const* parts, index_t shuffle, const float* base,
                  index_t width, float* out) {
  kernels.shuffle_floats(parts, shuffle, base, width, out);
}

void shuffled_row(const FloatKernels& kernels, const Half* const* parts, index_t shuffle, const float* base,
                  index_t width, float* out) {
  kernels.shuffle_halves(parts, shuffle, base, width, out);
}

// Whether a row of three planes can be written by one kernel.
bool is_rgb(index_t planes, index_t channels, index_t stride) { return planes == 3 && channels == 3 && stride <= 4; }

// Writes planes into as many adjacent samples of every pixel, or their mean into one. `stride`: samples per pixel.
template <class Element, class Sample>
index_t store_row(const Element* const planes[3], index_t count, index_t width, index_t channels, ValueRange range,
                  Isa isa, Sample* pixels, index_t stride) {
  const auto& kernels = store_kernels<Element, Sample>(isa);
  if (channels < count) return kernels.mean(planes, width, range, pixels, stride);
  if (is_rgb(count, channels, stride)) return kernels.three(planes, width, range, pixels, stride);
  index_t not_finite = 0;
  for (index_t channel = 0; channel < channels; ++channel) {
    not_finite += kernels.one(planes[channel], width, range, pixels + channel, stride);
  }
  return not_finite;
}

// The rows of a finished result.
template <class Element>
class PlainRows {
 public:
  PlainRows(PlanarView<const Element> result, ValueRange range, Isa isa) : result_(result), range_(range), isa_(isa) {}

  // Columns [first, first + count) of a row of a plane. As all here, returns how many values were not finite.
  index_t floats(index_t plane, index_t y, index_t first, index_t count, float* out) const {
    return as_floats(float_kernels(isa_), result_.row(plane, y) + first, count, out);
  }

  // Those columns of all planes, as samples.
  template <class Sample>
  index_t samples(index_t y, index_t first, index_t count, index_t channels, Sample* pixels, index_t stride) const {
    const Element* planes[3];
    for (index_t plane = 0; plane < result_.planes; ++plane) planes[plane] = result_.row(plane, y) + first;
    return store_row(planes, result_.planes, count, channels, range_, isa_, pixels, stride);
  }

 private:
  PlanarView<const Element> result_;
  ValueRange range_;
  Isa isa_;
};

// Those of a result whose pixel shuffle is still to be done: first and count are multiples of it.
template <class Element>
class ShuffledRows {
 public:
  // `scratch`: planes x a row.
  ShuffledRows(PlanarView<const Element> result, PlanarView<const float> base, Tail tail, index_t planes,
               ValueRange range, Isa isa, std::vector<float>& scratch)
      : result_(result), base_(base), tail_(tail), planes_(planes), range_(range), isa_(isa), scratch_(scratch) {}

  index_t floats(index_t plane, index_t y, index_t first, index_t count, float* out) const {
    const Element* parts[kLargestScale];
    parts_of(plane, y, first, parts);
    shuffled_row(float_kernels(isa_), parts, tail_.shuffle, base_of(plane, y, first), count / tail_.shuffle, out);
    return as_floats(float_kernels(isa_), out, count, out);
  }

  template <class Sample>
  index_t samples(index_t y, index_t first, index_t count, index_t channels, Sample* pixels, index_t stride) const {
    if (is_rgb(planes_, channels, stride)) {
      const Element* parts[3 * kLargestScale];
      const float* bases[3];
      for (index_t plane = 0; plane < 3; ++plane) {
        parts_of(plane, y, first, parts + plane * tail_.shuffle);
        bases[plane] = base_of(plane, y, first);
      }
      const auto& kernels = store_kernels<Element, Sample>(isa_);
      return kernels.shuffled(parts, tail_.shuffle, bases, count / tail_.shuffle, range_, pixels, stride);
    }
    const float* rows[3];
    index_t not_finite = 0;
    for (index_t plane = 0; plane < planes_; ++plane) {
      float* row = scratch_.data() + plane * (static_cast<index_t>(scratch_.size()) / planes_);
      not_finite += floats(plane, y, first, count, row);
      rows[plane] = row;
    }
    store_row(rows, planes_, count, channels, range_, isa_, pixels, stride);
    return not_finite;
  }

 private:
  void parts_of(index_t plane, index_t y, index_t first, const Element** parts) const {
    const index_t shuffle = tail_.shuffle;
    for (index_t k = 0; k < shuffle; ++k) {
      parts[k] = result_.row((plane * shuffle + y % shuffle) * shuffle + k, y / shuffle) + first / shuffle;
    }
  }

  const float* base_of(index_t plane, index_t y, index_t first) const {
    return tail_.adds_base ? base_.row(plane, y / tail_.shuffle) + first / tail_.shuffle : nullptr;
  }

  PlanarView<const Element> result_;
  PlanarView<const float> base_;
  Tail tail_;
  index_t planes_;
  ValueRange range_;
  Isa isa_;
  std::vector<float>& scratch_;
};

}  // namespace

Canvas::Canvas(CanvasLayout layout, Isa isa)
    : layout_(std::move(layout)), isa_(isa), ramp_(feather_ramp(layout_.feather())) {
  const TilePlan& plan = layout_.plan();
  const index_t planes = layout_.planes();
  if (plan.columns() > 1) {
    columns_.kept = floats(planes, plan.tile_height() * layout_.scale(), layout_.feather());
    columns_.faded = columns_.kept;
  }
  if (plan.rows() > 1) {
    rows_.kept = floats(planes, layout_.feather(), layout_.width());
    rows_.faded = rows_.kept;
  }
  scratch_ = floats(planes, 1, plan.tile_width() * layout_.scale());
  if (layout_.tail().shuffle > 1) shuffled_ = scratch_;
}

template <class Element, class Sample>
index_t Canvas::blend(index_t index, PlanarView<const Element> result, PlanarView<const float> base,
                      ImageView<Sample> target, index_t first_channel, index_t channels) {
  const Tail& tail = layout_.tail();
  if (tail.shuffle == 1) {
    return blend_rows(index, PlainRows<Element>(result, layout_.range(), isa_), target, first_channel, channels);
  }
  const ShuffledRows<Element> rows(result, base, tail, layout_.planes(), layout_.range(), isa_, shuffled_);
  return blend_rows(index, rows, target, first_channel, channels);
}

template <class Rows, class Sample>
index_t Canvas::blend_rows(index_t index, const Rows& rows, ImageView<Sample> target, index_t first_channel,
                           index_t channels) {
  const TilePlan& plan = layout_.plan();
  if (layout_.turn_to(index)) {
    std::swap(columns_.kept, columns_.faded);
    if (index % plan.columns() == 0) std::swap(rows_.kept, rows_.faded);
  }

  const FloatKernels& kernels = float_kernels(isa_);
  const index_t planes = layout_.planes();
  const auto [x, y] = layout_.tile(index);
  const index_t left = x.begin - x.origin;  // first column of the result that counts
  const index_t owned = x.end - x.begin;    // columns that become final in this row of tiles
  const index_t tile_width = plan.tile_width() * layout_.scale();
  const index_t tile_height = plan.tile_height() * layout_.scale();
  const index_t output_width = layout_.width();
  const index_t feather = layout_.feather();
  index_t not_finite = 0;

  for (index_t row = y.begin; row < y.end + y.trail; ++row) {
    const index_t tile_row = row - y.origin;
    const bool fades_in = row < y.begin + y.lead;
    const bool fades_out = row >= y.end;
    // Columns that take the way through a row of floats. The others go straight from the result to samples.
    const index_t detour = fades_in || fades_out ? owned : detour_of(x.lead, owned, layout_.tail().shuffle);
    const float* faded[3];

    for (index_t plane = 0; plane < planes; ++plane) {
      // What fades out goes to where it is kept for the tile below.
      float* on_the_way = fades_out ? rows_.kept.data() + (plane * feather + (row - y.end)) * output_width + x.begin
                                    : scratch_.data() + plane * tile_width;
      not_finite += rows.floats(plane, tile_row, left, detour, on_the_way);
      if (x.lead > 0) {
        const index_t strip = (plane * tile_height + tile_row) * feather;
        kernels.fade_columns(columns_.faded.data() + strip, ramp_.data(), x.lead, on_the_way);
      }
      if (fades_in) {
        const float* above = rows_.faded.data() + (plane * feather + (row - y.begin)) * output_width + x.begin;
        kernels.fade_row(above, ramp_[static_cast<std::size_t>(row - y.begin)], owned, on_the_way);
      }
      faded[plane] = on_the_way;
    }

    if (!fades_out) {
      Sample* pixels = target.row(row - y.begin) + x.begin * target.channels + first_channel;
      // What came through the floats has been counted.
      store_row(faded, planes, detour, channels, layout_.range(), isa_, pixels, target.channels);
      pixels += detour * target.channels;
      not_finite += rows.samples(tile_row, left + detour, owned - detour, channels, pixels, target.channels);
    }
    // Last, so that every row is read from left to right.
    for (index_t plane = 0; x.trail > 0 && plane < planes; ++plane) {
      const index_t strip = (plane * tile_height + tile_row) * feather;
      not_finite += rows.floats(plane, tile_row, left + owned, x.trail, columns_.kept.data() + strip);
    }
  }
  return not_finite;
}

#define TILEWRIGHT_BLEND(ELEMENT, SAMPLE)                                                                      \
  template index_t Canvas::blend<ELEMENT, SAMPLE>(index_t, PlanarView<const ELEMENT>, PlanarView<const float>, \
                                                  ImageView<SAMPLE>, index_t, index_t)
TILEWRIGHT_BLEND(float, std::uint8_t);
TILEWRIGHT_BLEND(float, std::uint16_t);
TILEWRIGHT_BLEND(Half, std::uint8_t);
TILEWRIGHT_BLEND(Half, std::uint16_t);
#undef TILEWRIGHT_BLEND

}  // namespace tilewright
