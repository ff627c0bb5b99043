#include <pybind11/stl.h>

#include "bindings/cuda/device_arrays.h"

namespace tilewright::bindings {
namespace {

constexpr const char* kImageDoc = R"(Interleaved samples [height, width, channels] in a buffer, which it keeps alive.

Args:
    buffer: Buffer that holds the samples.
    shape: (height, width, channels); rows are not padded.
    dtype: uint8 or uint16.
    offset: Position of the first sample in the buffer, in bytes.

Raises:
    TypeError: The dtype is not supported.
    ValueError: The shape does not fit the buffer, or the offset is not aligned.
)";

constexpr const char* kTensorDoc = R"(Elements (n, planes, height, width) in a buffer, which it keeps alive.

``tensor[i]`` and ``tensor[i:j]`` are views of some of the n tiles.

Args:
    buffer: Buffer that holds the elements.
    shape: (n, planes, height, width), for either layout.
    dtype: float32 or float16.
    layout: Order in memory, 'NCHW' or 'NHWC', without padding.
    offset: Position of the first element in the buffer, in bytes.

Raises:
    TypeError: The dtype is not supported.
    ValueError: The layout is unknown, the shape does not fit the buffer, or the offset is not
        aligned.
)";

template <class Array>
std::uintptr_t pointer_of(const Array& array) {
  return reinterpret_cast<std::uintptr_t>(array.data());
}

DeviceTensor tile_at(const DeviceTensor& tensor, index_t index) {
  const index_t count = tensor.shape()[0];
  const index_t tile = index < 0 ? index + count : index;
  if (tile < 0 || tile >= count) {
    throw py::index_error("tile " + std::to_string(index) + " is out of range for a tensor of " +
                          std::to_string(count) + " tiles");
  }
  return tensor.tiles(tile, tile + 1);
}

DeviceTensor tiles_in(const DeviceTensor& tensor, const py::slice& slice) {
  py::ssize_t start = 0;
  py::ssize_t stop = 0;
  py::ssize_t step = 0;
  py::ssize_t count = 0;
  if (!slice.compute(tensor.shape()[0], &start, &stop, &step, &count)) throw py::error_already_set();
  if (step != 1 || count < 1) throw py::value_error("a slice of a tensor must have step 1 and must not be empty");
  return tensor.tiles(start, start + count);
}

}  // namespace

void bind_cuda_arrays(py::module_& module) {
  py::class_<DeviceImage>(module, "DeviceImage", py::module_local(), kImageDoc)
      .def(py::init<Buffer, std::array<index_t, 3>, const py::object&, index_t>(), py::arg("buffer"), py::arg("shape"),
           py::arg("dtype"), py::kw_only(), py::arg("offset") = 0)
      .def_property_readonly("pointer", &pointer_of<DeviceImage>, "Device address of the first sample.")
      .def_property_readonly("nbytes", &DeviceImage::nbytes)
      .def_property_readonly("shape", [](const DeviceImage& image) { return py::tuple(py::cast(image.shape())); });

  py::class_<DeviceTensor>(module, "DeviceTensor", py::module_local(), kTensorDoc)
      .def(py::init<Buffer, std::array<index_t, 4>, const py::object&, const std::string&, index_t>(),
           py::arg("buffer"), py::arg("shape"), py::arg("dtype"), py::kw_only(), py::arg("layout") = "NCHW",
           py::arg("offset") = 0)
      .def_property_readonly("pointer", &pointer_of<DeviceTensor>, "Device address of the first element.")
      .def_property_readonly("nbytes", &DeviceTensor::nbytes)
      .def_property_readonly("shape", [](const DeviceTensor& tensor) { return py::tuple(py::cast(tensor.shape())); })
      .def_property_readonly(
          "stored_shape", [](const DeviceTensor& tensor) { return py::tuple(py::cast(tensor.stored_shape())); },
          "Shape in memory: (n, planes, height, width) or (n, height, width, planes).")
      .def("__len__", [](const DeviceTensor& tensor) { return tensor.shape()[0]; })
      .def("__getitem__", &tile_at)
      .def("__getitem__", &tiles_in);
}

}  // namespace tilewright::bindings
