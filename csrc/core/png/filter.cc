#include "core/png/filter.h"

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include "core/isa_targets.h"

namespace tilewright {
namespace {

using Byte = std::uint8_t;

// In the order of their numbers in the file.
enum Filter : Byte { kNone, kSub, kUp, kAverage, kPaeth, kFilters };

// One row's bytes and its neighbours': what filters predict from.
struct Bytes {
  const Byte* row;
  const Byte* left;        // of the pixel before, 0 for the first
  const Byte* above;       // of the row above
  const Byte* above_left;  // of the pixel before in the row above
};

namespace body {

template <class Sample>
TILEWRIGHT_BODY void put(Byte* __restrict bytes, index_t i, Sample sample) {
  if constexpr (sizeof(Sample) == 1) {
    bytes[i] = sample;
  } else {
    bytes[2 * i] = static_cast<Byte>(sample >> 8);
    bytes[2 * i + 1] = static_cast<Byte>(sample & 0xFF);
  }
}

template <class Sample>
TILEWRIGHT_BODY void to_bytes(const Sample* __restrict samples, index_t count, Byte* __restrict bytes) {
  for (index_t i = 0; i < count; ++i) put(bytes, i, samples[i]);
}

// A compile-time channel count lets the compiler turn interleaved access into shuffles.
template <int kChannels, class Sample>
TILEWRIGHT_BODY void join(const Sample* __restrict pixels, const Sample* __restrict alpha, index_t width,
                          Byte* __restrict bytes) {
  for (index_t i = 0; i < width; ++i) {
    for (int c = 0; c < kChannels; ++c) put(bytes, (kChannels + 1) * i + c, pixels[kChannels * i + c]);
    put(bytes, (kChannels + 1) * i + kChannels, alpha[i]);
  }
}

// floor((a + b) / 2) in eight bits.
TILEWRIGHT_BODY Byte average(Byte a, Byte b) { return static_cast<Byte>((a & b) + ((a ^ b) >> 1)); }

// Of a, b, c the one nearest to a + b - c; of equally near ones the first (clause 9.4). All in eight bits:
//
// Let lo <= hi be a and b, p = hi - c and q = c - lo. The distances of hi, lo and c from lo + hi - c are |q|, |p| and
// |p - q|. Where c is not between lo and hi the nearest is lo (p <= 0) or hi (q <= 0). Where it is, lo is the nearest
// if p <= q - p, and hi if q <= p - q. With what is below 0 set to 0, both cases are the same two comparisons.
TILEWRIGHT_BODY Byte paeth(Byte a, Byte b, Byte c) {
  const Byte lo = a < b ? a : b;
  const Byte hi = a < b ? b : a;
  const Byte p = static_cast<Byte>(hi - (hi < c ? hi : c));
  const Byte q = static_cast<Byte>(c - (lo < c ? lo : c));
  const Byte lo_or_c = p <= static_cast<Byte>(q >> 1) ? lo : c;
  return q <= static_cast<Byte>(p >> 1) ? hi : lo_or_c;
}

template <Filter kFilter>
TILEWRIGHT_BODY Byte predict(Byte left, Byte above, Byte above_left) {
  if constexpr (kFilter == kSub) return left;
  if constexpr (kFilter == kUp) return above;
  if constexpr (kFilter == kAverage) return average(left, above);
  if constexpr (kFilter == kPaeth) return paeth(left, above, above_left);
  return 0;
}

// The absolute value of a signed byte d is the distance of d + 128 from 128, both unsigned. Compilers have an
// instruction for sums of such distances, but see it only while `middle`, which is 128, is a variable to them: with it
// this loop is three times as fast.
TILEWRIGHT_BODY void add_costs(const Bytes& bytes, index_t begin, index_t end, Byte middle, std::uint64_t* costs) {
  const auto [row, left, above, above_left] = bytes;
  std::uint32_t none = 0;
  std::uint32_t sub = 0;
  std::uint32_t up = 0;
  std::uint32_t mean = 0;
  std::uint32_t nearest = 0;
  for (index_t i = begin; i < end; ++i) {
    const Byte lifted = static_cast<Byte>(row[i] ^ 0x80);
    const auto cost = [lifted, middle](Byte predicted) {
      return static_cast<std::uint32_t>(std::abs(static_cast<Byte>(lifted - predicted) - middle));
    };
    none += cost(predict<kNone>(left[i], above[i], above_left[i]));
    sub += cost(predict<kSub>(left[i], above[i], above_left[i]));
    up += cost(predict<kUp>(left[i], above[i], above_left[i]));
    mean += cost(predict<kAverage>(left[i], above[i], above_left[i]));
    nearest += cost(predict<kPaeth>(left[i], above[i], above_left[i]));
  }
  costs[kNone] += none;
  costs[kSub] += sub;
  costs[kUp] += up;
  costs[kAverage] += mean;
  costs[kPaeth] += nearest;
}

TILEWRIGHT_BODY Filter cheapest(const Bytes& bytes, index_t count, Byte middle) {
  constexpr index_t kBlock = index_t{1} << 24;  // 128 times as much fits the narrow sums
  std::uint64_t costs[kFilters] = {};
  for (index_t begin = 0; begin < count; begin += kBlock) {
    add_costs(bytes, begin, count - begin < kBlock ? count : begin + kBlock, middle, costs);
  }
  int best = kNone;
  for (int filter = kSub; filter < kFilters; ++filter) {
    if (costs[filter] < costs[best]) best = filter;
  }
  return static_cast<Filter>(best);
}

template <Filter kFilter>
TILEWRIGHT_BODY void apply(const Byte* row, const Byte* left, const Byte* above, const Byte* above_left, index_t count,
                           Byte* __restrict filtered) {
  for (index_t i = 0; i < count; ++i) {
    filtered[i] = static_cast<Byte>(row[i] - predict<kFilter>(left[i], above[i], above_left[i]));
  }
}

TILEWRIGHT_BODY void filter_row(const Bytes& bytes, index_t count, Byte middle, Byte* filtered) {
  const Filter filter = cheapest(bytes, count, middle);
  const auto [row, left, above, above_left] = bytes;
  *filtered++ = filter;
  switch (filter) {
    case kSub:
      return apply<kSub>(row, left, above, above_left, count, filtered);
    case kUp:
      return apply<kUp>(row, left, above, above_left, count, filtered);
    case kAverage:
      return apply<kAverage>(row, left, above, above_left, count, filtered);
    case kPaeth:
      return apply<kPaeth>(row, left, above, above_left, count, filtered);
    default:
      return apply<kNone>(row, left, above, above_left, count, filtered);
  }
}

}  // namespace body

template <class Sample>
struct LoadRow {
  void (*plain)(const Sample* samples, index_t count, Byte* bytes);
  void (*grey_alpha)(const Sample* pixels, const Sample* alpha, index_t width, Byte* bytes);
  void (*colour_alpha)(const Sample* pixels, const Sample* alpha, index_t width, Byte* bytes);
};

using FilterRow = void (*)(const Bytes& bytes, index_t count, Byte middle, Byte* filtered);

#define TILEWRIGHT_PNG_FILTER(PATH, ATTRIBUTE)                                                         \
  namespace PATH {                                                                                     \
  template <class Sample>                                                                              \
  ATTRIBUTE void plain(const Sample* samples, index_t count, Byte* bytes) {                            \
    body::to_bytes(samples, count, bytes);                                                             \
  }                                                                                                    \
  template <class Sample>                                                                              \
  ATTRIBUTE void grey_alpha(const Sample* pixels, const Sample* alpha, index_t width, Byte* bytes) {   \
    body::join<1>(pixels, alpha, width, bytes);                                                        \
  }                                                                                                    \
  template <class Sample>                                                                              \
  ATTRIBUTE void colour_alpha(const Sample* pixels, const Sample* alpha, index_t width, Byte* bytes) { \
    body::join<3>(pixels, alpha, width, bytes);                                                        \
  }                                                                                                    \
  ATTRIBUTE void filter_row(const Bytes& bytes, index_t count, Byte middle, Byte* filtered) {          \
    body::filter_row(bytes, count, middle, filtered);                                                  \
  }                                                                                                    \
  template <class Sample>                                                                              \
  constexpr LoadRow<Sample> kLoadRow{plain<Sample>, grey_alpha<Sample>, colour_alpha<Sample>};         \
  }

TILEWRIGHT_FOR_EVERY_ISA(TILEWRIGHT_PNG_FILTER)

template <class Sample>
LoadRow<Sample> load_row_kernels(Isa isa) {
  TILEWRIGHT_SELECT(kLoadRow<Sample>);
}

FilterRow filter_row_kernel(Isa isa) { TILEWRIGHT_SELECT(filter_row); }

template <class Sample>
void load_row(const PngRows<Sample>& rows, index_t y, const LoadRow<Sample>& kernels, Byte* bytes) {
  const Sample* pixels = rows.pixels.row(y);
  if (rows.alpha.data == nullptr) {
    kernels.plain(pixels, rows.pixels.width * rows.pixels.channels, bytes);
  } else if (rows.pixels.channels == 1) {
    kernels.grey_alpha(pixels, rows.alpha.row(y), rows.pixels.width, bytes);
  } else {
    kernels.colour_alpha(pixels, rows.alpha.row(y), rows.pixels.width, bytes);
  }
}

}  // namespace

template <class Sample>
void png_filter(const PngRows<Sample>& rows, Isa isa, Byte* above, Byte* filtered) {
  const auto load = load_row_kernels<Sample>(isa);
  const FilterRow filter = filter_row_kernel(isa);
  const index_t count = rows.row_bytes();
  const index_t pixel = rows.channels() * static_cast<index_t>(sizeof(Sample));

  // Two rows of bytes, each behind a pixel of zeros: the one that stands left of the first.
  std::vector<Byte> scratch(static_cast<std::size_t>(2 * (kPngMaxPixelBytes + count)));
  Byte* row = scratch.data() + kPngMaxPixelBytes;
  Byte* previous = row + count + kPngMaxPixelBytes;
  std::copy_n(above, count, previous);
  for (index_t y = 0; y < rows.pixels.height; ++y) {
    load_row(rows, y, load, row);
    filter({row, row - pixel, previous, previous - pixel}, count, 128, filtered);
    filtered += 1 + count;
    std::swap(row, previous);
  }
  std::copy_n(previous, count, above);
}

template void png_filter(const PngRows<std::uint8_t>&, Isa, Byte*, Byte*);
template void png_filter(const PngRows<std::uint16_t>&, Isa, Byte*, Byte*);

}  // namespace tilewright
