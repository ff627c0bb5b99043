#include <pybind11/stl.h>

#include <optional>

#include "bindings/arguments.h"
#include "bindings/arrays.h"
#include "core/gather.h"

namespace tilewright::bindings {
namespace {

constexpr const char* kGatherDoc = R"(Fills a batch with consecutive tiles of a picture.

Where a tile extends beyond the picture, the picture is mirrored at its edge pixels.

Args:
    picture: uint8 or uint16 [height, width, channels]; rows may be padded.
    plan: Plan for the picture's size.
    first: Index of the first tile.
    batch: float32 [n, planes, tile_height, tile_width], C-contiguous; overwritten.
    channels: The source channel of each plane.
    value_range: The network's values for black and white.
    isa: Instruction set. None means ``default_isa()``.

Raises:
    TypeError: An array has the wrong dtype.
    ValueError: An array has the wrong shape or layout, or another argument is out of range.
)";

void gather_tiles(const py::array& picture, const TilePlan& plan, index_t first, py::array& batch,
                  const std::vector<index_t>& channels, std::pair<float, float> value_range,
                  const std::optional<std::string>& isa_name) {
  check_image("picture", picture, false);
  const index_t planes = static_cast<index_t>(channels.size());
  const index_t count = batch.ndim() > 0 ? batch.shape(0) : 0;
  check_contiguous("batch", batch, {count, planes, plan.tile_height(), plan.tile_width()}, true);
  if (element_code(batch) != "f4") throw_dtype("batch", "float32", batch);
  check_gather(plan, picture.shape(0), picture.shape(1), picture.shape(2), channels, first, count);
  const GatherFormat format{channels, ValueRange{value_range.first, value_range.second}};
  const Isa isa = isa_name ? parse_isa(*isa_name) : default_isa();

  with_sample("picture", picture, [&](auto sample) {
    using Sample = decltype(sample);
    const auto view = image_view<const Sample>(picture);
    auto* data = static_cast<float*>(batch.mutable_data());
    const py::gil_scoped_release release;
    for (index_t i = 0; i < count; ++i) {
      const PlanarView<float> tile{data + i * planes * plan.tile_height() * plan.tile_width(), plan.tile_width(),
                                   plan.tile_height(), planes};
      gather(view, plan, first + i, format, isa, tile);
    }
  });
}

}  // namespace

void bind_gather(py::module_& module) {
  module.def("gather", &gather_tiles, py::arg("picture"), py::arg("plan"), py::arg("first"), py::arg("batch"),
             py::kw_only(), py::arg("channels") = std::vector<index_t>{0, 1, 2},
             py::arg("value_range") = std::pair{0.0F, 1.0F}, py::arg("isa") = py::none(), kGatherDoc);
}

}  // namespace tilewright::bindings
