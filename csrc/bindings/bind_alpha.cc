#include <algorithm>

#include "bindings/arrays.h"
#include "core/alpha_bleed.h"
#include "core/flat_alpha.h"

namespace tilewright::bindings {
namespace {

constexpr const char* kBleedDoc =
    R"(Replaces the colour of transparent pixels with colour from visible pixels, in place.

The colour spreads outward in rings. A pixel next to visible pixels gets the mean of those among its
eight neighbours, weighted by alpha. A pixel of each further ring gets the mean of its neighbours in
the previous ring. Visible pixels keep their colour. If no pixel is visible, nothing changes.

Args:
    pixels: uint8 or uint16 [height, width, channels]; rows may be padded. Without ``alpha``, the
        last channel is alpha and the 1 or 3 channels before it are colour.
    alpha: [height, width, 1] of the same dtype, for pixels with 1 or 3 colour channels only.

Raises:
    TypeError: An array has the wrong dtype.
    ValueError: An array has the wrong shape or layout.
)";

constexpr const char* kKeepFlatDoc =
    R"(Restores the picture's alpha in result pixels whose neighbourhood has constant alpha.

Args:
    source: uint8 or uint16 [height, width, channels], the whole picture; rows may be padded.
    channel: Index of the alpha channel in ``source``.
    first_row: Row of ``source`` at which the band begins.
    band: The result [rows * scale, width * scale, channels] of the same dtype, changed in place.
    band_channel: Index of the alpha channel in ``band``.
    radius: Size of the neighbourhood on each side of a pixel, in pixels of ``source`` along both
        axes.

Raises:
    TypeError: An array has the wrong dtype.
    ValueError: An array has the wrong shape or layout, or another argument is out of range.
)";

void check_channel(const char* name, const py::array& array, index_t channel) {
  if (channel < 0 || channel >= array.shape(2)) {
    throw py::value_error(std::string(name) + " must be 0 to " + std::to_string(array.shape(2) - 1) + ", not " +
                          std::to_string(channel));
  }
}

void check_same_dtype(const char* name, const py::array& array, const py::array& other) {
  if (element_code(array) != element_code(other)) {
    throw_dtype(name, std::string(py::str(other.dtype())).c_str(), array);
  }
}

void check_separate_alpha(const py::array& alpha, const py::array& pixels) {
  check_image("alpha", alpha, false);
  if (alpha.shape(0) != pixels.shape(0) || alpha.shape(1) != pixels.shape(1) || alpha.shape(2) != 1) {
    throw py::value_error("alpha must have shape [" + std::to_string(pixels.shape(0)) + ", " +
                          std::to_string(pixels.shape(1)) + ", 1]");
  }
}

// Returns a view whose pixels start at one of their channels.
template <class Sample>
ImageView<Sample> channel_view(const py::array& array, index_t channel) {
  ImageView<Sample> view = image_view<Sample>(array);
  view.data += channel;
  return view;
}

void bleed(py::array& pixels, const py::object& alpha_or_none) {
  check_image("pixels", pixels, true);
  const bool is_separate = !alpha_or_none.is_none();
  const auto alpha = is_separate ? alpha_or_none.cast<py::array>() : pixels;
  const index_t colours = pixels.shape(2) - (is_separate ? 0 : 1);
  if (colours != 1 && colours != 3) {
    throw py::value_error("pixels must have 1 or 3 colour channels, not " + std::to_string(colours));
  }
  with_sample("pixels", pixels, [&](auto sample) {
    using Sample = decltype(sample);
    check_same_dtype("alpha", alpha, pixels);
    if (is_separate) check_separate_alpha(alpha, pixels);
    const auto picture = image_view<Sample>(pixels);
    const auto opacity = channel_view<const Sample>(alpha, is_separate ? 0 : colours);
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
  if (radius < 0) throw py::value_error("radius must be 0 or more, not " + std::to_string(radius));
  const index_t width = source.shape(1);
  const index_t scale = width > 0 ? band.shape(1) / width : 0;
  if (scale < 1 || band.shape(1) != width * scale || band.shape(0) % scale != 0) {
    throw py::value_error("band must be scale * " + std::to_string(width) +
                          " pixels wide and a multiple of scale high, not " + std::to_string(band.shape(1)) + " x " +
                          std::to_string(band.shape(0)));
  }
  const index_t rows = band.shape(0) / scale;
  if (first_row < 0 || rows > source.shape(0) || first_row > source.shape(0) - rows) {
    throw py::value_error(std::to_string(rows) + " rows from first_row " + std::to_string(first_row) +
                          " are not within the source's " + std::to_string(source.shape(0)));
  }
  with_sample("source", source, [&](auto sample) {
    using Sample = decltype(sample);
    check_same_dtype("band", band, source);
    const auto picture = channel_view<const Sample>(source, channel);
    const auto result = channel_view<Sample>(band, band_channel);
    const index_t effective_radius = std::min(radius, std::max(picture.width, picture.height));
    const py::gil_scoped_release release;
    keep_flat_alpha(picture, effective_radius, scale, first_row, result);
  });
}

}  // namespace

void bind_alpha(py::module_& module) {
  module.def("alpha_bleed", &bleed, py::arg("pixels"), py::kw_only(), py::arg("alpha") = py::none(), kBleedDoc);
  module.def("keep_flat_alpha", &keep_flat, py::arg("source"), py::arg("channel"), py::arg("first_row"),
             py::arg("band"), py::arg("band_channel"), py::kw_only(), py::arg("radius"), kKeepFlatDoc);
}

}  // namespace tilewright::bindings
