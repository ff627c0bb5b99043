#include <algorithm>

#include "bindings/arrays.h"
#include "core/alpha_bleed.h"
#include "core/flat_alpha.h"

namespace tilewright::bindings {
namespace {

void check_channel(const char* name, const py::array& array, index_t channel) {
  if (channel < 0 || channel >= array.shape(2)) {
    throw py::value_error(std::string(name) + " must be a channel (0 to " + std::to_string(array.shape(2) - 1) +
                          "), not " + std::to_string(channel));
  }
}

void check_same_dtype(const char* name, const py::array& array, const py::array& other) {
  if (element_code(array) != element_code(other)) {
    throw_dtype(name, std::string(py::str(other.dtype())).c_str(), array);
  }
}

// A view whose pixels begin with one of their channels.
template <class Sample>
ImageView<Sample> channel_view(const py::array& array, index_t channel) {
  ImageView<Sample> view = image_view<Sample>(array);
  view.data += channel;
  return view;
}

void bleed(py::array& pixels, const py::object& alpha_or_none) {
  check_image("pixels", pixels, true);
  const bool inside = alpha_or_none.is_none();
  const auto alpha = inside ? pixels : alpha_or_none.cast<py::array>();
  const index_t colours = pixels.shape(2) - (inside ? 1 : 0);
  if (colours != 1 && colours != 3) {
    throw py::value_error("pixels must have 1 or 3 channels of colour, not " + std::to_string(colours));
  }
  with_sample("pixels", pixels, [&](auto sample) {
    using Sample = decltype(sample);
    check_same_dtype("alpha", alpha, pixels);
    if (!inside) {
      check_image("alpha", alpha, false);
      if (alpha.shape(0) != pixels.shape(0) || alpha.shape(1) != pixels.shape(1) || alpha.shape(2) != 1) {
        throw py::value_error("alpha must be of shape [" + std::to_string(pixels.shape(0)) + ", " +
                              std::to_string(pixels.shape(1)) + ", 1]");
      }
    }
    const auto picture = image_view<Sample>(pixels);
    const auto opacity = channel_view<const Sample>(alpha, inside ? colours : 0);
    const py::gil_scoped_release release;
    alpha_bleed(picture, colours, opacity);
  });
}

void keep_flat(const py::array& source, index_t channel, index_t first_row, py::array& band, index_t band_channel,
               index_t radius) {
  check_image("source", source, false);
  check_image("band", band, true);
  check_channel("channel", source, channel);
  check_channel("band_channel", band, band_channel);
  if (radius < 0) throw py::value_error("radius must not be negative, it is " + std::to_string(radius));
  const index_t width = source.shape(1);
  const index_t scale = width > 0 ? band.shape(1) / width : 0;
  if (scale < 1 || band.shape(1) != width * scale || band.shape(0) % scale != 0) {
    throw py::value_error("band must be a multiple of the source, not " + std::to_string(band.shape(1)) +
                          " wide beside " + std::to_string(width) + ", " + std::to_string(band.shape(0)) + " high");
  }
  const index_t rows = band.shape(0) / scale;
  if (first_row < 0 || rows > source.shape(0) || first_row > source.shape(0) - rows) {
    throw py::value_error(std::to_string(rows) + " rows from " + std::to_string(first_row) +
                          " on are not all in a source of " + std::to_string(source.shape(0)));
  }
  with_sample("source", source, [&](auto sample) {
    using Sample = decltype(sample);
    check_same_dtype("band", band, source);
    const auto picture = channel_view<const Sample>(source, channel);
    const auto result = channel_view<Sample>(band, band_channel);
    // Beyond the picture's longer side nothing changes any more.
    const index_t reach = std::min(radius, std::max(picture.width, picture.height));
    const py::gil_scoped_release release;
    keep_flat_alpha(picture, reach, scale, first_row, result);
  });
}

}  // namespace

void bind_alpha(py::module_& module) {
  module.def("alpha_bleed", &bleed, py::arg("pixels"), py::kw_only(), py::arg("alpha") = py::none(),
             R"(Replaces colour under alpha 0 by colour bled outward from visible pixels, in place.

A pixel beside visible ones gets the mean of those among its eight neighbours, weighted by alpha; then, ring by ring, the
mean of the neighbours that have a colour. Visible pixels keep theirs; where none is visible, all do.

Args:
    pixels: uint8 or uint16 [height, width, channels]; rows may be padded. Without `alpha` the last channel is alpha, and
        the 1 or 3 before it are colour.
    alpha: [height, width, 1] of the same dtype, for pixels that have 1 or 3 channels of colour and no other.

Raises:
    TypeError: an array of another dtype.
    ValueError: shapes or layout that do not fit; the message says which.
)");
  module.def("keep_flat_alpha", &keep_flat, py::arg("source"), py::arg("channel"), py::arg("first_row"),
             py::arg("band"), py::arg("band_channel"), py::kw_only(), py::arg("radius"),
             R"(Gives result pixels their alpha back where that of the picture is the same all round.

Args:
    source: uint8 or uint16 [height, width, channels], the whole picture; rows may be padded.
    channel: of `source` that is alpha.
    first_row: row of `source` at which the band begins.
    band: the result [rows * scale, width * scale, channels] of the same dtype, overwritten in part.
    band_channel: of `band` that is alpha.
    radius: how far round a pixel alpha must be the same, in pixels of `source` along both axes.

Raises:
    TypeError: an array of another dtype.
    ValueError: shapes, layout or values that do not fit; the message says which.
)");
}

}  // namespace tilewright::bindings
