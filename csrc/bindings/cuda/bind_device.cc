#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "cuda/stream.h"

namespace tilewright::bindings {

namespace py = pybind11;

using WithoutGil = py::call_guard<py::gil_scoped_release>;

void bind_cuda_device(py::module_& module) {
  py::register_local_exception<cuda::CudaError>(module, "CudaError", PyExc_RuntimeError).doc() =
      "A call of the CUDA runtime failed. The message names the call and the error.";

  module.def("problem", &cuda::problem, py::arg("device") = 0,
             "Returns the reason why kernels cannot run on a device, in one line, or None if they can.");
  module.def("device_name", &cuda::device_name, py::arg("device") = 0, "Returns the name of a device.");
  module.def(
      "memory",
      [](int device) {
        const cuda::Memory memory = cuda::memory(device);
        return std::pair{memory.free, memory.total};
      },
      py::arg("device") = 0, "Returns the free and the total memory of a device in bytes.");

  py::class_<cuda::Stream> stream(module, "Stream", py::module_local(),
                                  "A CUDA stream that does not synchronise with the default stream.");
  py::class_<cuda::Event> event(module, "Event", py::module_local(), "A CUDA event: a mark in the work of a stream.");
  stream.def(py::init<int>(), py::arg("device") = 0)
      .def_property_readonly(
          "handle", [](const cuda::Stream& self) { return reinterpret_cast<std::uintptr_t>(self.handle()); },
          "The cudaStream_t, for other libraries.")
      .def_property_readonly("device", &cuda::Stream::device)
      .def("synchronize", &cuda::Stream::synchronize, WithoutGil(), "Waits until all enqueued work is done.")
      .def("wait", &cuda::Stream::wait, WithoutGil(), py::arg("event"),
           "Makes work that is enqueued later wait for the event. Returns at once.");
  event.def(py::init<int>(), py::arg("device") = 0)
      .def("record", &cuda::Event::record, WithoutGil(), py::arg("stream"), "Marks the current end of a stream's work.")
      .def("synchronize", &cuda::Event::synchronize, WithoutGil(),
           "Waits until the work before the last record is done. Returns at once if there was none.")
      .def("elapsed_ms", &cuda::Event::elapsed_ms, py::arg("since"),
           "Returns the milliseconds from `since` to this event. Both must be recorded and done.");
}

}  // namespace tilewright::bindings
