// The reduction at the end of a network. Part of kernels-inl.h.
//
// It runs in strips of columns, so that all values in between stay in the caches. A row of the source
// is spread over `from` rows, one for each place within a pixel of the network's input: what the filter reads
// for adjacent results is adjacent then.
#pragma once

#include "conv/vector-inl.h"

namespace tilewright::conv::TILEWRIGHT_NAMESPACE {
namespace {

constexpr index_t kStrip = 256;                  // pixels of the network's input
constexpr index_t kMargin = Rescale::kMaxReach;  // pixels before and after a strip
constexpr index_t kSpread = kMargin + kStrip + kMargin;

// Rows of the network's input that are processed together. With more, fewer rows of the source are
// spread twice.
constexpr index_t kRescaleRows = 4;

// Floats of a spread row.
TILEWRIGHT_INLINE index_t spread_size(const RescaleTask& task) { return task.planes * task.filter->from * kSpread; }

TILEWRIGHT_TARGET index_t rescale_scratch(const RescaleTask& task) {
  return (1 + kRescaleRows * task.filter->to) * spread_size(task) + task.filter->to * kStrip;
}

// Spreads row y of the source, for the strip from column x of the network's input.
TILEWRIGHT_INLINE void spread_row(const RescaleTask& task, index_t y, index_t x, float* out) {
  const Rescale& filter = *task.filter;
  const index_t from = filter.from;
  const float* row = task.source.row(filter.shuffles ? y / from : y);
  const index_t begin = std::clamp<index_t>(kMargin - x, 0, kSpread);  // the columns inside the picture
  const index_t end = std::clamp<index_t>(kMargin - x + task.width, 0, kSpread);
  for (index_t p = 0; p < task.planes; ++p) {
    const float* image = filter.adds_image ? task.image.row(p, y / from) : nullptr;
    // The pixel at place j within column `column` of the network's input.
    const auto pixel = [&](index_t column, index_t j) {
      const float* at = filter.shuffles ? row + task.source.offset(column) + (p * from + y % from) * from + j
                                        : row + task.source.offset(column * from + j) + p;
      return image == nullptr ? *at : *at + image[column];
    };
    const float left = pixel(0, 0);
    const float right = pixel(task.width - 1, from - 1);
    for (index_t j = 0; j < from; ++j) {
      std::fill_n(out, begin, left);
      for (index_t i = begin; i < end; ++i) out[i] = pixel(x + i - kMargin, j);
      std::fill_n(out + end, kSpread - end, right);
      out += kSpread;
    }
  }
}

// sums += weight * row
TILEWRIGHT_INLINE void accumulate(const float* row, float weight, index_t count, float* sums) {
  const Vector w = splat(weight);
  for (index_t i = 0; i < count; i += kLanes) store(sums + i, fma(w, load(row + i), load(sums + i)));
}

// Filters a plane of a spread row along its columns, and stores the results from column x.
TILEWRIGHT_INLINE void filter_columns(const RescaleTask& task, const float* spread, index_t x, float* scratch,
                                      float* out) {
  const Rescale& filter = *task.filter;
  const index_t from = filter.from;
  for (index_t i = 0; i < filter.to; ++i) {
    for (index_t k = 0; k < kStrip; k += kLanes) {
      Vector sum{};
      for (index_t t = 0; t < filter.taps; ++t) {
        const index_t at = filter.first + t + kMargin * from;  // not negative, so that / and % round down
        const float* row = spread + at % from * kSpread + at / from;
        sum = fma(splat(filter.weights[static_cast<std::size_t>(i * filter.taps + t)]), load(row + k), sum);
      }
      store(scratch + i * kStrip + k, sum);
    }
  }
  const index_t columns = std::min(kStrip, task.width - x);
  for (index_t k = 0; k < columns; ++k) {
    for (index_t i = 0; i < filter.to; ++i) out[(x + k) * filter.to + i] = scratch[i * kStrip + k];
  }
}

// `count` rows of the network's input from row m, at most kRescaleRows, in the strip from column x.
TILEWRIGHT_INLINE void rescale_strip(const RescaleTask& task, index_t m, index_t count, index_t x, float* scratch) {
  const Rescale& filter = *task.filter;
  const index_t size = spread_size(task);
  float* sums = scratch + size;
  float* columns = sums + kRescaleRows * filter.to * size;
  std::fill_n(sums, count * filter.to * size, 0.0F);
  const index_t first = filter.from * m + filter.first;
  const index_t rows = filter.from * (count - 1) + filter.taps;
  for (index_t y = first; y < first + rows; ++y) {
    spread_row(task, std::clamp<index_t>(y, 0, task.height * filter.from - 1), x, scratch);
    for (index_t r = 0; r < count * filter.to; ++r) {
      const index_t t = y - first - r / filter.to * filter.from;
      if (t < 0 || t >= filter.taps) continue;
      const float weight = filter.weights[static_cast<std::size_t>(r % filter.to * filter.taps + t)];
      accumulate(scratch, weight, size, sums + r * size);
    }
  }
  for (index_t r = 0; r < count * filter.to; ++r) {
    for (index_t p = 0; p < task.planes; ++p) {
      float* out = task.out.plane(p) + (m * filter.to + r) % task.band * task.width * filter.to;
      filter_columns(task, sums + r * size + p * filter.from * kSpread, x, columns, out);
    }
  }
}

TILEWRIGHT_TARGET void rescale(const RescaleTask& task, index_t first, index_t count, float* scratch) {
  for (index_t m = first; m < first + count; m += kRescaleRows) {
    const index_t rows = std::min(kRescaleRows, first + count - m);
    for (index_t x = 0; x < task.width; x += kStrip) rescale_strip(task, m, rows, x, scratch);
  }
}

}  // namespace
}  // namespace tilewright::conv::TILEWRIGHT_NAMESPACE
