#include <pybind11/stl.h>

#include <cmath>

#include "bindings/arguments.h"
#include "bindings/cuda/views.h"

namespace tilewright::bindings {
namespace {

void gather_tiles(const DeviceImage& picture, const TilePlan& plan, index_t first, const DeviceTensor& batch,
                  const cuda::Stream& stream, const std::vector<index_t>& channels, std::pair<float, float> value_range,
                  const std::string& border) {
  const auto& [height, width, picture_channels] = picture.shape();
  const index_t planes = static_cast<index_t>(channels.size());
  const index_t count = batch.shape()[0];
  check_gather(plan, height, width, picture_channels, channels, first, count);
  if (planes > cuda::kMostPlanes) {
    throw py::value_error("channels must be " + std::to_string(cuda::kMostPlanes) + " at most, not " +
                          std::to_string(planes));
  }
  for (index_t i = 0; i < count; ++i) {
    batch.tiles(i, i + 1).check_tile("a tile of the batch", {planes, plan.tile_height(), plan.tile_width()});
  }
  if (!std::isfinite(value_range.second - value_range.first)) throw py::value_error("value range must be finite");
  check_device("picture", picture.device(), stream);
  check_device("batch", batch.device(), stream);
  const GatherFormat format{channels, ValueRange{value_range.first, value_range.second}, parse_border(border)};

  picture.with_pixels([&](const auto& pixels) {
    batch.with_batch([&](const auto& tiles) {
      using Sample = std::remove_pointer_t<decltype(pixels.data)>;
      const cuda::Pixels<const Sample> source{pixels.data, pixels.width, pixels.height, pixels.channels};
      const py::gil_scoped_release release;
      cuda::gather(source, plan, first, count, format, tiles, stream);
    });
  });
}

}  // namespace

void bind_cuda_gather(py::module_& module) {
  module.def("gather", &gather_tiles, py::arg("picture"), py::arg("plan"), py::arg("first"), py::arg("batch"),
             py::arg("stream"), py::kw_only(), py::arg("channels") = std::vector<index_t>{0, 1, 2},
             py::arg("value_range") = std::pair{0.0F, 1.0F}, py::arg("border") = "mirror",
             R"(Puts on a stream: fill a batch with tiles first, first + 1, … of a picture.

Args:
    picture: of the plan's size.
    plan: made for the picture's size.
    first: index of the first tile.
    batch: (n, planes, tile_height, tile_width), overwritten.
    stream: where the work is put.
    channels: for each plane, the picture's channel that feeds it; 16 at most.
    value_range: the network's values for black and white.
    border: what lies beyond the picture where a tile is larger: 'mirror' or 'edge'.

Raises:
    ValueError: shapes, devices or values that do not fit; the message says which.
)");
}

}  // namespace tilewright::bindings
