#include <pybind11/stl.h>

#include <optional>

#include "bindings/arguments.h"
#include "bindings/arrays.h"
#include "core/gather.h"

namespace tilewright::bindings {
namespace {

void gather_tiles(const py::array& picture, const TilePlan& plan, index_t first, py::array& batch,
                  const std::vector<index_t>& channels, std::pair<float, float> value_range, const std::string& border,
                  const std::optional<std::string>& isa_name) {
  check_image("picture", picture, false);
  const index_t planes = static_cast<index_t>(channels.size());
  const index_t count = batch.ndim() > 0 ? batch.shape(0) : 0;
  check_planar("batch", batch, {count, planes, plan.tile_height(), plan.tile_width()}, true);
  check_gather(plan, picture.shape(0), picture.shape(1), picture.shape(2), channels, first, count);
  const GatherFormat format{channels, ValueRange{value_range.first, value_range.second}, parse_border(border)};
  const Isa isa = isa_name ? parse_isa(*isa_name) : default_isa();

  with_sample("picture", picture, [&](auto sample) {
    with_element("batch", batch, [&](auto element) {
      using Sample = decltype(sample);
      using Element = decltype(element);
      const auto view = image_view<const Sample>(picture);
      auto* data = static_cast<Element*>(batch.mutable_data());
      const py::gil_scoped_release release;
      for (index_t i = 0; i < count; ++i) {
        const PlanarView<Element> tile{data + i * planes * plan.tile_height() * plan.tile_width(), plan.tile_width(),
                                       plan.tile_height(), planes};
        gather(view, plan, first + i, format, isa, tile);
      }
    });
  });
}

}  // namespace

void bind_gather(py::module_& module) {
  module.def("gather", &gather_tiles, py::arg("picture"), py::arg("plan"), py::arg("first"), py::arg("batch"),
             py::kw_only(), py::arg("channels") = std::vector<index_t>{0, 1, 2},
             py::arg("value_range") = std::pair{0.0F, 1.0F}, py::arg("border") = "mirror", py::arg("isa") = py::none(),
             R"(Fills a batch with tiles first, first + 1, … of a picture.

Args:
    picture: uint8 or uint16 [height, width, channels]; rows may be padded.
    plan: made for the picture's size.
    first: index of the first tile.
    batch: float32 or float16 [n, planes, tile_height, tile_width], C-contiguous, overwritten.
    channels: for each plane, the picture's channel that feeds it.
    value_range: the network's values for black and white.
    border: what lies beyond the picture where a tile is larger: 'mirror' or 'edge'.
    isa: instruction set, by default `default_isa()`.

Raises:
    TypeError: an array of another dtype.
    ValueError: shapes, layout or values that do not fit; the message says which.
)");
}

}  // namespace tilewright::bindings
