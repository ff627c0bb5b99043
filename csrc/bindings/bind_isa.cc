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
      "Instruction sets the kernels can run on here, ascending; the first is the scalar reference.");
  module.def(
      "default_isa", [] { return std::string(isa_name(default_isa())); },
      "The instruction set in use: the best one, or the one named by TILEWRIGHT_ISA.");
}

}  // namespace tilewright::bindings
