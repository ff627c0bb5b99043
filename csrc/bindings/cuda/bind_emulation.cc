#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include "testing/emulated_device.h"

namespace tilewright::bindings {

namespace py = pybind11;

void bind_cuda_emulation(py::module_& module) {
  using namespace testing;
  module.def(
      "emulate",
      [](std::size_t memory, int devices, std::pair<int, int> capability, int driver_error, bool has_kernels) {
        set_machine({driver_error, devices, capability.first, capability.second, has_kernels, memory});
      },
      py::kw_only(), py::arg("memory") = Machine{}.memory, py::arg("devices") = 1,
      py::arg("capability") = std::pair{9, 0}, py::arg("driver_error") = 0, py::arg("has_kernels") = true,
      R"(Sets the properties of the emulated machine and cancels pending failures.

Args:
    memory: Memory of each device in bytes.
    devices: Number of devices.
    capability: Compute capability of each device.
    driver_error: cudaError_t that cudaGetDeviceCount() returns, for instance 35 without a driver. 0
        means none.
    has_kernels: Whether this build has kernels for the devices.
)");
  module.def("fail_next", &fail_next, py::arg("call"), py::arg("error"),
             "Makes the next call of a function of the CUDA runtime fail with this cudaError_t.");
  module.def(
      "watch",
      [](std::uintptr_t pointer, std::size_t nbytes) {
        watch(reinterpret_cast<const void*>(pointer), nbytes);  // NOLINT(performance-no-int-to-ptr)
      },
      py::arg("pointer"), py::arg("nbytes"), "Starts counting the writes of kernels to these bytes.");
  module.def(
      "writes",
      [] {
        const std::vector<std::uint8_t> counts = writes();
        return py::array_t<std::uint8_t>(static_cast<py::ssize_t>(counts.size()), counts.data());
      },
      "Returns the number of writes to each watched byte, uint8 [nbytes], at most 255.");
}

}  // namespace tilewright::bindings
