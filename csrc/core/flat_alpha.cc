#include "core/flat_alpha.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

namespace tilewright {
namespace {

// Which pixels of a row have the same alpha all round.
template <class Sample>
class FlatRow {
 public:
  FlatRow(index_t width, index_t radius)
      : width_(width), radius_(radius), least_(entries()), most_(entries()), flat_(static_cast<std::size_t>(width)) {}

  // One byte for each pixel, 1 or 0.
  const std::uint8_t* find(ImageView<const Sample> source, index_t row) {
    std::fill(least_.begin(), least_.end(), std::numeric_limits<Sample>::max());
    std::fill(most_.begin(), most_.end(), Sample{0});
    const index_t bottom = std::min(row + radius_, source.height - 1);
    for (index_t y = std::max(row - radius_, index_t{0}); y <= bottom; ++y) {
      const Sample* alpha = source.row(y);
      Sample* least = least_.data() + radius_;
      Sample* most = most_.data() + radius_;
      for (index_t x = 0; x < width_; ++x) {
        const Sample value = alpha[x * source.channels];
        least[x] = std::min(least[x], value);
        most[x] = std::max(most[x], value);
      }
    }
    for (index_t x = 0; x < width_; ++x) {
      Sample least = least_[static_cast<std::size_t>(x)];
      Sample most = most_[static_cast<std::size_t>(x)];
      for (index_t i = x + 1; i <= x + 2 * radius_; ++i) {
        least = std::min(least, least_[static_cast<std::size_t>(i)]);
        most = std::max(most, most_[static_cast<std::size_t>(i)]);
      }
      flat_[static_cast<std::size_t>(x)] = least == most;
    }
    return flat_.data();
  }

 private:
  std::size_t entries() const { return static_cast<std::size_t>(width_ + 2 * radius_); }

  index_t width_;
  index_t radius_;
  // Of each column, over the rows around; on either side `radius` entries that count for nothing.
  std::vector<Sample> least_;
  std::vector<Sample> most_;
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
