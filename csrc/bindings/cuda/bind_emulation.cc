#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include "testing/emulated_device.h"

namespace tilewright::bindings {

namespace py = pybind11;

void bind_cuda_emulation(py::module_& module) {
  using namespace cuda::emulated;
  module.def(
      "emulate",
      [](std::size_t memory, int devices, std::pair<int, int> capability, int driver_error, bool has_kernels) {
        set_machine({driver_error, devices, capability.first, capability.second, has_kernels, memory});
      },
      py::kw_only(), py::arg("memory") = Machine{}.memory, py::arg("devices") = 1,
      py::arg("capability") = std::pair{9, 0}, py::arg("driver_error") = 0, py::arg("has_kernels") = true,
      R"(Sets what the machine is like, and forgets failures that are yet to come.

Args:
    memory: bytes of each device.
    devices: how many.
    capability: compute capability of each.
    driver_error: number of the error that the question for devices gives: 35 without a driver.
    has_kernels: whether the kernels can run on the devices.
)");
  module.def("fail_next", &fail_next, py::arg("call"), py::arg("error"),
             "Lets the next call of this function of the CUDA runtime fail with this error, by its number.");
  module.def(
      "watch",
      [](std::uintptr_t pointer, std::size_t nbytes) { watch(reinterpret_cast<const void*>(pointer), nbytes); },
      py::arg("pointer"), py::arg("nbytes"), "From now on counts what kernels write to these bytes.");
  module.def(
      "writes",
      [] {
        const std::vector<std::uint8_t> counts = writes();
        return py::array_t<std::uint8_t>(static_cast<py::ssize_t>(counts.size()), counts.data());
      },
      "How often each of the watched bytes was written, uint8 [nbytes], 255 for all above.");
}

}  // namespace tilewright::bindings
