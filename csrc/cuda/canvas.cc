#include "cuda/canvas.h"

#include <limits>
#include <stdexcept>
#include <string>

#include "core/feather.h"
#include "core/pixel_math.h"

namespace tilewright::cuda {
namespace {

CanvasLayout countable(CanvasLayout layout) {
  const TilePlan& plan = layout.plan();
  const index_t scale = layout.scale();
  for (const index_t length : {plan.width(), plan.height(), plan.tile_width(), plan.tile_height()}) {
    if (length > std::numeric_limits<std::int32_t>::max() / 2 / scale) {
      throw std::invalid_argument("picture and tile sizes times the scale must be below 2^30, not " +
                                  std::to_string(length) + " times " + std::to_string(scale));
    }
  }
  return layout;
}

// Floats of each strip; of which there are two, one kept and one faded.
index_t column_strip(const CanvasLayout& layout) {
  const TilePlan& plan = layout.plan();
  return plan.columns() > 1 ? layout.planes() * plan.tile_height() * layout.scale() * layout.feather() : 0;
}

index_t row_strip(const CanvasLayout& layout) {
  return layout.plan().rows() > 1 ? layout.planes() * layout.feather() * layout.width() : 0;
}

index_t bytes_of(const CanvasLayout& layout) {
  const index_t floats = layout.feather() + 2 * column_strip(layout) + 2 * row_strip(layout);
  return (floats > 0 ? floats : 1) * static_cast<index_t>(sizeof(float));
}

}  // namespace

Canvas::Canvas(CanvasLayout layout, int device)
    : layout_(countable(std::move(layout))), memory_(bytes_of(layout_), device) {
  float* const ramp = reinterpret_cast<float*>(memory_.data());
  const index_t columns = column_strip(layout_);
  const index_t rows = row_strip(layout_);
  columns_.kept = ramp + layout_.feather();
  columns_.faded = columns_.kept + columns;
  rows_.kept = columns_.faded + columns;
  rows_.faded = rows_.kept + rows;
  if (layout_.feather() == 0) return;
  const std::vector<float> weights = feather_ramp(layout_.feather());
  const Stream stream(device);
  upload(weights.data(), static_cast<index_t>(weights.size() * sizeof(float)), memory_, 0, stream);
  stream.synchronize();
}

template <class Element, class Sample>
void Canvas::blend(index_t index, const TensorTile<const Element>& result, const AnyTile& base, Sample* target,
                   index_t target_channels, index_t first_channel, index_t channels, unsigned long long* not_finite,
                   const Stream& stream) {
  if (layout_.turn_to(index)) {
    std::swap(columns_.kept, columns_.faded);
    if (index % layout_.plan().columns() == 0) std::swap(rows_.kept, rows_.faded);
  }
  const auto [x, y] = layout_.tile(index);
  const auto narrow = [](index_t length) { return static_cast<int>(length); };
  BlendArguments<Element, Sample> arguments{};
  arguments.result = result;
  arguments.base = base;
  arguments.shuffle = narrow(layout_.tail().shuffle);
  arguments.target = target + first_channel;
  arguments.target_channels = narrow(target_channels);
  arguments.width = narrow(layout_.width());
  arguments.x = {narrow(x.origin), narrow(x.begin), narrow(x.end), narrow(x.lead), narrow(x.trail)};
  arguments.y = {narrow(y.origin), narrow(y.begin), narrow(y.end), narrow(y.lead), narrow(y.trail)};
  arguments.tile_height = narrow(layout_.plan().tile_height() * layout_.scale());
  arguments.feather = narrow(layout_.feather());
  arguments.ramp = reinterpret_cast<const float*>(memory_.data());
  arguments.columns = {columns_.kept, columns_.faded};
  arguments.rows = {rows_.kept, rows_.faded};
  arguments.black = layout_.range().black;
  arguments.gain = kWhite<Sample> / (layout_.range().white - layout_.range().black);
  arguments.not_finite = not_finite;
  cuda::blend(arguments, layout_.planes(), channels, stream);
}

#define TILEWRIGHT_BLEND(ELEMENT, SAMPLE)                                                                          \
  template void Canvas::blend<ELEMENT, SAMPLE>(index_t, const TensorTile<const ELEMENT>&, const AnyTile&, SAMPLE*, \
                                               index_t, index_t, index_t, unsigned long long*, const Stream&)
TILEWRIGHT_BLEND(float, std::uint8_t);
TILEWRIGHT_BLEND(float, std::uint16_t);
TILEWRIGHT_BLEND(Half, std::uint8_t);
TILEWRIGHT_BLEND(Half, std::uint16_t);
#undef TILEWRIGHT_BLEND

}  // namespace tilewright::cuda
