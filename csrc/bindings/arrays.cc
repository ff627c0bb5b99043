#include "bindings/arrays.h"

#include <cstdint>
#include <vector>

#include "bindings/arguments.h"

namespace tilewright::bindings {
namespace {

std::vector<index_t> shape_of(const py::array& array) { return {array.shape(), array.shape() + array.ndim()}; }

void check_memory(const char* name, const py::array& array, bool writeable) {
  if (reinterpret_cast<std::uintptr_t>(array.data()) % static_cast<std::uintptr_t>(array.itemsize()) != 0) {
    throw py::value_error(std::string(name) + " must be aligned to its element size");
  }
  if (writeable && !array.writeable()) throw py::value_error(std::string(name) + " must be writeable");
}

}  // namespace

std::string element_code(const py::dtype& dtype) {
  if (dtype.byteorder() != '=' && dtype.byteorder() != '|') return "";
  const char kind = dtype.kind();
  if (kind != 'u' && kind != 'f') return "";
  return std::string(1, kind) + std::to_string(dtype.itemsize());
}

std::string element_code(const py::array& array) { return element_code(array.dtype()); }

void throw_dtype(const char* name, const char* expected, const py::dtype& dtype) {
  throw py::type_error(std::string(name) + " must be " + expected + ", not " + std::string(py::str(dtype)));
}

void throw_dtype(const char* name, const char* expected, const py::array& array) {
  throw_dtype(name, expected, array.dtype());
}

void check_image(const char* name, const py::array& array, bool writeable) {
  if (array.ndim() != 3) {
    throw py::value_error(std::string(name) + " must have shape [height, width, channels], not " +
                          shape_text(shape_of(array)));
  }
  const index_t sample = array.itemsize();
  const index_t pixel = sample * array.shape(2);
  // The stride of an axis of length 1 is never used, and NumPy allows any value for it.
  const bool adjacent_samples = array.shape(2) <= 1 || array.strides(2) == sample;
  const bool adjacent_pixels = array.shape(1) <= 1 || array.strides(1) == pixel;
  const bool separate_rows =
      array.shape(0) <= 1 || (array.strides(0) % sample == 0 && array.strides(0) >= array.shape(1) * pixel);
  if (!adjacent_samples || !adjacent_pixels || !separate_rows) {
    throw py::value_error(std::string(name) + " must have adjacent samples and pixels; only rows may be padded");
  }
  check_memory(name, array, writeable);
}

void check_contiguous(const char* name, const py::array& array, const std::vector<index_t>& shape, bool writeable) {
  if (shape_of(array) != shape) {
    throw py::value_error(std::string(name) + " must have shape " + shape_text(shape) + ", not " +
                          shape_text(shape_of(array)));
  }
  if ((array.flags() & py::array::c_style) == 0) throw py::value_error(std::string(name) + " must be C-contiguous");
  check_memory(name, array, writeable);
}

}  // namespace tilewright::bindings
