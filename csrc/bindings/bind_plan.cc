#include <pybind11/pybind11.h>

#include "core/tile_plan.h"

namespace tilewright::bindings {

namespace py = pybind11;

void bind_plan(py::module_& module) {
  py::class_<Span>(module, "Span", "One tile's share of an axis, in input pixels.")
      .def_readonly("origin", &Span::origin, "First pixel the network sees.")
      .def_readonly("begin", &Span::begin, "First pixel the tile owns.")
      .def_readonly("end", &Span::end, "One past the last pixel it owns.")
      .def_readonly("lead", &Span::lead, "Pixels from `begin` on that are faded in from the previous tile.")
      .def_readonly("trail", &Span::trail, "Pixels from `end` on that are faded out to the next tile.")
      .def("__repr__", [](const Span& span) {
        return "Span(origin=" + std::to_string(span.origin) + ", begin=" + std::to_string(span.begin) +
               ", end=" + std::to_string(span.end) + ", lead=" + std::to_string(span.lead) +
               ", trail=" + std::to_string(span.trail) + ")";
      });

  py::class_<Tile>(module, "Tile", "A rectangle of the input that the network sees, and what it owns of it.")
      .def_readonly("x", &Tile::x)
      .def_readonly("y", &Tile::y);

  py::class_<TilePlan>(module, "TilePlan", "Tiles of one shape that cover a picture, in rows from the top left.")
      .def(py::init<index_t, index_t, index_t, index_t, index_t, index_t, index_t>(), py::arg("width"),
           py::arg("height"), py::kw_only(), py::arg("tile_width"), py::arg("tile_height"), py::arg("halo") = 0,
           py::arg("feather") = 0, py::arg("multiple") = 1)
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
             if (index < 0 || index >= plan.size()) {
               throw py::index_error("tile " + std::to_string(index) + " of a plan of " + std::to_string(plan.size()));
             }
             return plan.tile(index);
           })
      .def_static("smallest_tile", &TilePlan::smallest_tile, py::kw_only(), py::arg("halo"), py::arg("feather"),
                  py::arg("multiple"), "The smallest tile length for pictures that do not fit in one.");
}

}  // namespace tilewright::bindings
