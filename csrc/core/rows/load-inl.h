// SIMD kernels that convert interleaved samples to planes. Part of simd-inl.h.

namespace tilewright::TILEWRIGHT_NAMESPACE {
namespace {

// Pixels per vector load of RGB.
template <class Sample>
constexpr index_t kLoadBlock = kLoadSamples<Sample>;

// Parameters of to_network(). The range 0..1 has its own type, which saves a multiplication by 1
// and an addition of 0.
struct AnyRange {
  FloatVector black;
  FloatVector span;
};
struct ZeroToOne {};

TILEWRIGHT_INLINE bool is_zero_to_one(ValueRange range) { return range.black == 0.0F && range.white == 1.0F; }
TILEWRIGHT_INLINE AnyRange any_range(ValueRange range) {
  return {splat(range.black), splat(range.white - range.black)};
}

TILEWRIGHT_INLINE FloatVector scale_to(const AnyRange& range, FloatVector share) {
  return share * range.span + range.black;
}
TILEWRIGHT_INLINE FloatVector scale_to(const ZeroToOne&, FloatVector share) { return share; }

// Does the same as to_network() in pixel_math.h.
template <class Sample, class Range>
TILEWRIGHT_INLINE FloatVector to_network(FloatVector level, const Range& range) {
  const FloatVector low = level * splat(kReciprocalLow<Sample>);
  return scale_to(range, multiply_add(level, splat(kReciprocalHigh<Sample>), low));
}

template <int kChannel, class Sample, class Range>
TILEWRIGHT_INLINE void load_rgb_channel(const Rgb& rgb, const Range& range, float* plane) {
  const IntVector samples = pick_channel<Sample, kChannel>(rgb);
  for (int part = 0; part < kLoadBlock<Sample> / kFloatLanes; ++part) {
    const FloatVector level = widen<Sample, kChannel>(samples, part);
    store(plane + index_t{part} * kFloatLanes, to_network<Sample>(level, range));
  }
}

template <class Range, class Sample>
TILEWRIGHT_INLINE void load_stride_3(const Sample* pixels, index_t width, const Range& range, float* const planes[3]) {
  float* const red = planes[0];
  float* const green = planes[1];
  float* const blue = planes[2];
  for (index_t i = 0; i < width; i += kLoadBlock<Sample>) {
    const index_t at = std::min(i, width - kLoadBlock<Sample>);
    const Rgb rgb = load_rgb_vectors(pixels + 3 * at);
    load_rgb_channel<0, Sample>(rgb, range, red + at);
    load_rgb_channel<1, Sample>(rgb, range, green + at);
    load_rgb_channel<2, Sample>(rgb, range, blue + at);
  }
}

template <class Range, class Sample>
TILEWRIGHT_INLINE void load_stride_4(const Sample* pixels, index_t width, const Range& range, float* const planes[3]) {
  float* const red = planes[0];
  float* const green = planes[1];
  float* const blue = planes[2];
  for (index_t i = 0; i < width; i += kFloatLanes) {
    const index_t at = std::min(i, width - kFloatLanes);
    store(red + at, to_network<Sample>(load_channel_of_4<0>(pixels + 4 * at), range));
    store(green + at, to_network<Sample>(load_channel_of_4<1>(pixels + 4 * at), range));
    store(blue + at, to_network<Sample>(load_channel_of_4<2>(pixels + 4 * at), range));
  }
}

template <class Range, class Sample>
TILEWRIGHT_INLINE void load_stride_1(const Sample* samples, index_t width, const Range& range, float* plane) {
  for (index_t i = 0; i < width; i += kFloatLanes) {
    const index_t at = std::min(i, width - kFloatLanes);
    store(plane + at, to_network<Sample>(load(samples + at), range));
  }
}

template <class Sample, class Range>
TILEWRIGHT_INLINE void load_rgb_in(const Range& range, const Sample* pixels, index_t stride, index_t width,
                                   float* const planes[3]) {
  if (stride == 3) {
    load_stride_3(pixels, width, range, planes);
  } else {
    load_stride_4(pixels, width, range, planes);
  }
}

template <class Sample>
TILEWRIGHT_TARGET void load_rgb(const Sample* pixels, index_t stride, index_t width, ValueRange range,
                                float* const planes[3]) {
  if (width < kLoadBlock<Sample>) {
    scalar::kRowKernels.load<Sample>().rgb(pixels, stride, width, range, planes);
  } else if (is_zero_to_one(range)) {
    load_rgb_in(ZeroToOne{}, pixels, stride, width, planes);
  } else {
    load_rgb_in(any_range(range), pixels, stride, width, planes);
  }
}

template <class Sample>
TILEWRIGHT_INLINE void pack_channel(const Sample* __restrict pixels, index_t stride, index_t count,
                                    Sample* __restrict packed) {
  if (stride == 4) {  // a constant stride lets the compiler use shuffles; 4 is common for alpha
    for (index_t k = 0; k < count; ++k) packed[k] = pixels[4 * k];
  } else {
    for (index_t k = 0; k < count; ++k) packed[k] = pixels[stride * k];
  }
}

template <class Sample>
TILEWRIGHT_TARGET void load_channel(const Sample* pixels, index_t stride, index_t width, ValueRange range,
                                    float* plane) {
  if (width < kFloatLanes) {
    scalar::kRowKernels.load<Sample>().channel(pixels, stride, width, range, plane);
  } else if (stride == 1) {
    load_stride_1(pixels, width, any_range(range), plane);
  } else {
    Sample packed[kChunk];
    const index_t count = std::min(width, kChunk);
    for (index_t i = 0; i < width; i += kChunk) {
      const index_t at = std::min(i, width - count);
      pack_channel(pixels + stride * at, stride, count, packed);
      load_stride_1<AnyRange, Sample>(packed, count, any_range(range), plane + at);
    }
  }
}

}  // namespace
}  // namespace tilewright::TILEWRIGHT_NAMESPACE
