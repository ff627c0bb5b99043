#include <pybind11/stl.h>

#include <optional>

#include "bindings/arguments.h"
#include "bindings/cuda/device_arrays.h"
#include "cuda/canvas.h"

namespace tilewright::bindings {
namespace {

constexpr const char* kCanvasDoc = R"(Blends tiles, in the plan's order, into bands of finished rows on a device.

All blends must be on one stream, or on streams that wait for each other. A canvas must not be used
by two threads at once.
)";

constexpr const char* kInitDoc = R"(Creates a canvas.

Args:
    plan: Positions of the tiles.
    scale: Output pixels per input pixel along each axis.
    planes: Planes of the finished result, 1 or 3.
    value_range: The network's values for black and white.
    shuffle: 1, or the scale if the canvas applies a final DepthToSpace (ONNX mode CRD) to the
        results.
    adds_base: Whether the canvas adds the network's input, each pixel repeated, to a shuffled
        result.
    device: CUDA device.

Raises:
    MemoryError: The device does not have enough free memory for the values under feathers.
    ValueError: An argument is out of range.
)";

constexpr const char* kBlendDoc = R"(Enqueues blending one tile and writing the pixels that it completes.

Args:
    index: The next tile, or the last one again.
    result: (1, planes, tile_height * scale, tile_width * scale). With a shuffle, (1, planes * scale
        * scale, tile_height, tile_width).
    target: The tile's band.
    stream: Stream for the work.
    nonfinite: Buffer of at least 8 bytes. Its first uint64 is set to the number of non-finite
        values among those that contribute to the output. The samples written for them are
        unspecified.
    first_channel: First channel of the target to write.
    channels: Number of channels to write: all planes, or 1 for their mean. None means all planes.
    base: The network's input, (1, planes, tile_height, tile_width). Required if the canvas adds it,
        else None. Its dtype and layout may differ from the result's.

Raises:
    ValueError: A shape or device does not fit, or the tile is out of order.
    IndexError: The tile does not exist.
)";

using Count = unsigned long long;

// The part of the output that a blend writes.
struct BlendTarget {
  const DeviceImage& band;
  index_t first_channel;
  std::optional<index_t> channels;
};

Count* count_in(const cuda::DeviceBuffer& buffer) {
  constexpr index_t kBytes = sizeof(Count);
  if (buffer.nbytes() < kBytes) {
    throw py::value_error("nonfinite must have at least " + std::to_string(kBytes) + " bytes, not " +
                          std::to_string(buffer.nbytes()));
  }
  return reinterpret_cast<Count*>(buffer.data());
}

void blend(cuda::Canvas& canvas, index_t index, const DeviceTensor& result, const std::optional<DeviceTensor>& base,
           const BlendTarget& target, const cuda::DeviceBuffer& nonfinite, const cuda::Stream& stream) {
  const CanvasLayout& layout = canvas.layout();
  check_index(layout.plan(), index);
  result.check_tile("result", result_shape(layout));
  check_base(layout, base.has_value());
  cuda::AnyDeviceTensorView base_view{};
  if (base) {
    base->check_tile("base", base_shape(layout));
    check_device("base", base->device(), stream);
    base_view = base->any_view();
  }
  const auto& [height, width, target_channels] = target.band.shape();
  const index_t channels =
      check_target(layout, index, height, width, target_channels, target.first_channel, target.channels);
  check_device("result", result.device(), stream);
  check_device("target", target.band.device(), stream);
  check_device("nonfinite", nonfinite.device(), stream);
  check_device("canvas", canvas.device(), stream);
  Count* const count = count_in(nonfinite);

  target.band.with_view([&](const auto& band) {
    result.with_view([&](const auto& tile) {
      using Element = std::remove_pointer_t<decltype(tile.data)>;
      const cuda::DeviceTensorView<const Element> source{tile.data, tile.strides};
      const py::gil_scoped_release release;
      canvas.blend(index, source, base_view, band, target.first_channel, channels, count, stream);
    });
  });
}

}  // namespace

void bind_cuda_canvas(py::module_& module) {
  py::class_<cuda::Canvas>(module, "Canvas", py::module_local(), kCanvasDoc)
      .def(py::init([](const TilePlan& plan, index_t scale, index_t planes, std::pair<float, float> value_range,
                       index_t shuffle, bool adds_base, int device) {
             return std::make_unique<cuda::Canvas>(make_layout(plan, scale, planes, value_range, shuffle, adds_base),
                                                   device);
           }),
           py::arg("plan"), py::arg("scale"), py::kw_only(), py::arg("planes") = 3,
           py::arg("value_range") = std::pair{0.0F, 1.0F}, py::arg("shuffle") = 1, py::arg("adds_base") = false,
           py::arg("device") = 0, kInitDoc)
      .def_property_readonly("nbytes", &cuda::Canvas::nbytes, "Size of its device memory in bytes.")
      .def(
          "band", [](const cuda::Canvas& canvas, index_t row) { return checked_band(canvas.layout(), row); },
          py::arg("row"), "Returns the output rows (begin, end) that are final after this row of tiles.")
      .def(
          "blend",
          [](cuda::Canvas& canvas, index_t index, const DeviceTensor& result, const DeviceImage& target,
             const cuda::Stream& stream, const cuda::DeviceBuffer& nonfinite, index_t first_channel,
             std::optional<index_t> channels, const std::optional<DeviceTensor>& base) {
            blend(canvas, index, result, base, {target, first_channel, channels}, nonfinite, stream);
          },
          py::arg("index"), py::arg("result"), py::arg("target"), py::arg("stream"), py::kw_only(),
          py::arg("nonfinite"), py::arg("first_channel") = 0, py::arg("channels") = py::none(),
          py::arg("base") = py::none(), kBlendDoc);
}

}  // namespace tilewright::bindings
