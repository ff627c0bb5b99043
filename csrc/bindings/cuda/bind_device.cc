#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "cuda/stream.h"

namespace tilewright::bindings {

namespace py = pybind11;

using WithoutGil = py::call_guard<py::gil_scoped_release>;

void bind_cuda_device(py::module_& module) {
  py::register_local_exception<cuda::CudaError>(module, "CudaError", PyExc_RuntimeError).doc() =
      "A call of the CUDA runtime failed; the message names the call, the error and what it means.";

  module.def("problem", &cuda::problem, py::arg("device") = 0,
             "Why no kernel can run on this device, in one line; None when they can.");
  module.def("device_name", &cuda::device_name, py::arg("device") = 0);
  module.def(
      "memory",
      [](int device) {
        const cuda::Memory memory = cuda::memory(device);
        return std::pair{memory.free, memory.total};
      },
      py::arg("device") = 0, "Bytes of the device that are free, and all that it has.");

  py::class_<cuda::Stream> stream(module, "Stream", py::module_local(),
                                  "A stream that neither waits for the default stream nor is waited for by it.");
  py::class_<cuda::Event> event(module, "Event", py::module_local(), "A mark in a stream's work.");
  stream.def(py::init<int>(), py::arg("device") = 0)
      .def_property_readonly(
          "handle", [](const cuda::Stream& self) { return reinterpret_cast<std::uintptr_t>(self.handle()); },
          "The cudaStream_t, for other libraries.")
      .def_property_readonly("device", &cuda::Stream::device)
      .def("synchronize", &cuda::Stream::synchronize, WithoutGil(), "Waits until all its work is done.")
      .def("wait", &cuda::Stream::wait, WithoutGil(), py::arg("event"),
           "Lets later work wait for what the event has recorded; this call does not wait.");
  event.def(py::init<int>(), py::arg("device") = 0)
      .def("record", &cuda::Event::record, WithoutGil(), py::arg("stream"))
      .def("synchronize", &cuda::Event::synchronize, WithoutGil(),
           "Waits until the work before the last record is done; not at all when there was none.")
      .def("elapsed_ms", &cuda::Event::elapsed_ms, py::arg("since"),
           "Milliseconds between two recorded events that are both done.");
}

}  // namespace tilewright::bindings
