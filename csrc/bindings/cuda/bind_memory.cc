#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <memory>
#include <vector>

#include "bindings/cuda/views.h"

namespace tilewright::bindings {
namespace {

index_t checked_size(index_t nbytes) {
  if (nbytes < 1) throw py::value_error("nbytes must be 1 or more, not " + std::to_string(nbytes));
  return nbytes;
}

py::array pinned_array(const py::object& self, const std::vector<index_t>& shape, const py::object& dtype_or_name,
                       index_t offset) {
  const auto& buffer = self.cast<const cuda::PinnedBuffer&>();
  const py::dtype dtype = py::dtype::from_args(dtype_or_name);
  index_t bytes = dtype.itemsize();
  for (const index_t length : shape) {
    if (length < 0 || (length > 0 && bytes > buffer.nbytes() / length)) {
      throw py::value_error("shape does not fit in a buffer of " + std::to_string(buffer.nbytes()) + " bytes");
    }
    bytes *= length;
  }
  check_range(offset, bytes, buffer.nbytes());
  if (offset % dtype.itemsize() != 0) {
    throw py::value_error("offset must be a multiple of " + std::to_string(dtype.itemsize()) + ", not " +
                          std::to_string(offset));
  }
  return py::array(dtype, shape, buffer.data() + offset, self);
}

void check_copied(const py::array& array, const cuda::DeviceBuffer& buffer, const cuda::Stream& stream,
                  index_t offset) {
  if ((array.flags() & py::array::c_style) == 0) throw py::value_error("array must be C-contiguous");
  check_device("buffer", buffer.device(), stream);
  check_range(offset, array.nbytes(), buffer.nbytes());
}

void upload(const py::array& array, const cuda::DeviceBuffer& buffer, const cuda::Stream& stream, index_t offset) {
  check_copied(array, buffer, stream, offset);
  const py::gil_scoped_release release;
  cuda::upload(array.data(), array.nbytes(), buffer, offset, stream);
}

void download(const cuda::DeviceBuffer& buffer, py::array& array, const cuda::Stream& stream, index_t offset) {
  check_copied(array, buffer, stream, offset);
  void* const to = array.mutable_data();  // throws where it must not be written
  const index_t nbytes = array.nbytes();
  const py::gil_scoped_release release;
  cuda::download(buffer, offset, to, nbytes, stream);
}

}  // namespace

void bind_cuda_memory(py::module_& module) {
  py::class_<cuda::DeviceBuffer, Buffer>(module, "DeviceBuffer", py::module_local(),
                                         R"(Memory of a device, whose content has no meaning at first.

It is freed with its last reference, views included, and then waits for the device's work.

Raises:
    MemoryError: the device has not as much; the message has the numbers.
)")
      .def(py::init([](index_t nbytes, int device) {
             return std::make_shared<cuda::DeviceBuffer>(checked_size(nbytes), device);
           }),
           py::arg("nbytes"), py::arg("device") = 0)
      .def_property_readonly(
          "pointer", [](const cuda::DeviceBuffer& self) { return reinterpret_cast<std::uintptr_t>(self.data()); })
      .def_property_readonly("nbytes", &cuda::DeviceBuffer::nbytes)
      .def_property_readonly("device", &cuda::DeviceBuffer::device);

  py::class_<cuda::PinnedBuffer>(module, "PinnedBuffer", py::module_local(),
                                 R"(Memory of the host that a device copies to and from while the host goes on.

Raises:
    MemoryError: the host cannot pin as much.
)")
      .def(py::init([](index_t nbytes) { return std::make_unique<cuda::PinnedBuffer>(checked_size(nbytes)); }),
           py::arg("nbytes"))
      .def_property_readonly("nbytes", &cuda::PinnedBuffer::nbytes)
      .def("array", &pinned_array, py::arg("shape"), py::arg("dtype"), py::kw_only(), py::arg("offset") = 0,
           "A C-contiguous array from this byte on, which keeps the buffer alive.");

  module.def("upload", &upload, py::arg("array"), py::arg("buffer"), py::arg("stream"), py::kw_only(),
             py::arg("offset") = 0,
             R"(Copies a C-contiguous array into a buffer, from byte `offset` on.

From pinned memory the copy goes on after the call, and the array must live until it is done. From any other the call
returns when the array was read.

Raises:
    ValueError: another layout, more bytes than the buffer has there, or another device.
)");
  module.def("download", &download, py::arg("buffer"), py::arg("array"), py::arg("stream"), py::kw_only(),
             py::arg("offset") = 0,
             R"(Fills a C-contiguous array from a buffer, from byte `offset` on.

Into pinned memory the copy goes on after the call, and the array must live until it is done. Into any other the call
returns when it is done.

Raises:
    ValueError: another layout, an array that is not writeable, more bytes than the buffer has there, or another device.
)");
}

}  // namespace tilewright::bindings
