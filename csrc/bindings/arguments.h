// Argument checks that the host and CUDA bindings of gather and blend share.
//
// All functions throw ValueError, or IndexError for a tile or row that does not exist.
#pragma once

#include <pybind11/pybind11.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/canvas_layout.h"
#include "core/tile_plan.h"

namespace tilewright::bindings {

namespace py = pybind11;

std::string shape_text(const std::vector<index_t>& shape);

// Checks a gather of `count` tiles, starting with tile `first`, from a picture of the given size.
void check_gather(const TilePlan& plan, index_t height, index_t width, index_t picture_channels,
                  const std::vector<index_t>& channels, index_t first, index_t count);

CanvasLayout make_layout(const TilePlan& plan, index_t scale, index_t planes, std::pair<float, float> value_range,
                         index_t shuffle, bool adds_base);

std::pair<index_t, index_t> checked_band(const CanvasLayout& layout, index_t row);

void check_index(const TilePlan& plan, index_t index);

// The required shapes [planes, height, width] of a tile's result and base.
std::vector<index_t> result_shape(const CanvasLayout& layout);
std::vector<index_t> base_shape(const CanvasLayout& layout);

// Checks that a base is given if, and only if, the canvas adds it.
void check_base(const CanvasLayout& layout, bool is_given);

// Checks the blend of tile `index` into a target of the given size. Returns the number of channels
// to write. `channels`: std::nullopt means all planes.
index_t check_target(const CanvasLayout& layout, index_t index, index_t height, index_t width, index_t target_channels,
                     index_t first_channel, std::optional<index_t> channels);

}  // namespace tilewright::bindings
