#include "core/canvas.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "core/feather.h"
#include "core/rows/row_kernels.h"

namespace tilewright {
namespace {

// No kernel processes more samples at a time. Narrower rows are processed one sample at a time.
constexpr index_t kMaxBlock = 64;

// Returns how many of `owned` columns are converted to floats first, because the first `lead` of
// them are cross-faded. The number is larger than `lead` where necessary, so that neither part is
// narrower than a block. It is a multiple of `shuffle`, as `lead` and `owned` are.
index_t faded_columns(index_t lead, index_t owned, index_t shuffle) {
  if (lead == 0) return 0;
  const index_t columns = std::max(lead, (kMaxBlock + shuffle - 1) / shuffle * shuffle);
  return owned - columns < kMaxBlock ? owned : columns;
}

std::vector<float> make_floats(index_t a, index_t b, index_t c) {
  return std::vector<float>(static_cast<std::size_t>(a * b * c));
}

index_t to_floats(const FloatKernels& kernels, const float* row, index_t width, float* out) {
  return kernels.from_float(row, width, out);
}

index_t to_floats(const FloatKernels& kernels, const Half* row, index_t width, float* out) {
  return kernels.from_half(row, width, out);
}

void shuffle_row(const FloatKernels& kernels, const float* const* parts, index_t shuffle, const float* base,
                 index_t width, float* out) {
  kernels.shuffle_floats(parts, shuffle, base, width, out);
}

void shuffle_row(const FloatKernels& kernels, const Half* const* parts, index_t shuffle, const float* base,
                 index_t width, float* out) {
  kernels.shuffle_halves(parts, shuffle, base, width, out);
}

// Whether one kernel can write a row of three planes.
bool is_rgb(index_t planes, index_t channels, index_t stride) { return planes == 3 && channels == 3 && stride <= 4; }

// Writes each plane to its own sample of every pixel, or the mean of all planes to a single one.
// `stride`: samples per pixel. Returns the number of non-finite values.
template <class Element, class Sample>
index_t store_row(const RowKernels& row_kernels, const Element* const planes[3], index_t count, index_t width,
                  index_t channels, ValueRange range, Sample* pixels, index_t stride) {
  const StoreKernels<Element, Sample>& kernels = row_kernels.store<Element, Sample>();
  if (channels < count) return kernels.mean(planes, width, range, pixels, stride);
  if (is_rgb(count, channels, stride)) return kernels.rgb(planes, width, range, pixels, stride);
  index_t nonfinite = 0;
  for (index_t channel = 0; channel < channels; ++channel) {
    nonfinite += kernels.channel(planes[channel], width, range, pixels + channel, stride);
  }
  return nonfinite;
}

// Reads rows of a result without a tail. All functions return the number of non-finite
// values.
template <class Element>
class PlainRows {
 public:
  PlainRows(PlanarView<const Element> result, ValueRange range, const RowKernels& kernels)
      : result_(result), range_(range), kernels_(kernels) {}

  // Converts columns [first, first + count) of one row of a plane to floats.
  index_t floats(index_t plane, index_t y, index_t first, index_t count, float* out) const {
    return to_floats(kernels_.floats, result_.row(plane, y) + first, count, out);
  }

  // Converts the same columns of all planes to samples.
  template <class Sample>
  index_t samples(index_t y, index_t first, index_t count, index_t channels, Sample* pixels, index_t stride) const {
    const Element* planes[3];
    for (index_t plane = 0; plane < result_.planes; ++plane) planes[plane] = result_.row(plane, y) + first;
    return store_row(kernels_, planes, result_.planes, count, channels, range_, pixels, stride);
  }

 private:
  PlanarView<const Element> result_;
  ValueRange range_;
  const RowKernels& kernels_;
};

// Reads rows of a result and applies the tail. `first` and `count` are multiples of the
// shuffle.
template <class Element>
class ShuffledRows {
 public:
  // `scratch`: room for a row of all planes.
  ShuffledRows(PlanarView<const Element> result, PlanarView<const float> base, const CanvasLayout& layout,
               const RowKernels& kernels, std::vector<float>& scratch)
      : result_(result),
        base_(base),
        tail_(layout.tail()),
        planes_(layout.planes()),
        range_(layout.range()),
        kernels_(kernels),
        scratch_(scratch) {}

  index_t floats(index_t plane, index_t y, index_t first, index_t count, float* out) const {
    const Element* parts[kMaxScale];
    find_parts(plane, y, first, parts);
    shuffle_row(kernels_.floats, parts, tail_.shuffle, base_row(plane, y, first), count / tail_.shuffle, out);
    return to_floats(kernels_.floats, out, count, out);
  }

  template <class Sample>
  index_t samples(index_t y, index_t first, index_t count, index_t channels, Sample* pixels, index_t stride) const {
    if (is_rgb(planes_, channels, stride)) {
      const Element* parts[3 * kMaxScale];
      const float* bases[3];
      for (index_t plane = 0; plane < 3; ++plane) {
        find_parts(plane, y, first, parts + plane * tail_.shuffle);
        bases[plane] = base_row(plane, y, first);
      }
      const StoreKernels<Element, Sample>& kernels = kernels_.template store<Element, Sample>();
      return kernels.shuffled(parts, tail_.shuffle, bases, count / tail_.shuffle, range_, pixels, stride);
    }
    const float* rows[3];
    index_t nonfinite = 0;
    for (index_t plane = 0; plane < planes_; ++plane) {
      float* row = scratch_.data() + plane * (static_cast<index_t>(scratch_.size()) / planes_);
      nonfinite += floats(plane, y, first, count, row);
      rows[plane] = row;
    }
    store_row(kernels_, rows, planes_, count, channels, range_, pixels, stride);
    return nonfinite;
  }

 private:
  // Finds the `shuffle` rows of the result that interleave to one output row.
  void find_parts(index_t plane, index_t y, index_t first, const Element** parts) const {
    const index_t shuffle = tail_.shuffle;
    for (index_t k = 0; k < shuffle; ++k) {
      parts[k] = result_.row((plane * shuffle + y % shuffle) * shuffle + k, y / shuffle) + first / shuffle;
    }
  }

  const float* base_row(index_t plane, index_t y, index_t first) const {
    return tail_.adds_base ? base_.row(plane, y / tail_.shuffle) + first / tail_.shuffle : nullptr;
  }

  PlanarView<const Element> result_;
  PlanarView<const float> base_;
  Tail tail_;
  index_t planes_;
  ValueRange range_;
  const RowKernels& kernels_;
  std::vector<float>& scratch_;
};

}  // namespace

Canvas::Canvas(CanvasLayout layout, Isa isa)
    : layout_(std::move(layout)), isa_(isa), ramp_(feather_ramp(layout_.feather())) {
  const TilePlan& plan = layout_.plan();
  const index_t planes = layout_.planes();
  if (plan.columns() > 1) {
    columns_.outgoing = make_floats(planes, plan.tile_height() * layout_.scale(), layout_.feather());
    columns_.incoming = columns_.outgoing;
  }
  if (plan.rows() > 1) {
    rows_.outgoing = make_floats(planes, layout_.feather(), layout_.width());
    rows_.incoming = rows_.outgoing;
  }
  scratch_ = make_floats(planes, 1, plan.tile_width() * layout_.scale());
  if (!layout_.tail().is_empty()) shuffled_ = scratch_;
}

template <class Element, class Sample>
index_t Canvas::blend(index_t index, PlanarView<const Element> result, PlanarView<const float> base,
                      ImageView<Sample> target, index_t first_channel, index_t channels) {
  const RowKernels& kernels = row_kernels(isa_);
  if (layout_.tail().is_empty()) {
    return blend_rows(index, PlainRows<Element>(result, layout_.range(), kernels), target, first_channel, channels);
  }
  const ShuffledRows<Element> rows(result, base, layout_, kernels, shuffled_);
  return blend_rows(index, rows, target, first_channel, channels);
}

template <class Rows>
index_t Canvas::fade_plane(const Rows& rows, const Tile& tile, index_t plane, index_t row, index_t count, float* out) {
  const FloatKernels& kernels = row_kernels(isa_).floats;
  const auto& [x, y] = tile;
  const index_t nonfinite = rows.floats(plane, row - y.origin, x.begin - x.origin, count, out);
  if (x.lead > 0) {
    const float* left = columns_.incoming.data() + column_offset(plane, row - y.origin);
    kernels.fade_columns(left, ramp_.data(), x.lead, out);
  }
  if (row < y.begin + y.lead) {
    const index_t feather_row = row - y.begin;
    const float* above = rows_.incoming.data() + row_offset(plane, feather_row) + x.begin;
    kernels.fade_row(above, ramp_[static_cast<std::size_t>(feather_row)], count, out);
  }
  return nonfinite;
}

template <class Rows, class Sample>
index_t Canvas::blend_rows(index_t index, const Rows& rows, ImageView<Sample> target, index_t first_channel,
                           index_t channels) {
  if (layout_.advance_to(index)) {
    std::swap(columns_.outgoing, columns_.incoming);
    if (index % layout_.plan().columns() == 0) std::swap(rows_.outgoing, rows_.incoming);
  }

  const index_t planes = layout_.planes();
  const Tile tile = layout_.tile(index);
  const auto& [x, y] = tile;
  const index_t left = x.begin - x.origin;  // first owned column of the result
  const index_t owned = x.end - x.begin;    // columns that are final after this row of tiles
  const index_t tile_width = layout_.plan().tile_width() * layout_.scale();
  index_t nonfinite = 0;

  for (index_t row = y.begin; row < y.end + y.trail; ++row) {
    const index_t tile_row = row - y.origin;
    const bool fades_in = row < y.begin + y.lead;
    const bool fades_out = row >= y.end;
    const index_t faded = fades_in || fades_out ? owned : faded_columns(x.lead, owned, layout_.tail().shuffle);
    const float* faded_rows[3];
    for (index_t plane = 0; plane < planes; ++plane) {
      float* out = fades_out ? rows_.outgoing.data() + row_offset(plane, row - y.end) + x.begin
                             : scratch_.data() + plane * tile_width;
      nonfinite += fade_plane(rows, tile, plane, row, faded, out);
      faded_rows[plane] = out;
    }

    if (!fades_out) {
      Sample* pixels = target.row(row - y.begin) + x.begin * target.channels + first_channel;
      // fade_plane() has already counted the non-finite values of these columns.
      store_row(row_kernels(isa_), faded_rows, planes, faded, channels, layout_.range(), pixels, target.channels);
      pixels += faded * target.channels;
      nonfinite += rows.samples(tile_row, left + faded, owned - faded, channels, pixels, target.channels);
    }
    // This comes last, so that every row of the result is read from left to right.
    for (index_t plane = 0; x.trail > 0 && plane < planes; ++plane) {
      float* right = columns_.outgoing.data() + column_offset(plane, tile_row);
      nonfinite += rows.floats(plane, tile_row, left + owned, x.trail, right);
    }
  }
  return nonfinite;
}

template index_t Canvas::blend(index_t, PlanarView<const float>, PlanarView<const float>, ImageView<std::uint8_t>,
                               index_t, index_t);
template index_t Canvas::blend(index_t, PlanarView<const float>, PlanarView<const float>, ImageView<std::uint16_t>,
                               index_t, index_t);
template index_t Canvas::blend(index_t, PlanarView<const Half>, PlanarView<const float>, ImageView<std::uint8_t>,
                               index_t, index_t);
template index_t Canvas::blend(index_t, PlanarView<const Half>, PlanarView<const float>, ImageView<std::uint16_t>,
                               index_t, index_t);

}  // namespace tilewright
