// What the arguments of gather and blend must be, on every device.
#pragma once

#include <pybind11/pybind11.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/canvas_layout.h"
#include "core/gather.h"
#include "core/tile_plan.h"

namespace tilewright::bindings {

namespace py = pybind11;

std::string shape_text(const std::vector<index_t>& shape);

// All throw ValueError, or IndexError where a tile or a row does not exist.

Border parse_border(const std::string& name);

// For a picture of that size, and `count` tiles from `first` on.
void check_gather(const TilePlan& plan, index_t height, index_t width, index_t picture_channels,
                  const std::vector<index_t>& channels, index_t first, index_t count);

CanvasLayout canvas_layout(const TilePlan& plan, index_t scale, index_t planes, std::pair<float, float> value_range,
                           index_t shuffle, bool adds_base);

std::pair<index_t, index_t> band_of(const CanvasLayout& layout, index_t row);

void check_index(const TilePlan& plan, index_t index);

// [planes, height, width] of a tile's result, and of the base.
std::vector<index_t> result_shape(const CanvasLayout& layout);
std::vector<index_t> base_shape(const CanvasLayout& layout);
void check_base(const CanvasLayout& layout, bool given);

// For a target of that size. Returns how many channels of it are written.
index_t check_target(const CanvasLayout& layout, index_t index, index_t height, index_t width, index_t target_channels,
                     index_t first_channel, std::optional<index_t> channels_or_all);

}  // namespace tilewright::bindings
