// SIMD kernels that convert planes to interleaved samples or to floats. Part of simd-inl.h.

namespace tilewright::TILEWRIGHT_NAMESPACE {
namespace {

// Pixels per vector of samples.
template <class Sample>
constexpr index_t kStoreBlock = index_t{kVectorBytes / sizeof(Sample)};

// Parameters of to_sample(). The lower bound is missing because packing clamps to 0 and turns NaN
// into 0.
struct Quantiser {
  FloatVector black;
  FloatVector gain;
  FloatVector white;
};

template <class Sample>
TILEWRIGHT_INLINE Quantiser make_quantiser(ValueRange range) {
  return {splat(range.black), splat(kWhite<Sample> / (range.white - range.black)), splat(kWhite<Sample>)};
}

TILEWRIGHT_INLINE IntVector to_levels(FloatVector values, const Quantiser& to) {
  return round_to_int(min(to.white, (values - to.black) * to.gain));
}

// Loads a vector of values. `nonfinite` stays 0 while all values are finite, and becomes NaN at the
// first that is not.
template <class Element>
TILEWRIGHT_INLINE FloatVector load_values(const Element* plane, index_t i, FloatVector& nonfinite) {
  const FloatVector values = load(plane + i);
  nonfinite = multiply_add(values, splat(0.0F), nonfinite);
  return values;
}

template <class Element>
struct Mean {
  const Element* a;
  const Element* b;
  const Element* c;
};

// Does the same as mean_of() in pixel_math.h.
template <class Element>
TILEWRIGHT_INLINE FloatVector load_values(const Mean<Element>& mean, index_t i, FloatVector& nonfinite) {
  const FloatVector sum = load_values(mean.a, i, nonfinite) + load_values(mean.b, i, nonfinite);
  return (sum + load_values(mean.c, i, nonfinite)) / splat(3.0F);
}

// Returns a vector of samples from the values of `source`, a plane or a mean, from index i on.
template <class Sample, class Source>
TILEWRIGHT_INLINE IntVector quantise(const Source& source, index_t i, const Quantiser& to, FloatVector& nonfinite) {
  const IntVector first = to_levels(load_values(source, i, nonfinite), to);
  const IntVector second = to_levels(load_values(source, i + kFloatLanes, nonfinite), to);
  if constexpr (sizeof(Sample) == 2) {
    return pack(first, second);
  } else {
    const IntVector third = to_levels(load_values(source, i + index_t{2} * kFloatLanes, nonfinite), to);
    const IntVector fourth = to_levels(load_values(source, i + index_t{3} * kFloatLanes, nonfinite), to);
    return pack(first, second, third, fourth);
  }
}

// The store_stride_*() functions write `width` pixels, starting with the values at index `first`.
// They return whether any value was non-finite.
template <class Source, class Sample>
TILEWRIGHT_INLINE bool store_stride_1(const Source& source, index_t first, index_t width, ValueRange range,
                                      Sample* samples) {
  const Quantiser to = make_quantiser<Sample>(range);
  FloatVector nonfinite = splat(0.0F);
  for (index_t i = 0; i < width; i += kStoreBlock<Sample>) {
    const index_t at = std::min(i, width - kStoreBlock<Sample>);
    store(samples + at, quantise<Sample>(source, first + at, to, nonfinite));
  }
  return any_nan(nonfinite);
}

template <class Source, class Sample>
TILEWRIGHT_INLINE bool store_stride_3(const Source sources[3], index_t first, index_t width, ValueRange range,
                                      Sample* pixels) {
  const Source red = sources[0];
  const Source green = sources[1];
  const Source blue = sources[2];
  const Quantiser to = make_quantiser<Sample>(range);
  FloatVector nonfinite[3] = {splat(0.0F), splat(0.0F), splat(0.0F)};
  for (index_t i = 0; i < width; i += kStoreBlock<Sample>) {
    const index_t at = std::min(i, width - kStoreBlock<Sample>);
    const IntVector r = quantise<Sample>(red, first + at, to, nonfinite[0]);
    const IntVector g = quantise<Sample>(green, first + at, to, nonfinite[1]);
    const IntVector b = quantise<Sample>(blue, first + at, to, nonfinite[2]);
    store_rgb_vectors(pixels + 3 * at, r, g, b);
  }
  return any_nan(nonfinite[0] + nonfinite[1] + nonfinite[2]);
}

// Writes three sources to the first three samples of every pixel. Returns whether any value was
// non-finite.
template <class Source, class Sample>
TILEWRIGHT_INLINE bool store_sources(const Source sources[3], index_t width, ValueRange range, Sample* pixels,
                                     index_t stride) {
  if (stride == 3) return store_stride_3(sources, 0, width, range, pixels);
  Sample packed[3 * kChunk];
  const index_t count = std::min(width, kChunk);
  bool has_nonfinite = false;
  for (index_t i = 0; i < width; i += kChunk) {
    const index_t at = std::min(i, width - count);
    has_nonfinite |= store_stride_3(sources, at, count, range, packed);
    for (index_t k = 0; k < count; ++k) std::memcpy(pixels + 4 * (at + k), packed + 3 * k, 3 * sizeof(Sample));
  }
  return has_nonfinite;
}

template <class Element, class Sample>
TILEWRIGHT_TARGET index_t store_rgb(const Element* const planes[3], index_t width, ValueRange range, Sample* pixels,
                                    index_t stride) {
  if (width >= kStoreBlock<Sample> && !store_sources(planes, width, range, pixels, stride)) return 0;
  return scalar::kRowKernels.store<Element, Sample>().rgb(planes, width, range, pixels, stride);
}

// Writes one source to one sample of every pixel. Returns whether any value was non-finite.
template <class Source, class Sample>
TILEWRIGHT_INLINE bool store_source(const Source& source, index_t width, ValueRange range, Sample* pixels,
                                    index_t stride) {
  if (stride == 1) return store_stride_1(source, 0, width, range, pixels);
  Sample packed[kChunk];
  const index_t count = std::min(width, kChunk);
  bool has_nonfinite = false;
  for (index_t i = 0; i < width; i += kChunk) {
    const index_t at = std::min(i, width - count);
    has_nonfinite |= store_stride_1(source, at, count, range, packed);
    for (index_t k = 0; k < count; ++k) pixels[stride * (at + k)] = packed[k];
  }
  return has_nonfinite;
}

template <class Element, class Sample>
TILEWRIGHT_TARGET index_t store_channel(const Element* plane, index_t width, ValueRange range, Sample* pixels,
                                        index_t stride) {
  if (width >= kStoreBlock<Sample> && !store_source(plane, width, range, pixels, stride)) return 0;
  return scalar::kRowKernels.store<Element, Sample>().channel(plane, width, range, pixels, stride);
}

template <class Element, class Sample>
TILEWRIGHT_TARGET index_t store_mean(const Element* const planes[3], index_t width, ValueRange range, Sample* pixels,
                                     index_t stride) {
  const Mean<Element> mean{planes[0], planes[1], planes[2]};
  if (width >= kStoreBlock<Sample> && !store_source(mean, width, range, pixels, stride)) return 0;
  return scalar::kRowKernels.store<Element, Sample>().mean(planes, width, range, pixels, stride);
}

TILEWRIGHT_INLINE index_t scalar_to_floats(const float* row, index_t width, float* out) {
  return scalar::kRowKernels.floats.from_float(row, width, out);
}
TILEWRIGHT_INLINE index_t scalar_to_floats(const Half* row, index_t width, float* out) {
  return scalar::kRowKernels.floats.from_half(row, width, out);
}

template <class Element>
TILEWRIGHT_TARGET index_t to_floats(const Element* row, index_t width, float* out) {
  if (width < kFloatLanes) return scalar_to_floats(row, width, out);
  FloatVector nonfinite = splat(0.0F);
  for (index_t i = 0; i < width; i += kFloatLanes) {
    const index_t at = std::min(i, width - kFloatLanes);
    store(out + at, load_values(row, at, nonfinite));
  }
  return any_nan(nonfinite) ? scalar_to_floats(row, width, out) : 0;
}

}  // namespace
}  // namespace tilewright::TILEWRIGHT_NAMESPACE
