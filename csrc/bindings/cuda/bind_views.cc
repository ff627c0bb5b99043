#include <pybind11/stl.h>

#include "bindings/cuda/views.h"

namespace tilewright::bindings {
namespace {

template <class View>
std::uintptr_t pointer_of(const View& view) {
  return reinterpret_cast<std::uintptr_t>(view.data());
}

DeviceTensor tile_at(const DeviceTensor& tensor, index_t index) {
  const index_t count = tensor.shape()[0];
  const index_t at = index < 0 ? index + count : index;
  if (at < 0 || at >= count) {
    throw py::index_error("tile " + std::to_string(index) + " of a tensor of " + std::to_string(count));
  }
  return tensor.tiles(at, at + 1);
}

DeviceTensor tiles_of(const DeviceTensor& tensor, const py::slice& slice) {
  py::ssize_t start = 0;
  py::ssize_t stop = 0;
  py::ssize_t step = 0;
  py::ssize_t count = 0;
  if (!slice.compute(tensor.shape()[0], &start, &stop, &step, &count)) throw py::error_already_set();
  if (step != 1 || count < 1) throw py::value_error("a slice of a tensor must have a step of 1 and not be empty");
  return tensor.tiles(start, start + count);
}

}  // namespace

void bind_cuda_views(py::module_& module) {
  py::class_<DeviceImage>(module, "ImageView", py::module_local(),
                          R"(Interleaved samples [height, width, channels] in a buffer, which it keeps alive.

Args:
    buffer: where they are.
    shape: (height, width, channels); rows are not padded.
    dtype: uint8 or uint16.
    offset: bytes of the buffer before the first sample.

Raises:
    TypeError: another dtype.
    ValueError: a shape that does not fit in the buffer.
)")
      .def(py::init<Buffer, std::array<index_t, 3>, const py::object&, index_t>(), py::arg("buffer"), py::arg("shape"),
           py::arg("dtype"), py::kw_only(), py::arg("offset") = 0)
      .def_property_readonly("pointer", &pointer_of<DeviceImage>)
      .def_property_readonly("nbytes", &DeviceImage::nbytes)
      .def_property_readonly("shape", [](const DeviceImage& image) { return py::tuple(py::cast(image.shape())); });

  py::class_<DeviceTensor>(module, "TensorView", py::module_local(),
                           R"(Elements (n, planes, height, width) in a buffer, which it keeps alive.

tensor[i] and tensor[i:j] are views of some of the n tiles.

Args:
    buffer: where they are.
    shape: (n, planes, height, width), whatever the layout.
    dtype: float32 or float16.
    layout: 'NCHW' or 'NHWC', densely packed.
    channels: of a stored pixel with 'NHWC', by default the planes. What is beyond the planes is written as 0 and never
        read.
    offset: bytes of the buffer before the first element.

Raises:
    TypeError: another dtype.
    ValueError: a shape that does not fit in the buffer, or values that do not fit together.
)")
      .def(py::init<Buffer, std::array<index_t, 4>, const py::object&, const std::string&, std::optional<index_t>,
                    index_t>(),
           py::arg("buffer"), py::arg("shape"), py::arg("dtype"), py::kw_only(), py::arg("layout") = "NCHW",
           py::arg("channels") = py::none(), py::arg("offset") = 0)
      .def_property_readonly("pointer", &pointer_of<DeviceTensor>)
      .def_property_readonly("nbytes", &DeviceTensor::nbytes)
      .def_property_readonly("shape", [](const DeviceTensor& tensor) { return py::tuple(py::cast(tensor.shape())); })
      .def_property_readonly(
          "stored_shape", [](const DeviceTensor& tensor) { return py::tuple(py::cast(tensor.stored_shape())); },
          "As it lies in memory: (n, planes, height, width) or (n, height, width, channels).")
      .def("__len__", [](const DeviceTensor& tensor) { return tensor.shape()[0]; })
      .def("__getitem__", &tile_at)
      .def("__getitem__", &tiles_of);
}

}  // namespace tilewright::bindings
