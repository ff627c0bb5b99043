// The reference: one sample after the other.
#include <cstdint>

#include "core/pixel_math.h"
#include "core/rows/tables.h"

namespace tilewright::scalar {
namespace {

template <class Sample, class Element>
TILEWRIGHT_SCALAR void load_one(const Sample* pixels, index_t stride, index_t width, ValueRange range, Element* plane) {
  const float span = range.white - range.black;
  for (index_t i = 0; i < width; ++i) {
    plane[i] = to_element<Element>(to_network(pixels[stride * i], range.black, span));
  }
}

template <class Sample, class Element>
TILEWRIGHT_SCALAR void load_three(const Sample* pixels, index_t stride, index_t width, ValueRange range,
                                  Element* const planes[3]) {
  for (index_t channel = 0; channel < 3; ++channel) {
    load_one(pixels + channel, stride, width, range, planes[channel]);
  }
}

template <class Element>
TILEWRIGHT_SCALAR index_t count_not_finite(const Element* row, index_t width) {
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
TILEWRIGHT_SCALAR index_t store_one(const Element* plane, index_t width, ValueRange range, Sample* pixels,
                                    index_t stride) {
  const float gain = gain_of<Sample>(range);
  for (index_t i = 0; i < width; ++i) {
    pixels[stride * i] = to_sample<Sample>(to_float(plane[i]), range.black, gain);
  }
  return count_not_finite(plane, width);
}

template <class Element, class Sample>
TILEWRIGHT_SCALAR index_t store_three(const Element* const planes[3], index_t width, ValueRange range, Sample* pixels,
                                      index_t stride) {
  index_t not_finite = 0;
  for (index_t channel = 0; channel < 3; ++channel) {
    not_finite += store_one(planes[channel], width, range, pixels + channel, stride);
  }
  return not_finite;
}

template <class Element, class Sample>
TILEWRIGHT_SCALAR index_t store_mean(const Element* const planes[3], index_t width, ValueRange range, Sample* pixels,
                                     index_t stride) {
  const float gain = gain_of<Sample>(range);
  for (index_t i = 0; i < width; ++i) {
    const float mean = mean_of(to_float(planes[0][i]), to_float(planes[1][i]), to_float(planes[2][i]));
    pixels[stride * i] = to_sample<Sample>(mean, range.black, gain);
  }
  return count_not_finite(planes[0], width) + count_not_finite(planes[1], width) + count_not_finite(planes[2], width);
}

template <class Element, class Sample>
TILEWRIGHT_SCALAR index_t store_shuffled(const Element* const* parts, index_t shuffle, const float* const bases[3],
                                         index_t width, ValueRange range, Sample* pixels, index_t stride) {
  const float gain = gain_of<Sample>(range);
  index_t not_finite = 0;
  for (index_t plane = 0; plane < 3; ++plane) {
    for (index_t k = 0; k < shuffle; ++k) {
      const Element* const part = parts[plane * shuffle + k];
      for (index_t i = 0; i < width; ++i) {
        const float value = with_base(part[i], bases[plane], i);
        pixels[stride * (shuffle * i + k) + plane] = to_sample<Sample>(value, range.black, gain);
        not_finite += is_finite(value) ? 0 : 1;
      }
    }
  }
  return not_finite;
}

template <class Element>
TILEWRIGHT_SCALAR index_t as_floats(const Element* row, index_t width, float* out) {
  for (index_t i = 0; i < width; ++i) out[i] = to_float(row[i]);
  return count_not_finite(row, width);
}

TILEWRIGHT_SCALAR void fade_columns(const float* from, const float* weights, index_t width, float* to) {
  for (index_t i = 0; i < width; ++i) to[i] = cross_fade(from[i], to[i], weights[i]);
}

TILEWRIGHT_SCALAR void fade_row(const float* from, float weight, index_t width, float* to) {
  for (index_t i = 0; i < width; ++i) to[i] = cross_fade(from[i], to[i], weight);
}

template <class Element>
TILEWRIGHT_SCALAR void shuffle_rows(const Element* const* planes, index_t shuffle, const float* base, index_t width,
                                    float* out) {
  for (index_t i = 0; i < width; ++i) {
    for (index_t k = 0; k < shuffle; ++k) {
      out[shuffle * i + k] = with_base(planes[k][i], base, i);
    }
  }
}

}  // namespace

TILEWRIGHT_ROW_TABLES

}  // namespace tilewright::scalar
