#include <pybind11/stl.h>

#include <optional>

#include "bindings/arguments.h"
#include "bindings/cuda/views.h"
#include "cuda/canvas.h"

namespace tilewright::bindings {
namespace {

using Count = unsigned long long;

Count* count_at(const cuda::DeviceBuffer& counts, index_t slot) {
  const index_t size = counts.nbytes() / static_cast<index_t>(sizeof(Count));
  if (slot < 0 || slot >= size) {
    throw py::value_error("not_finite has room for " + std::to_string(size) + " counts, not for number " +
                          std::to_string(slot));
  }
  return reinterpret_cast<Count*>(counts.data()) + slot;
}

void blend(cuda::Canvas& canvas, index_t index, const DeviceTensor& result, const DeviceImage& target,
           const cuda::Stream& stream, const cuda::DeviceBuffer& not_finite, index_t slot, index_t first_channel,
           std::optional<index_t> channels_or_all, const std::optional<DeviceTensor>& base) {
  const CanvasLayout& layout = canvas.layout();
  check_index(layout.plan(), index);
  result.check_tile("result", result_shape(layout));
  check_base(layout, base.has_value());
  cuda::AnyTile base_tile{};
  if (base) {
    base->check_tile("base", base_shape(layout));
    check_device("base", base->device(), stream);
    base_tile = base->tile();
  }
  const auto& [height, width, target_channels] = target.shape();
  const index_t channels = check_target(layout, index, height, width, target_channels, first_channel, channels_or_all);
  check_device("result", result.device(), stream);
  check_device("target", target.device(), stream);
  check_device("not_finite", not_finite.device(), stream);
  check_device("canvas", canvas.device(), stream);
  Count* const count = count_at(not_finite, slot);

  target.with_pixels([&](const auto& pixels) {
    result.with_batch([&](const auto& tiles) {
      using Element = std::remove_pointer_t<decltype(tiles.first.data)>;
      const cuda::TensorTile<const Element> tile{tiles.first.data, tiles.first.steps};
      const py::gil_scoped_release release;
      canvas.blend(index, tile, base_tile, pixels.data, pixels.channels, first_channel, channels, count, stream);
    });
  });
}

}  // namespace

void bind_cuda_canvas(py::module_& module) {
  py::class_<cuda::Canvas>(module, "Canvas", py::module_local(),
                           R"(Blends tiles, in the plan's order, into bands of finished rows, on a device.

Its blends are put on one stream, or on streams that wait for each other.
)")
      .def(py::init([](const TilePlan& plan, index_t scale, index_t planes, std::pair<float, float> value_range,
                       index_t shuffle, bool adds_base, int device) {
             return std::make_unique<cuda::Canvas>(canvas_layout(plan, scale, planes, value_range, shuffle, adds_base),
                                                   device);
           }),
           py::arg("plan"), py::arg("scale"), py::kw_only(), py::arg("planes") = 3,
           py::arg("value_range") = std::pair{0.0F, 1.0F}, py::arg("shuffle") = 1, py::arg("adds_base") = false,
           py::arg("device") = 0,
           R"(Args:
    plan: where the tiles lie.
    scale: output pixels per input pixel along each axis.
    planes: of the finished result, 1 or 3.
    value_range: values that stand for black and white.
    shuffle: 1, or the scale where results still are to go through ONNX's DepthToSpace in mode CRD.
    adds_base: whether the network's input, every pixel repeated, is added to a shuffled result.
    device: which it is on.

Raises:
    MemoryError: the device has not as much as the canvas keeps under feathers.
    ValueError: values that no canvas can have.
)")
      .def_property_readonly("nbytes", &cuda::Canvas::nbytes, "Memory of the device that it has.")
      .def(
          "band", [](const cuda::Canvas& canvas, index_t row) { return band_of(canvas.layout(), row); }, py::arg("row"),
          "Output rows (begin, end) that are final once this row of tiles is blended.")
      .def("blend", &blend, py::arg("index"), py::arg("result"), py::arg("target"), py::arg("stream"), py::kw_only(),
           py::arg("not_finite"), py::arg("slot") = 0, py::arg("first_channel") = 0, py::arg("channels") = py::none(),
           py::arg("base") = py::none(),
           R"(Puts on a stream: blend one tile and write the pixels it completes.

Args:
    index: the next tile, or once more the last one.
    result: (1, planes, tile_height * scale, tile_width * scale); where the canvas shuffles
        (1, planes * scale * scale, tile_height, tile_width).
    target: the tile's band.
    stream: where the work is put.
    not_finite: uint64 counts. How many of the values that count are not finite is written to number `slot`, whatever
        was there. What is written to the target for such values has no meaning.
    slot: which count.
    first_channel: where in each pixel of the target to write.
    channels: how many to write: all planes, or 1 for their mean.
    base: (1, planes, tile_height, tile_width): what the network was given, where the canvas adds it. Its dtype and
        layout may be others than the result's.

Raises:
    ValueError: shapes or devices that do not fit, or a tile out of order.
    IndexError: no such tile.
)");
}

}  // namespace tilewright::bindings
