#include <pybind11/stl.h>

#include <cmath>

#include "bindings/arguments.h"
#include "bindings/cuda/device_arrays.h"
#include "cuda/gather.h"

namespace tilewright::bindings {
namespace {

constexpr const char* kDoc = R"(Enqueues filling a batch with consecutive tiles of a picture.

Where a tile extends beyond the picture, the picture is mirrored at its edge pixels.

Args:
    picture: Image of the plan's size.
    plan: Plan for the picture's size.
    first: Index of the first tile.
    batch: (n, planes, tile_height, tile_width); overwritten.
    stream: Stream for the work.
    channels: The source channel of each plane; at most 16.
    value_range: The network's values for black and white.

Raises:
    ValueError: A shape, a device or another argument does not fit.
)";

void gather_tiles(const DeviceImage& picture, const TilePlan& plan, index_t first, const DeviceTensor& batch,
                  const cuda::Stream& stream, const std::vector<index_t>& channels,
                  std::pair<float, float> value_range) {
  const auto& [height, width, picture_channels] = picture.shape();
  const index_t planes = static_cast<index_t>(channels.size());
  const index_t count = batch.shape()[0];
  check_gather(plan, height, width, picture_channels, channels, first, count);
  if (planes > cuda::kMaxPlanes) {
    throw py::value_error("channels must have at most " + std::to_string(cuda::kMaxPlanes) + " entries, not " +
                          std::to_string(planes));
  }
  batch.tiles(0, 1).check_tile("a tile of the batch", {planes, plan.tile_height(), plan.tile_width()});
  if (!std::isfinite(value_range.second - value_range.first)) throw py::value_error("value_range must be finite");
  check_device("picture", picture.device(), stream);
  check_device("batch", batch.device(), stream);
  const GatherFormat format{channels, ValueRange{value_range.first, value_range.second}};

  picture.with_view([&](const auto& pixels) {
    batch.with_view([&](const auto& tiles) {
      using Sample = std::remove_pointer_t<decltype(pixels.data)>;
      const cuda::DeviceImageView<const Sample> source{pixels.data, pixels.width, pixels.height, pixels.channels};
      const py::gil_scoped_release release;
      cuda::gather(source, plan, first, count, format, tiles, stream);
    });
  });
}

}  // namespace

void bind_cuda_gather(py::module_& module) {
  module.def("gather", &gather_tiles, py::arg("picture"), py::arg("plan"), py::arg("first"), py::arg("batch"),
             py::arg("stream"), py::kw_only(), py::arg("channels") = std::vector<index_t>{0, 1, 2},
             py::arg("value_range") = std::pair{0.0F, 1.0F}, kDoc);
}

}  // namespace tilewright::bindings
