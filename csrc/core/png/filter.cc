#include "core/png/filter.h"

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include "core/isa_targets.h"

namespace tilewright {
namespace {

using Byte = std::uint8_t;

// The values are the filter types in a PNG file.
enum Filter : Byte { kNone, kSub, kUp, kAverage, kPaeth, kFilters };

// The bytes of a row and the bytes that filters predict them from.
struct FilterInput {
  const Byte* row;
  const Byte* left;        // the previous pixel; 0 for the first pixel
  const Byte* above;       // the row above
  const Byte* above_left;  // the previous pixel in the row above
};

// The kernels of one instruction set.
template <class Sample>
struct FilterKernels {
  void (*to_bytes)(const Sample* samples, index_t count, Byte* bytes);
  void (*join_grey_alpha)(const Sample* pixels, const Sample* alpha, index_t width, Byte* bytes);
  void (*join_rgb_alpha)(const Sample* pixels, const Sample* alpha, index_t width, Byte* bytes);
  void (*filter_row)(const FilterInput& input, index_t count, Byte middle, Byte* filtered);
};

// The bodies of the kernels. They are inlined into one kernel per instruction set.
namespace body {

template <class Sample>
TILEWRIGHT_ALWAYS_INLINE void put(Byte* __restrict bytes, index_t i, Sample sample) {
  if constexpr (sizeof(Sample) == 1) {
    bytes[i] = sample;
  } else {
    bytes[2 * i] = static_cast<Byte>(sample >> 8);
    bytes[2 * i + 1] = static_cast<Byte>(sample & 0xFF);
  }
}

template <class Sample>
TILEWRIGHT_ALWAYS_INLINE void to_bytes(const Sample* __restrict samples, index_t count, Byte* __restrict bytes) {
  for (index_t i = 0; i < count; ++i) put(bytes, i, samples[i]);
}

// A constant number of channels lets the compiler turn interleaved access into shuffles.
template <int kChannels, class Sample>
TILEWRIGHT_ALWAYS_INLINE void join_alpha(const Sample* __restrict pixels, const Sample* __restrict alpha, index_t width,
                                         Byte* __restrict bytes) {
  for (index_t i = 0; i < width; ++i) {
    for (int c = 0; c < kChannels; ++c) put(bytes, (kChannels + 1) * i + c, pixels[kChannels * i + c]);
    put(bytes, (kChannels + 1) * i + kChannels, alpha[i]);
  }
}

// Returns floor((a + b) / 2), computed in eight bits.
TILEWRIGHT_ALWAYS_INLINE Byte average(Byte a, Byte b) { return static_cast<Byte>((a & b) + ((a ^ b) >> 1)); }

// The Paeth predictor: returns whichever of a, b and c is nearest to a + b - c, the first one on a
// tie (clause 9.4).
//
// It is computed in eight bits. Let lo <= hi be a and b, p = hi - c and q = c - lo. The distances
// of hi, lo and c from lo + hi - c are |q|, |p| and |p - q|. If c is not between lo and hi, the
// nearest is lo (p <= 0) or hi (q <= 0). If it is, lo is the nearest if p <= q - p, and hi if q <=
// p - q. With p and q clamped to 0 or more, both cases are the same two comparisons.
TILEWRIGHT_ALWAYS_INLINE Byte paeth(Byte a, Byte b, Byte c) {
  const Byte lo = a < b ? a : b;
  const Byte hi = a < b ? b : a;
  const Byte p = static_cast<Byte>(hi - (hi < c ? hi : c));
  const Byte q = static_cast<Byte>(c - (lo < c ? lo : c));
  const Byte lo_or_c = p <= static_cast<Byte>(q >> 1) ? lo : c;
  return q <= static_cast<Byte>(p >> 1) ? hi : lo_or_c;
}

template <Filter kFilter>
TILEWRIGHT_ALWAYS_INLINE Byte predict(Byte left, Byte above, Byte above_left) {
  if constexpr (kFilter == kSub) return left;
  if constexpr (kFilter == kUp) return above;
  if constexpr (kFilter == kAverage) return average(left, above);
  if constexpr (kFilter == kPaeth) return paeth(left, above, above_left);
  return 0;
}

// Adds the sum of absolute values for each filter to `costs`.
//
// The absolute value of a signed byte d is the distance between d + 128 and 128, both unsigned.
// There is an instruction for sums of such distances, but compilers use it only if `middle`, which
// is 128, is a variable to them. It makes this loop three times as fast.
TILEWRIGHT_ALWAYS_INLINE void add_costs(const FilterInput& input, index_t begin, index_t end, Byte middle,
                                        std::uint64_t* costs) {
  const auto [row, left, above, above_left] = input;
  std::uint32_t none_cost = 0;
  std::uint32_t sub_cost = 0;
  std::uint32_t up_cost = 0;
  std::uint32_t average_cost = 0;
  std::uint32_t paeth_cost = 0;
  for (index_t i = begin; i < end; ++i) {
    const Byte shifted = static_cast<Byte>(row[i] ^ 0x80);
    const auto cost = [shifted, middle](Byte predicted) {
      return static_cast<std::uint32_t>(std::abs(static_cast<Byte>(shifted - predicted) - middle));
    };
    none_cost += cost(predict<kNone>(left[i], above[i], above_left[i]));
    sub_cost += cost(predict<kSub>(left[i], above[i], above_left[i]));
    up_cost += cost(predict<kUp>(left[i], above[i], above_left[i]));
    average_cost += cost(predict<kAverage>(left[i], above[i], above_left[i]));
    paeth_cost += cost(predict<kPaeth>(left[i], above[i], above_left[i]));
  }
  costs[kNone] += none_cost;
  costs[kSub] += sub_cost;
  costs[kUp] += up_cost;
  costs[kAverage] += average_cost;
  costs[kPaeth] += paeth_cost;
}

TILEWRIGHT_ALWAYS_INLINE Filter cheapest(const FilterInput& input, index_t count, Byte middle) {
  constexpr index_t kBlock = index_t{1} << 24;  // 128 times this fits in 32 bits
  std::uint64_t costs[kFilters] = {};
  for (index_t begin = 0; begin < count; begin += kBlock) {
    add_costs(input, begin, count - begin < kBlock ? count : begin + kBlock, middle, costs);
  }
  int best = kNone;
  for (int filter = kSub; filter < kFilters; ++filter) {
    if (costs[filter] < costs[best]) best = filter;
  }
  return static_cast<Filter>(best);
}

template <Filter kFilter>
TILEWRIGHT_ALWAYS_INLINE void apply(const Byte* row, const Byte* left, const Byte* above, const Byte* above_left,
                                    index_t count, Byte* __restrict filtered) {
  for (index_t i = 0; i < count; ++i) {
    filtered[i] = static_cast<Byte>(row[i] - predict<kFilter>(left[i], above[i], above_left[i]));
  }
}

TILEWRIGHT_ALWAYS_INLINE void filter_row(const FilterInput& input, index_t count, Byte middle, Byte* filtered) {
  const Filter filter = cheapest(input, count, middle);
  const auto [row, left, above, above_left] = input;
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

}  // namespace
}  // namespace tilewright

#define TILEWRIGHT_NAMESPACE scalar
#define TILEWRIGHT_TARGET TILEWRIGHT_TARGET_SCALAR
#include "core/png/filter_kernels-inl.h"
#undef TILEWRIGHT_NAMESPACE
#undef TILEWRIGHT_TARGET

#if TILEWRIGHT_HAS_X86_KERNELS
#define TILEWRIGHT_NAMESPACE avx2
#define TILEWRIGHT_TARGET TILEWRIGHT_TARGET_AVX2
#include "core/png/filter_kernels-inl.h"
#undef TILEWRIGHT_NAMESPACE
#undef TILEWRIGHT_TARGET

#define TILEWRIGHT_NAMESPACE avx512
#define TILEWRIGHT_TARGET TILEWRIGHT_TARGET_AVX512
#include "core/png/filter_kernels-inl.h"
#undef TILEWRIGHT_NAMESPACE
#undef TILEWRIGHT_TARGET
#endif

namespace tilewright {
namespace {

template <class Sample>
const FilterKernels<Sample>& filter_kernels(Isa isa) {
#if TILEWRIGHT_HAS_X86_KERNELS
  if (isa == Isa::kAvx2) return avx2::kFilterKernels<Sample>;
  if (isa == Isa::kAvx512) return avx512::kFilterKernels<Sample>;
#endif
  (void)isa;
  return scalar::kFilterKernels<Sample>;
}

template <class Sample>
void load_row(const PngRows<Sample>& rows, index_t y, const FilterKernels<Sample>& kernels, Byte* bytes) {
  const Sample* pixels = rows.pixels.row(y);
  if (rows.alpha.data == nullptr) {
    kernels.to_bytes(pixels, rows.pixels.width * rows.pixels.channels, bytes);
  } else if (rows.pixels.channels == 1) {
    kernels.join_grey_alpha(pixels, rows.alpha.row(y), rows.pixels.width, bytes);
  } else {
    kernels.join_rgb_alpha(pixels, rows.alpha.row(y), rows.pixels.width, bytes);
  }
}

}  // namespace

template <class Sample>
void png_filter(const PngRows<Sample>& rows, Isa isa, Byte* above, Byte* filtered) {
  const FilterKernels<Sample>& kernels = filter_kernels<Sample>(isa);
  const index_t count = rows.row_bytes();
  const index_t pixel = rows.channels() * static_cast<index_t>(sizeof(Sample));

  // Two rows of bytes. Each follows a pixel of zeros, the left neighbour of the first pixel.
  std::vector<Byte> scratch(static_cast<std::size_t>(2 * (kPngMaxPixelBytes + count)));
  Byte* row = scratch.data() + kPngMaxPixelBytes;
  Byte* previous = row + count + kPngMaxPixelBytes;
  std::copy_n(above, count, previous);
  for (index_t y = 0; y < rows.pixels.height; ++y) {
    load_row(rows, y, kernels, row);
    kernels.filter_row({row, row - pixel, previous, previous - pixel}, count, 128, filtered);
    filtered += 1 + count;
    std::swap(row, previous);
  }
  std::copy_n(previous, count, above);
}

template void png_filter(const PngRows<std::uint8_t>&, Isa, Byte*, Byte*);
template void png_filter(const PngRows<std::uint16_t>&, Isa, Byte*, Byte*);

}  // namespace tilewright
