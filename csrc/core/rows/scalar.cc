// The reference kernels: they process one sample at a time.
#include "core/pixel_math.h"
#include "core/rows/row_kernels.h"

#define TILEWRIGHT_NAMESPACE scalar

namespace tilewright::scalar {
namespace {

template <class Sample>
TILEWRIGHT_TARGET_SCALAR void load_channel(const Sample* pixels, index_t stride, index_t width, ValueRange range,
                                           float* plane) {
  const float span = range.white - range.black;
  for (index_t i = 0; i < width; ++i) plane[i] = to_network(pixels[stride * i], range.black, span);
}

template <class Sample>
TILEWRIGHT_TARGET_SCALAR void load_rgb(const Sample* pixels, index_t stride, index_t width, ValueRange range,
                                       float* const planes[3]) {
  for (index_t channel = 0; channel < 3; ++channel) {
    load_channel(pixels + channel, stride, width, range, planes[channel]);
  }
}

template <class Element>
TILEWRIGHT_TARGET_SCALAR index_t count_nonfinite(const Element* row, index_t width) {
  index_t count = 0;
  for (index_t i = 0; i < width; ++i) count += is_finite(to_float(row[i])) ? 0 : 1;
  return count;
}

template <class Element>
float with_base(Element value, const float* base, index_t i) {
  return base == nullptr ? to_float(value) : to_float(value) + base[i];
}

template <class Sample>
float gain_of(ValueRange range) {
  return kWhite<Sample> / (range.white - range.black);
}

template <class Element, class Sample>
TILEWRIGHT_TARGET_SCALAR index_t store_channel(const Element* plane, index_t width, ValueRange range, Sample* pixels,
                                               index_t stride) {
  const float gain = gain_of<Sample>(range);
  for (index_t i = 0; i < width; ++i) {
    pixels[stride * i] = to_sample<Sample>(to_float(plane[i]), range.black, gain);
  }
  return count_nonfinite(plane, width);
}

template <class Element, class Sample>
TILEWRIGHT_TARGET_SCALAR index_t store_rgb(const Element* const planes[3], index_t width, ValueRange range,
                                           Sample* pixels, index_t stride) {
  index_t nonfinite = 0;
  for (index_t channel = 0; channel < 3; ++channel) {
    nonfinite += store_channel(planes[channel], width, range, pixels + channel, stride);
  }
  return nonfinite;
}

template <class Element, class Sample>
TILEWRIGHT_TARGET_SCALAR index_t store_mean(const Element* const planes[3], index_t width, ValueRange range,
                                            Sample* pixels, index_t stride) {
  const float gain = gain_of<Sample>(range);
  for (index_t i = 0; i < width; ++i) {
    const float mean = mean_of(to_float(planes[0][i]), to_float(planes[1][i]), to_float(planes[2][i]));
    pixels[stride * i] = to_sample<Sample>(mean, range.black, gain);
  }
  return count_nonfinite(planes[0], width) + count_nonfinite(planes[1], width) + count_nonfinite(planes[2], width);
}

template <class Element, class Sample>
TILEWRIGHT_TARGET_SCALAR index_t store_shuffled(const Element* const* parts, index_t shuffle,
                                                const float* const bases[3], index_t width, ValueRange range,
                                                Sample* pixels, index_t stride) {
  const float gain = gain_of<Sample>(range);
  index_t nonfinite = 0;
  for (index_t plane = 0; plane < 3; ++plane) {
    for (index_t k = 0; k < shuffle; ++k) {
      const Element* const part = parts[plane * shuffle + k];
      for (index_t i = 0; i < width; ++i) {
        const float value = with_base(part[i], bases[plane], i);
        pixels[stride * (shuffle * i + k) + plane] = to_sample<Sample>(value, range.black, gain);
        nonfinite += is_finite(value) ? 0 : 1;
      }
    }
  }
  return nonfinite;
}

template <class Element>
TILEWRIGHT_TARGET_SCALAR index_t to_floats(const Element* row, index_t width, float* out) {
  for (index_t i = 0; i < width; ++i) out[i] = to_float(row[i]);
  return count_nonfinite(row, width);
}

TILEWRIGHT_TARGET_SCALAR void fade_columns(const float* from, const float* weights, index_t width, float* to) {
  for (index_t i = 0; i < width; ++i) to[i] = cross_fade(from[i], to[i], weights[i]);
}

TILEWRIGHT_TARGET_SCALAR void fade_row(const float* from, float weight, index_t width, float* to) {
  for (index_t i = 0; i < width; ++i) to[i] = cross_fade(from[i], to[i], weight);
}

template <class Element>
TILEWRIGHT_TARGET_SCALAR void shuffle_rows(const Element* const* parts, index_t shuffle, const float* base,
                                           index_t width, float* out) {
  for (index_t i = 0; i < width; ++i) {
    for (index_t k = 0; k < shuffle; ++k) {
      out[shuffle * i + k] = with_base(parts[k][i], base, i);
    }
  }
}

}  // namespace
}  // namespace tilewright::scalar

#include "core/rows/table-inl.h"
