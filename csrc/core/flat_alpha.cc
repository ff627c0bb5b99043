#include "core/flat_alpha.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

namespace tilewright {
namespace {

// Finds the pixels of a row whose neighbourhood has constant alpha.
template <class Sample>
class FlatRow {
 public:
  FlatRow(index_t width, index_t radius)
      : width_(width),
        radius_(radius),
        minima_(entries()),
        maxima_(entries()),
        flat_(static_cast<std::size_t>(width)) {}

  // Returns one byte per pixel: 1 if its neighbourhood is constant, else 0.
  const std::uint8_t* find(ImageView<const Sample> source, index_t row) {
    std::fill(minima_.begin(), minima_.end(), std::numeric_limits<Sample>::max());
    std::fill(maxima_.begin(), maxima_.end(), Sample{0});
    const index_t bottom = std::min(row + radius_, source.height - 1);
    for (index_t y = std::max(row - radius_, index_t{0}); y <= bottom; ++y) {
      const Sample* alpha = source.row(y);
      Sample* minima = minima_.data() + radius_;
      Sample* maxima = maxima_.data() + radius_;
      for (index_t x = 0; x < width_; ++x) {
        const Sample value = alpha[x * source.channels];
        minima[x] = std::min(minima[x], value);
        maxima[x] = std::max(maxima[x], value);
      }
    }
    for (index_t x = 0; x < width_; ++x) {
      Sample minimum = minima_[static_cast<std::size_t>(x)];
      Sample maximum = maxima_[static_cast<std::size_t>(x)];
      for (index_t i = x + 1; i <= x + 2 * radius_; ++i) {
        minimum = std::min(minimum, minima_[static_cast<std::size_t>(i)]);
        maximum = std::max(maximum, maxima_[static_cast<std::size_t>(i)]);
      }
      flat_[static_cast<std::size_t>(x)] = minimum == maximum;
    }
    return flat_.data();
  }

 private:
  std::size_t entries() const { return static_cast<std::size_t>(width_ + 2 * radius_); }

  index_t width_;
  index_t radius_;
  // Extrema of each column over the neighbouring rows. The first and last `radius` entries are
  // neutral values.
  std::vector<Sample> minima_;
  std::vector<Sample> maxima_;
  std::vector<std::uint8_t> flat_;
};

}  // namespace

template <class Sample>
void keep_flat_alpha(ImageView<const Sample> source, index_t radius, index_t scale, index_t first_row,
                     ImageView<Sample> band) {
  FlatRow<Sample> flat_row(source.width, radius);
  for (index_t y = 0; y < band.height; y += scale) {
    const index_t row = first_row + y / scale;
    const std::uint8_t* flat = flat_row.find(source, row);
    const Sample* alpha = source.row(row);
    for (index_t i = 0; i < scale; ++i) {
      Sample* pixel = band.row(y + i);
      for (index_t x = 0; x < source.width; ++x) {
        for (index_t j = 0; j < scale; ++j, pixel += band.channels) {
          if (flat[x] != 0) *pixel = alpha[x * source.channels];
        }
      }
    }
  }
}

template void keep_flat_alpha(ImageView<const std::uint8_t>, index_t, index_t, index_t, ImageView<std::uint8_t>);
template void keep_flat_alpha(ImageView<const std::uint16_t>, index_t, index_t, index_t, ImageView<std::uint16_t>);

}  // namespace tilewright
