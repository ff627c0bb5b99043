#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "core/isa.h"

namespace tilewright::bindings {

namespace py = pybind11;

void bind_isa(py::module_& module) {
  module.def(
      "available_isas",
      [] {
        std::vector<std::string> names;
        for (const Isa isa : available_isas()) names.emplace_back(isa_name(isa));
        return names;
      },
      "Returns the instruction sets that the kernels can use on this CPU, in ascending order, starting with 'scalar'.");
  module.def(
      "default_isa", [] { return std::string(isa_name(default_isa())); },
      "Returns the instruction set in use: the best one, or the one that TILEWRIGHT_ISA names.");
}

}  // namespace tilewright::bindings
