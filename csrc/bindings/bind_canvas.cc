#include <pybind11/stl.h>

#include <optional>

#include "bindings/arguments.h"
#include "bindings/arrays.h"
#include "core/canvas.h"

namespace tilewright::bindings {
namespace {

constexpr const char* kCanvasDoc = R"(Blends tiles, in the plan's order, into bands of finished rows.

A canvas must not be used by two threads at once.
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
    isa: Instruction set. None means ``default_isa()``.

Raises:
    ValueError: An argument is out of range.
)";

constexpr const char* kBlendDoc = R"(Blends one tile and writes the pixels that it completes.

Args:
    index: The next tile, or the last one again.
    result: float32 or float16 [planes, tile_height * scale, tile_width * scale], C-contiguous. With
        a shuffle, [planes * scale * scale, tile_height, tile_width].
    target: uint8 or uint16 [rows of the tile's band, output width, channels].
    first_channel: First channel of the target to write.
    channels: Number of channels to write: all planes, or 1 for their mean. None means all planes.
    base: The network's input, float32 [planes, tile_height, tile_width], C-contiguous. Required if
        the canvas adds it, else None.

Returns:
    The number of non-finite values among those that contribute to the output. The samples written
    for them are unspecified.

Raises:
    TypeError: An array has the wrong dtype.
    ValueError: An array has the wrong shape or layout, or the tile is out of order.
    IndexError: The tile does not exist.
)";

index_t blend(Canvas& canvas, index_t index, const py::array& result, py::array& target, index_t first_channel,
              std::optional<index_t> channels_or_all, const std::optional<py::array>& base) {
  const CanvasLayout& layout = canvas.layout();
  check_index(layout.plan(), index);
  check_contiguous("result", result, result_shape(layout), false);
  check_base(layout, base.has_value());
  PlanarView<const float> base_view{};
  if (base) {
    check_contiguous("base", *base, base_shape(layout), false);
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
  py::class_<Canvas>(module, "Canvas", kCanvasDoc)
      .def(py::init([](const TilePlan& plan, index_t scale, index_t planes, std::pair<float, float> value_range,
                       index_t shuffle, bool adds_base, const std::optional<std::string>& isa) {
             return Canvas(make_layout(plan, scale, planes, value_range, shuffle, adds_base),
                           isa ? parse_isa(*isa) : default_isa());
           }),
           py::arg("plan"), py::arg("scale"), py::kw_only(), py::arg("planes") = 3,
           py::arg("value_range") = std::pair{0.0F, 1.0F}, py::arg("shuffle") = 1, py::arg("adds_base") = false,
           py::arg("isa") = py::none(), kInitDoc)
      .def(
          "band", [](const Canvas& canvas, index_t row) { return checked_band(canvas.layout(), row); }, py::arg("row"),
          "Returns the output rows (begin, end) that are final after this row of tiles.")
      .def("blend", &blend, py::arg("index"), py::arg("result"), py::arg("target"), py::arg("first_channel") = 0,
           py::arg("channels") = py::none(), py::kw_only(), py::arg("base") = py::none(), kBlendDoc);
}

}  // namespace tilewright::bindings
