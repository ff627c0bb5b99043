#include "bindings/arguments.h"

namespace tilewright::bindings {

std::string shape_text(const std::vector<index_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

void check_gather(const TilePlan& plan, index_t height, index_t width, index_t picture_channels,
                  const std::vector<index_t>& channels, index_t first, index_t count) {
  if (height != plan.height() || width != plan.width()) {
    throw py::value_error("picture is " + std::to_string(width) + " x " + std::to_string(height) +
                          ", but the plan is for " + std::to_string(plan.width()) + " x " +
                          std::to_string(plan.height()));
  }
  if (channels.empty()) throw py::value_error("channels must not be empty");
  for (const index_t channel : channels) {
    if (channel < 0 || channel >= picture_channels) {
      throw py::value_error("channels must be channels of the picture (0 to " + std::to_string(picture_channels - 1) +
                            "), not " + std::to_string(channel));
    }
  }
  if (first < 0 || count < 1 || count > plan.size() || first > plan.size() - count) {
    throw py::value_error("a batch of " + std::to_string(count) + " from tile " + std::to_string(first) +
                          " is not within the plan's " + std::to_string(plan.size()) + " tiles");
  }
}

CanvasLayout make_layout(const TilePlan& plan, index_t scale, index_t planes, std::pair<float, float> value_range,
                         index_t shuffle, bool adds_base) {
  return CanvasLayout(plan, scale, planes, ValueRange{value_range.first, value_range.second}, Tail{shuffle, adds_base});
}

std::pair<index_t, index_t> checked_band(const CanvasLayout& layout, index_t row) {
  if (row < 0 || row >= layout.plan().rows()) {
    throw py::index_error("row " + std::to_string(row) + " is out of range for a plan of " +
                          std::to_string(layout.plan().rows()) + " rows");
  }
  const Band band = layout.band(row);
  return {band.begin, band.end};
}

void check_index(const TilePlan& plan, index_t index) {
  if (index < 0 || index >= plan.size()) {
    throw py::index_error("tile " + std::to_string(index) + " is out of range for a plan of " +
                          std::to_string(plan.size()) + " tiles");
  }
}

std::vector<index_t> result_shape(const CanvasLayout& layout) {
  const index_t shuffle = layout.tail().shuffle;
  const index_t scale = layout.scale() / shuffle;
  return {layout.planes() * shuffle * shuffle, layout.plan().tile_height() * scale, layout.plan().tile_width() * scale};
}

std::vector<index_t> base_shape(const CanvasLayout& layout) {
  return {layout.planes(), layout.plan().tile_height(), layout.plan().tile_width()};
}

void check_base(const CanvasLayout& layout, bool is_given) {
  const bool is_needed = layout.tail().adds_base;
  if (is_needed == is_given) return;
  throw py::value_error(is_needed ? "base is required because the canvas was made with adds_base=True"
                                  : "base must be None because the canvas was made with adds_base=False");
}

index_t check_target(const CanvasLayout& layout, index_t index, index_t height, index_t width, index_t target_channels,
                     index_t first_channel, std::optional<index_t> channels) {
  const Band band = layout.band(index / layout.plan().columns());
  if (height != band.end - band.begin || width != layout.width()) {
    throw py::value_error("target must be the tile's band, " + std::to_string(band.end - band.begin) + " rows of " +
                          std::to_string(layout.width()) + " pixels, not " + std::to_string(height) + " rows of " +
                          std::to_string(width));
  }
  const index_t count = channels.value_or(layout.planes());
  if (count != 1 && count != layout.planes()) {
    throw py::value_error("channels must be 1 or " + std::to_string(layout.planes()) + ", not " +
                          std::to_string(count));
  }
  if (first_channel < 0 || count > target_channels || first_channel > target_channels - count) {
    throw py::value_error(std::to_string(count) + " channels from first_channel " + std::to_string(first_channel) +
                          " are not within the target's " + std::to_string(target_channels));
  }
  return count;
}

}  // namespace tilewright::bindings
