// Planes to interleaved samples, and to rows of floats, by registers: a part of simd-inl.h.

namespace tilewright::TILEWRIGHT_PATH {
namespace {

// Pixels that one store takes.
template <class Sample>
constexpr index_t kStoreBlock = index_t{kRegisterBytes / sizeof(Sample)};

// What to_sample() needs, but for the lower end: packing clamps to it, and takes NaN there.
struct Quantiser {
  Floats black;
  Floats gain;
  Floats white;
};

template <class Sample>
TILEWRIGHT_STEP Quantiser quantiser(ValueRange range) {
  return {splat(range.black), splat(kWhite<Sample> / (range.white - range.black)), splat(kWhite<Sample>)};
}

TILEWRIGHT_STEP Register level(Floats values, const Quantiser& to) {
  return round_to_integers(least(to.white, (values - to.black) * to.gain));
}

// `spoilt` stays zero while all values are finite, and becomes NaN with the first that is not.
template <class Element>
TILEWRIGHT_STEP Floats values_at(const Element* plane, index_t i, Floats& spoilt) {
  const Floats values = load(plane + i);
  spoilt = multiply_add(values, splat(0.0F), spoilt);
  return values;
}

template <class Element>
struct Mean {
  const Element* a;
  const Element* b;
  const Element* c;
};

// As mean_of().
template <class Element>
TILEWRIGHT_STEP Floats values_at(const Mean<Element>& mean, index_t i, Floats& spoilt) {
  const Floats sum = values_at(mean.a, i, spoilt) + values_at(mean.b, i, spoilt);
  return (sum + values_at(mean.c, i, spoilt)) / splat(3.0F);
}

// A register of samples from the values of `source`, a plane or a mean, from i on.
template <class Sample, class Source>
TILEWRIGHT_STEP Register quantise(const Source& source, index_t i, const Quantiser& to, Floats& spoilt) {
  const Register first = level(values_at(source, i, spoilt), to);
  const Register second = level(values_at(source, i + kFloats, spoilt), to);
  if constexpr (sizeof(Sample) == 2) {
    return pack(first, second);
  } else {
    const Register third = level(values_at(source, i + 2 * kFloats, spoilt), to);
    const Register fourth = level(values_at(source, i + 3 * kFloats, spoilt), to);
    return pack(first, second, third, fourth);
  }
}

// `width` values from `first` on, to adjacent samples. These three return whether any value was not finite.
template <class Source, class Sample>
TILEWRIGHT_STEP bool store_grey(const Source& source, index_t first, index_t width, ValueRange range, Sample* samples) {
  const Quantiser to = quantiser<Sample>(range);
  Floats spoilt = splat(0.0F);
  for (index_t i = 0; i < width; i += kStoreBlock<Sample>) {
    const index_t at = std::min(i, width - kStoreBlock<Sample>);
    store(samples + at, quantise<Sample>(source, first + at, to, spoilt));
  }
  return any_nan(spoilt);
}

// Of every pixel the first three samples.
template <class Source, class Sample>
TILEWRIGHT_STEP bool store_rgb(const Source sources[3], index_t first, index_t width, ValueRange range,
                               Sample* pixels) {
  const Source red = sources[0];
  const Source green = sources[1];
  const Source blue = sources[2];
  const Quantiser to = quantiser<Sample>(range);
  Floats spoilt[3] = {splat(0.0F), splat(0.0F), splat(0.0F)};
  for (index_t i = 0; i < width; i += kStoreBlock<Sample>) {
    const index_t at = std::min(i, width - kStoreBlock<Sample>);
    const Register r = quantise<Sample>(red, first + at, to, spoilt[0]);
    const Register g = quantise<Sample>(green, first + at, to, spoilt[1]);
    const Register b = quantise<Sample>(blue, first + at, to, spoilt[2]);
    store_registers(pixels + 3 * at, r, g, b);
  }
  return any_nan(spoilt[0] + spoilt[1] + spoilt[2]);
}

template <class Source, class Sample>
TILEWRIGHT_STEP bool store_colour(const Source sources[3], index_t width, ValueRange range, Sample* pixels,
                                  index_t stride) {
  if (stride == 3) return store_rgb(sources, 0, width, range, pixels);
  Sample packed[3 * kPacked];
  const index_t count = std::min(width, kPacked);
  bool is_spoilt = false;
  for (index_t i = 0; i < width; i += kPacked) {
    const index_t at = std::min(i, width - count);
    is_spoilt |= store_rgb(sources, at, count, range, packed);
    for (index_t k = 0; k < count; ++k) std::memcpy(pixels + 4 * (at + k), packed + 3 * k, 3 * sizeof(Sample));
  }
  return is_spoilt;
}

template <class Element, class Sample>
TILEWRIGHT_TARGET index_t store_three(const Element* const planes[3], index_t width, ValueRange range, Sample* pixels,
                                      index_t stride) {
  if (width >= kStoreBlock<Sample> && !store_colour(planes, width, range, pixels, stride)) return 0;
  return scalar::store_kernels<Element, Sample>().three(planes, width, range, pixels, stride);
}

template <class Source, class Sample>
TILEWRIGHT_STEP bool store_strided(const Source& source, index_t width, ValueRange range, Sample* pixels,
                                   index_t stride) {
  if (stride == 1) return store_grey(source, 0, width, range, pixels);
  Sample packed[kPacked];
  const index_t count = std::min(width, kPacked);
  bool is_spoilt = false;
  for (index_t i = 0; i < width; i += kPacked) {
    const index_t at = std::min(i, width - count);
    is_spoilt |= store_grey(source, at, count, range, packed);
    for (index_t k = 0; k < count; ++k) pixels[stride * (at + k)] = packed[k];
  }
  return is_spoilt;
}

template <class Element, class Sample>
TILEWRIGHT_TARGET index_t store_one(const Element* plane, index_t width, ValueRange range, Sample* pixels,
                                    index_t stride) {
  if (width >= kStoreBlock<Sample> && !store_strided(plane, width, range, pixels, stride)) return 0;
  return scalar::store_kernels<Element, Sample>().one(plane, width, range, pixels, stride);
}

template <class Element, class Sample>
TILEWRIGHT_TARGET index_t store_mean(const Element* const planes[3], index_t width, ValueRange range, Sample* pixels,
                                     index_t stride) {
  const Mean<Element> mean{planes[0], planes[1], planes[2]};
  if (width >= kStoreBlock<Sample> && !store_strided(mean, width, range, pixels, stride)) return 0;
  return scalar::store_kernels<Element, Sample>().mean(planes, width, range, pixels, stride);
}

TILEWRIGHT_STEP index_t scalar_as_floats(const float* row, index_t width, float* out) {
  return scalar::float_kernels().from_float(row, width, out);
}
TILEWRIGHT_STEP index_t scalar_as_floats(const Half* row, index_t width, float* out) {
  return scalar::float_kernels().from_half(row, width, out);
}

template <class Element>
TILEWRIGHT_TARGET index_t as_floats(const Element* row, index_t width, float* out) {
  if (width < kFloats) return scalar_as_floats(row, width, out);
  Floats spoilt = splat(0.0F);
  for (index_t i = 0; i < width; i += kFloats) {
    const index_t at = std::min(i, width - kFloats);
    store(out + at, values_at(row, at, spoilt));
  }
  return any_nan(spoilt) ? scalar_as_floats(row, width, out) : 0;
}

}  // namespace
}  // namespace tilewright::TILEWRIGHT_PATH
