#include <pybind11/stl.h>

#include <optional>

#include "bindings/arrays.h"
#include "core/png/filter.h"

namespace tilewright::bindings {
namespace {

constexpr const char* kPngFilterDoc = R"(Filters rows for a PNG file.

Each row gets the filter with the smallest sum of absolute values of its filtered bytes as signed
numbers.

Args:
    pixels: uint8 or uint16 [height, width, channels] with 1 to 4 channels; rows may be padded.
    above: uint8 [row bytes], the unfiltered big-endian bytes of the row above the first (zeros at
        the top of a picture). Overwritten with the bytes of the last row, which the next call
        needs.
    filtered: uint8 [height, 1 + row bytes], C-contiguous. Overwritten with each row's filter type
        (0 to 4) and filtered bytes.
    alpha: [height, width, 1] of the same dtype, which becomes the last channel of pixels with 1 or
        3 channels. None means that there is no separate alpha plane.
    isa: Instruction set. None means ``default_isa()``.

Raises:
    TypeError: An array has the wrong dtype.
    ValueError: An array has the wrong shape or layout, or ``isa`` is not available.
)";

template <class Sample>
PngRows<Sample> png_rows(const py::array& pixels, const std::optional<py::array>& alpha) {
  return {image_view<const Sample>(pixels), alpha ? image_view<const Sample>(*alpha) : ImageView<const Sample>{}};
}

void check_alpha(const py::array& pixels, const py::array& alpha) {
  check_image("alpha", alpha, false);
  if (element_code(alpha) != element_code(pixels)) {
    throw_dtype("alpha", std::string(py::str(pixels.dtype())).c_str(), alpha);
  }
  if (alpha.shape(0) != pixels.shape(0) || alpha.shape(1) != pixels.shape(1) || alpha.shape(2) != 1) {
    throw py::value_error("alpha must have shape [" + std::to_string(pixels.shape(0)) + ", " +
                          std::to_string(pixels.shape(1)) + ", 1]");
  }
  if (pixels.shape(2) != 1 && pixels.shape(2) != 3) {
    throw py::value_error("pixels with a separate alpha must have 1 or 3 channels, not " +
                          std::to_string(pixels.shape(2)));
  }
}

void check_bytes(const char* name, const py::array& array, const std::vector<index_t>& shape) {
  if (element_code(array) != "u1") throw_dtype(name, "uint8", array);
  check_contiguous(name, array, shape, true);
}

void filter_rows(const py::array& pixels, py::array& above, py::array& filtered, const std::optional<py::array>& alpha,
                 const std::optional<std::string>& isa_name) {
  check_image("pixels", pixels, false);
  if (pixels.shape(2) < 1 || pixels.shape(2) > kPngMaxChannels) {
    throw py::value_error("pixels must have 1 to 4 channels, not " + std::to_string(pixels.shape(2)));
  }
  const Isa isa = isa_name ? parse_isa(*isa_name) : default_isa();
  with_sample("pixels", pixels, [&](auto sample) {
    using Sample = decltype(sample);
    if (alpha) check_alpha(pixels, *alpha);
    const PngRows<Sample> rows = png_rows<Sample>(pixels, alpha);
    check_bytes("above", above, {rows.row_bytes()});
    check_bytes("filtered", filtered, {rows.pixels.height, 1 + rows.row_bytes()});
    auto* last = static_cast<std::uint8_t*>(above.mutable_data());
    auto* out = static_cast<std::uint8_t*>(filtered.mutable_data());
    const py::gil_scoped_release release;
    png_filter(rows, isa, last, out);
  });
}

}  // namespace

void bind_png_filter(py::module_& module) {
  module.def("png_filter", &filter_rows, py::arg("pixels"), py::arg("above"), py::arg("filtered"), py::kw_only(),
             py::arg("alpha") = py::none(), py::arg("isa") = py::none(), kPngFilterDoc);
}

}  // namespace tilewright::bindings
