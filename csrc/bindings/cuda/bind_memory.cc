#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <memory>
#include <vector>

#include "bindings/cuda/device_arrays.h"

namespace tilewright::bindings {
namespace {

constexpr const char* kDeviceBufferDoc = R"(Uninitialised memory of a device.

The memory is freed together with the last reference to the buffer or to a view of it. Freeing waits
for the device's work.

Raises:
    MemoryError: The device does not have enough free memory.
)";

constexpr const char* kPinnedBufferDoc = R"(Uninitialised pinned memory of the host, for asynchronous copies.

Raises:
    MemoryError: The host cannot pin that much memory.
)";

constexpr const char* kUploadDoc = R"(Enqueues copying a C-contiguous array to a buffer, at byte ``offset``.

If the array is in pinned memory, the copy continues after the call, and the array must live until
it is done. Otherwise the call returns after it has read the array.

Raises:
    ValueError: The array is not C-contiguous, the range is not within the buffer, or the devices
        differ.
)";

constexpr const char* kDownloadDoc = R"(Enqueues filling a C-contiguous array from a buffer, from byte ``offset`` on.

If the array is in pinned memory, the copy continues after the call, and the array must live until
it is done. Otherwise the call returns after it has filled the array.

Raises:
    ValueError: The array is not C-contiguous or not writeable, the range is not within the buffer,
        or the devices differ.
)";

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
      throw py::value_error("shape does not fit a buffer of " + std::to_string(buffer.nbytes()) + " bytes");
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

void check_copy(const py::array& array, const cuda::DeviceBuffer& buffer, const cuda::Stream& stream, index_t offset) {
  if ((array.flags() & py::array::c_style) == 0) throw py::value_error("array must be C-contiguous");
  check_device("buffer", buffer.device(), stream);
  check_range(offset, array.nbytes(), buffer.nbytes());
}

void upload(const py::array& array, const cuda::DeviceBuffer& buffer, const cuda::Stream& stream, index_t offset) {
  check_copy(array, buffer, stream, offset);
  const py::gil_scoped_release release;
  cuda::upload(array.data(), array.nbytes(), buffer, offset, stream);
}

void download(const cuda::DeviceBuffer& buffer, py::array& array, const cuda::Stream& stream, index_t offset) {
  check_copy(array, buffer, stream, offset);
  void* const to = array.mutable_data();  // throws unless the array is writeable
  const index_t nbytes = array.nbytes();
  const py::gil_scoped_release release;
  cuda::download(buffer, offset, to, nbytes, stream);
}

}  // namespace

void bind_cuda_memory(py::module_& module) {
  py::class_<cuda::DeviceBuffer, Buffer>(module, "DeviceBuffer", py::module_local(), kDeviceBufferDoc)
      .def(py::init([](index_t nbytes, int device) {
             return std::make_shared<cuda::DeviceBuffer>(checked_size(nbytes), device);
           }),
           py::arg("nbytes"), py::arg("device") = 0)
      .def_property_readonly(
          "pointer", [](const cuda::DeviceBuffer& self) { return reinterpret_cast<std::uintptr_t>(self.data()); },
          "Device address of the first byte.")
      .def_property_readonly("nbytes", &cuda::DeviceBuffer::nbytes)
      .def_property_readonly("device", &cuda::DeviceBuffer::device);

  py::class_<cuda::PinnedBuffer>(module, "PinnedBuffer", py::module_local(), kPinnedBufferDoc)
      .def(py::init([](index_t nbytes) { return std::make_unique<cuda::PinnedBuffer>(checked_size(nbytes)); }),
           py::arg("nbytes"))
      .def_property_readonly("nbytes", &cuda::PinnedBuffer::nbytes)
      .def("array", &pinned_array, py::arg("shape"), py::arg("dtype"), py::kw_only(), py::arg("offset") = 0,
           "Returns a C-contiguous array that starts at byte `offset` and keeps the buffer alive.");

  module.def("upload", &upload, py::arg("array"), py::arg("buffer"), py::arg("stream"), py::kw_only(),
             py::arg("offset") = 0, kUploadDoc);
  module.def("download", &download, py::arg("buffer"), py::arg("array"), py::arg("stream"), py::kw_only(),
             py::arg("offset") = 0, kDownloadDoc);
}

}  // namespace tilewright::bindings
