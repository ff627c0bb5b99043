#include <pybind11/stl.h>

#include <optional>

#include "bindings/arguments.h"
#include "bindings/arrays.h"
#include "core/canvas.h"

namespace tilewright::bindings {
namespace {

index_t blend(Canvas& canvas, index_t index, const py::array& result, py::array& target, index_t first_channel,
              std::optional<index_t> channels_or_all, const std::optional<py::array>& base) {
  const CanvasLayout& layout = canvas.layout();
  check_index(layout.plan(), index);
  check_planar("result", result, result_shape(layout), false);
  check_base(layout, base.has_value());
  PlanarView<const float> base_view{};
  if (base) {
    check_planar("base", *base, base_shape(layout), false);
    if (element_code(*base) != "f4") throw_dtype("base", "float32", *base);
    base_view = {static_cast<const float*>(base->data()), base->shape(2), base->shape(1), base->shape(0)};
  }
  check_image("target", target, true);
  const index_t channels =
      check_target(layout, index, target.shape(0), target.shape(1), target.shape(2), first_channel, channels_or_all);
  return with_element("result", result, [&](auto element) {
    return with_sample("target", target, [&](auto sample) {
      using Element = decltype(element);
      using Sample = decltype(sample);
      const PlanarView<const Element> view{static_cast<const Element*>(result.data()), result.shape(2), result.shape(1),
                                           result.shape(0)};
      const auto pixels = image_view<Sample>(target);
      const py::gil_scoped_release release;
      return canvas.blend(index, view, base_view, pixels, first_channel, channels);
    });
  });
}

}  // namespace

void bind_canvas(py::module_& module) {
  py::class_<Canvas>(module, "Canvas", "Blends tiles, in the plan's order, into bands of finished rows.")
      .def(py::init([](const TilePlan& plan, index_t scale, index_t planes, std::pair<float, float> value_range,
                       index_t shuffle, bool adds_base, const std::optional<std::string>& isa) {
             return Canvas(canvas_layout(plan, scale, planes, value_range, shuffle, adds_base),
                           isa ? parse_isa(*isa) : default_isa());
           }),
           py::arg("plan"), py::arg("scale"), py::kw_only(), py::arg("planes") = 3,
           py::arg("value_range") = std::pair{0.0F, 1.0F}, py::arg("shuffle") = 1, py::arg("adds_base") = false,
           py::arg("isa") = py::none(),
           R"(Args:
    plan: where the tiles lie.
    scale: output pixels per input pixel along each axis.
    planes: of the finished result, 1 or 3.
    value_range: values that stand for black and white.
    shuffle: 1, or the scale where results still are to go through ONNX's DepthToSpace in mode CRD.
    adds_base: whether the network's input, every pixel repeated, is added to a shuffled result.
    isa: instruction set; by default the best there is.
)")
      .def(
          "band", [](const Canvas& canvas, index_t row) { return band_of(canvas.layout(), row); }, py::arg("row"),
          "Output rows (begin, end) that are final once this row of tiles is blended.")
      .def("blend", &blend, py::arg("index"), py::arg("result"), py::arg("target"), py::arg("first_channel") = 0,
           py::arg("channels") = py::none(), py::kw_only(), py::arg("base") = py::none(),
           R"(Blends one tile and writes the pixels it completes.

Args:
    index: the next tile, or once more the last one.
    result: float32 or float16 [planes, tile_height * scale, tile_width * scale], C-contiguous; where the canvas
        shuffles [planes * scale * scale, tile_height, tile_width].
    target: uint8 or uint16 [rows of the tile's band, output width, channels].
    first_channel: where in each pixel of the target to write.
    channels: how many to write: all planes, or 1 for their mean.
    base: float32 [planes, tile_height, tile_width], C-contiguous: what the network was given, where the canvas adds it.

Returns:
    How many of the values that count were not finite. What is written for them has no meaning.

Raises:
    TypeError: an array of another dtype.
    ValueError: shapes or layout that do not fit, or a tile out of order.
    IndexError: no such tile.
)");
}

}  // namespace tilewright::bindings
