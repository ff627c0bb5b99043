#include <pybind11/stl.h>

#include <optional>

#include "bindings/arrays.h"
#include "core/canvas.h"

namespace tilewright::bindings {
namespace {

index_t blend(Canvas& canvas, index_t index, const py::array& result, py::array& target, index_t first_channel,
              std::optional<index_t> channels_or_all) {
  const TilePlan& plan = canvas.plan();
  const index_t channels = channels_or_all.value_or(canvas.planes());
  if (index < 0 || index >= plan.size()) {
    throw py::index_error("tile " + std::to_string(index) + " of a plan of " + std::to_string(plan.size()));
  }
  check_planar("result", result,
               {canvas.planes(), plan.tile_height() * canvas.scale(), plan.tile_width() * canvas.scale()}, false);
  check_image("target", target, true);
  const Band band = canvas.band(index / plan.columns());
  if (target.shape(0) != band.end - band.begin || target.shape(1) != plan.width() * canvas.scale()) {
    throw py::value_error("target must be the band of the tile, " + std::to_string(band.end - band.begin) +
                          " rows of " + std::to_string(plan.width() * canvas.scale()) + " pixels, not " +
                          std::to_string(target.shape(0)) + " of " + std::to_string(target.shape(1)));
  }
  if (channels != 1 && channels != canvas.planes()) {
    throw py::value_error("channels must be 1 or " + std::to_string(canvas.planes()) + ", not " +
                          std::to_string(channels));
  }
  if (first_channel < 0 || channels > target.shape(2) || first_channel > target.shape(2) - channels) {
    throw py::value_error("target has " + std::to_string(target.shape(2)) + " channels, not " +
                          std::to_string(channels) + " from " + std::to_string(first_channel) + " on");
  }
  return with_element("result", result, [&](auto element) {
    return with_sample("target", target, [&](auto sample) {
      using Element = decltype(element);
      using Sample = decltype(sample);
      const PlanarView<const Element> view{static_cast<const Element*>(result.data()), result.shape(2), result.shape(1),
                                           result.shape(0)};
      const auto pixels = image_view<Sample>(target);
      const py::gil_scoped_release release;
      return canvas.blend(index, view, pixels, first_channel, channels);
    });
  });
}

}  // namespace

void bind_canvas(py::module_& module) {
  py::class_<Canvas>(module, "Canvas", "Blends tiles, in the plan's order, into bands of finished rows.")
      .def(py::init([](const TilePlan& plan, index_t scale, index_t planes, std::pair<float, float> value_range,
                       const std::optional<std::string>& isa) {
             return Canvas(plan, scale, planes, ValueRange{value_range.first, value_range.second},
                           isa ? parse_isa(*isa) : default_isa());
           }),
           py::arg("plan"), py::arg("scale"), py::kw_only(), py::arg("planes") = 3,
           py::arg("value_range") = std::pair{0.0F, 1.0F}, py::arg("isa") = py::none())
      .def(
          "band",
          [](const Canvas& canvas, index_t row) {
            if (row < 0 || row >= canvas.plan().rows()) {
              throw py::index_error("row " + std::to_string(row) + " of a plan of " +
                                    std::to_string(canvas.plan().rows()) + " rows");
            }
            const Band band = canvas.band(row);
            return std::pair{band.begin, band.end};
          },
          py::arg("row"), "Output rows (begin, end) that are final once this row of tiles is blended.")
      .def("blend", &blend, py::arg("index"), py::arg("result"), py::arg("target"), py::arg("first_channel") = 0,
           py::arg("channels") = py::none(),
           R"(Blends one tile and writes the pixels it completes.

Args:
    index: the next tile, or once more the last one.
    result: float32 or float16 [planes, tile_height * scale, tile_width * scale], C-contiguous.
    target: uint8 or uint16 [rows of the tile's band, output width, channels].
    first_channel: where in each pixel of the target to write.
    channels: how many to write: all planes, or 1 for their mean.

Returns:
    How many of the values that count were not finite. What is written for them has no meaning.

Raises:
    TypeError: an array of another dtype.
    ValueError: shapes or layout that do not fit, or a tile out of order.
    IndexError: no such tile.
)");
}

}  // namespace tilewright::bindings
