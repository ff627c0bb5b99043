#include "cuda/canvas.h"

#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/feather.h"
#include "core/pixel_math.h"

namespace tilewright::cuda {
namespace {

// Throws std::invalid_argument if a position in the output does not fit in 32 bits.
CanvasLayout checked(CanvasLayout layout) {
  const TilePlan& plan = layout.plan();
  const index_t scale = layout.scale();
  for (const index_t length : {plan.width(), plan.height(), plan.tile_width(), plan.tile_height()}) {
    if (length > std::numeric_limits<std::int32_t>::max() / 2 / scale) {
      throw std::invalid_argument("picture size and tile size times the scale must be below 2^30, not " +
                                  std::to_string(length) + " * " + std::to_string(scale));
    }
  }
  return layout;
}

// Floats per strip. There are two strips of each kind: outgoing and incoming.
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
    : layout_(checked(std::move(layout))), memory_(bytes_of(layout_), device) {
  float* const ramp = reinterpret_cast<float*>(memory_.data());
  const index_t columns = column_strip(layout_);
  const index_t rows = row_strip(layout_);
  columns_.outgoing = ramp + layout_.feather();
  columns_.incoming = columns_.outgoing + columns;
  rows_.outgoing = columns_.incoming + columns;
  rows_.incoming = rows_.outgoing + rows;
  if (layout_.feather() == 0) return;
  const std::vector<float> weights = feather_ramp(layout_.feather());
  const Stream stream(device);
  upload(weights.data(), static_cast<index_t>(weights.size() * sizeof(float)), memory_, 0, stream);
  stream.synchronize();
}

template <class Element, class Sample>
void Canvas::blend(index_t index, const DeviceTensorView<const Element>& result, const AnyDeviceTensorView& base,
                   const DeviceImageView<Sample>& target, index_t first_channel, index_t channels,
                   unsigned long long* nonfinite, const Stream& stream) {
  if (layout_.advance_to(index)) {
    std::swap(columns_.outgoing, columns_.incoming);
    if (index % layout_.plan().columns() == 0) std::swap(rows_.outgoing, rows_.incoming);
  }
  const auto [x, y] = layout_.tile(index);
  const auto to_int = [](index_t length) { return static_cast<int>(length); };
  BlendArguments<Element, Sample> arguments{};
  arguments.result = result;
  arguments.base = base;
  arguments.shuffle = to_int(layout_.tail().shuffle);
  arguments.target = target.data + first_channel;
  arguments.target_channels = target.channels;
  arguments.width = to_int(layout_.width());
  arguments.x = {to_int(x.origin), to_int(x.begin), to_int(x.end), to_int(x.lead), to_int(x.trail)};
  arguments.y = {to_int(y.origin), to_int(y.begin), to_int(y.end), to_int(y.lead), to_int(y.trail)};
  arguments.tile_height = to_int(layout_.plan().tile_height() * layout_.scale());
  arguments.feather = to_int(layout_.feather());
  arguments.ramp = reinterpret_cast<const float*>(memory_.data());
  arguments.columns = {columns_.outgoing, columns_.incoming};
  arguments.rows = {rows_.outgoing, rows_.incoming};
  arguments.black = layout_.range().black;
  arguments.gain = kWhite<Sample> / (layout_.range().white - layout_.range().black);
  arguments.nonfinite = nonfinite;
  cuda::blend(arguments, layout_.planes(), channels, stream);
}

#define TILEWRIGHT_INSTANTIATE_BLEND(ELEMENT, SAMPLE)                                                               \
  template void Canvas::blend<ELEMENT, SAMPLE>(index_t, const DeviceTensorView<const ELEMENT>&,                     \
                                               const AnyDeviceTensorView&, const DeviceImageView<SAMPLE>&, index_t, \
                                               index_t, unsigned long long*, const Stream&)
TILEWRIGHT_INSTANTIATE_BLEND(float, std::uint8_t);
TILEWRIGHT_INSTANTIATE_BLEND(float, std::uint16_t);
TILEWRIGHT_INSTANTIATE_BLEND(Half, std::uint8_t);
TILEWRIGHT_INSTANTIATE_BLEND(Half, std::uint16_t);
#undef TILEWRIGHT_INSTANTIATE_BLEND

}  // namespace tilewright::cuda
