// Converts NumPy arrays to views. The checks of dtype and layout are strict, so that no array is
// ever copied implicitly.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "core/types.h"

namespace tilewright::bindings {

namespace py = pybind11;

// Returns the kind and size of a dtype or of an array's elements, such as "u1" or "f4". Returns ""
// unless it is an unsigned integer or a floating-point number in native byte order.
std::string element_code(const py::dtype& dtype);
std::string element_code(const py::array& array);

// Throws TypeError: `name` must be `expected`.
[[noreturn]] void throw_dtype(const char* name, const char* expected, const py::dtype& dtype);
[[noreturn]] void throw_dtype(const char* name, const char* expected, const py::array& array);

// Throws ValueError unless `array` is [height, width, channels] with adjacent samples and pixels.
// Rows may be padded.
void check_image(const char* name, const py::array& array, bool writeable);

// Throws ValueError unless `array` is C-contiguous and has the given shape.
void check_contiguous(const char* name, const py::array& array, const std::vector<index_t>& shape, bool writeable);

// Precondition: check_image() accepts the array.
template <class Sample>
ImageView<Sample> image_view(const py::array& array) {
  using Plain = std::remove_const_t<Sample>;
  const index_t row_stride =
      array.shape(0) > 1 ? array.strides(0) / static_cast<index_t>(sizeof(Plain)) : array.shape(1) * array.shape(2);
  return ImageView<Sample>{static_cast<Sample*>(const_cast<void*>(array.data())), array.shape(1), array.shape(0),
                           array.shape(2), row_stride};
}

// Calls `function` with a value of the array's sample type, std::uint8_t or std::uint16_t.
template <class Function>
auto with_sample(const char* name, const py::array& array, Function&& function) {
  const std::string code = element_code(array);
  if (code == "u1") return function(std::uint8_t{});
  if (code == "u2") return function(std::uint16_t{});
  throw_dtype(name, "uint8 or uint16", array);
}

// Calls `function` with a value of the array's element type, float or Half.
template <class Function>
auto with_element(const char* name, const py::array& array, Function&& function) {
  const std::string code = element_code(array);
  if (code == "f4") return function(float{});
  if (code == "f2") return function(Half{});
  throw_dtype(name, "float32 or float16", array);
}

}  // namespace tilewright::bindings
