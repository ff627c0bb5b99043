#include <pybind11/pybind11.h>

#include "bindings/arguments.h"
#include "core/tile_plan.h"

namespace tilewright::bindings {
namespace {

constexpr const char* kPlanDoc = R"(Tiles of equal size that cover a picture, in rows from the top left.

Args:
    width: Picture width in pixels.
    height: Picture height in pixels.
    tile_width: Tile width in pixels, a multiple of ``multiple``.
    tile_height: Tile height in pixels, a multiple of ``multiple``.
    halo: Minimum context at inner edges, in pixels.
    feather: Width of the cross-fade between neighbouring tiles, in pixels.
    multiple: Tile origins are multiples of this.
    grid: Tile origins are multiples of this too. Where there are several tiles, the picture's size,
        rounded up to ``multiple``, and the tile's must differ by a multiple of it.

Raises:
    ValueError: The lengths admit no plan.
)";

constexpr const char* kBandsDoc = R"(Returns a plan of bands over the whole width, without overlap.

It is for networks that keep what they need of the rows above. The last band extends beyond the
bottom border if the height is not a multiple of ``rows``.

Raises:
    ValueError: An argument is out of range.
)";

constexpr const char* kSmallestTileDoc = R"(Returns the minimum tile size for pictures that need more than one tile.

Raises:
    ValueError: An argument is out of range.
)";

std::string span_text(const Span& span) {
  return "Span(origin=" + std::to_string(span.origin) + ", begin=" + std::to_string(span.begin) +
         ", end=" + std::to_string(span.end) + ", lead=" + std::to_string(span.lead) +
         ", trail=" + std::to_string(span.trail) + ")";
}

}  // namespace

void bind_plan(py::module_& module) {
  py::class_<Span>(module, "Span", "One tile's extent along an axis, in input pixels.")
      .def_readonly("origin", &Span::origin, "First pixel of the network's input.")
      .def_readonly("begin", &Span::begin, "First pixel that the tile owns.")
      .def_readonly("end", &Span::end, "One past the last pixel that the tile owns.")
      .def_readonly("lead", &Span::lead, "Pixels from `begin` on that are cross-faded from the previous tile.")
      .def_readonly("trail", &Span::trail, "Pixels from `end` on that are cross-faded to the next tile.")
      .def("__repr__", &span_text);

  py::class_<Tile>(module, "Tile", "A rectangle of the network's input and the part of it that the tile owns.")
      .def_readonly("x", &Tile::x)
      .def_readonly("y", &Tile::y);

  py::class_<TilePlan>(module, "TilePlan", kPlanDoc)
      .def(py::init<index_t, index_t, index_t, index_t, index_t, index_t, index_t, index_t>(), py::arg("width"),
           py::arg("height"), py::kw_only(), py::arg("tile_width"), py::arg("tile_height"), py::arg("halo") = 0,
           py::arg("feather") = 0, py::arg("multiple") = 1, py::arg("grid") = 1)
      .def_property_readonly("width", &TilePlan::width)
      .def_property_readonly("height", &TilePlan::height)
      .def_property_readonly("tile_width", &TilePlan::tile_width)
      .def_property_readonly("tile_height", &TilePlan::tile_height)
      .def_property_readonly("halo", &TilePlan::halo)
      .def_property_readonly("feather", &TilePlan::feather)
      .def_property_readonly("multiple", &TilePlan::multiple)
      .def_property_readonly("columns", &TilePlan::columns)
      .def_property_readonly("rows", &TilePlan::rows)
      .def_property_readonly("redundancy", &TilePlan::redundancy, "Pixels computed / pixels needed.")
      .def("__len__", &TilePlan::size)
      .def("__getitem__",
           [](const TilePlan& plan, index_t index) {
             check_index(plan, index);
             return plan.tile(index);
           })
      .def_property_readonly("is_bands", &TilePlan::is_bands, "Whether the plan was made by `bands`.")
      .def_static("bands", &TilePlan::bands, py::arg("width"), py::arg("height"), py::arg("rows"), kBandsDoc)
      .def_static("smallest_tile", &TilePlan::smallest_tile, py::kw_only(), py::arg("halo"), py::arg("feather"),
                  py::arg("multiple"), py::arg("grid") = 1, kSmallestTileDoc);
}

}  // namespace tilewright::bindings
