// Interleaved samples to planes, by registers: a part of simd-inl.h.

namespace tilewright::TILEWRIGHT_PATH {
namespace {

// Pixels that one load of RGB takes.
template <class Sample>
constexpr index_t kLoadBlock = kLoadPlaces<Sample>;

// What to_network() needs. The usual range is a type of its own: no multiplication by 1, no addition of 0.
struct AnyRange {
  Floats black;
  Floats span;
};
struct ZeroToOne {};

TILEWRIGHT_STEP bool is_zero_to_one(ValueRange range) { return range.black == 0.0F && range.white == 1.0F; }
TILEWRIGHT_STEP AnyRange any_range(ValueRange range) { return {splat(range.black), splat(range.white - range.black)}; }

TILEWRIGHT_STEP Floats into(const AnyRange& range, Floats share) { return share * range.span + range.black; }
TILEWRIGHT_STEP Floats into(const ZeroToOne&, Floats share) { return share; }

// As the function of one sample.
template <class Sample, class Range>
TILEWRIGHT_STEP Floats to_network(Floats level, const Range& range) {
  const Floats rest = level * splat(kReciprocalRest<Sample>);
  return into(range, multiply_add(level, splat(kReciprocal<Sample>), rest));
}

template <int kChannel, class Sample, class Range, class Element>
TILEWRIGHT_STEP void load_channel(const Rgb& rgb, const Range& range, Element* plane) {
  const Register samples = pick_channel<Sample, kChannel>(rgb);
  for (int part = 0; part < kLoadBlock<Sample> / kFloats; ++part) {
    const Floats level = spread<Sample, kChannel>(samples, part);
    store(plane + part * kFloats, to_network<Sample>(level, range));
  }
}

template <class Range, class Sample, class Element>
TILEWRIGHT_STEP void load_rgb(const Sample* pixels, index_t width, const Range& range, Element* const planes[3]) {
  Element* const red = planes[0];
  Element* const green = planes[1];
  Element* const blue = planes[2];
  for (index_t i = 0; i < width; i += kLoadBlock<Sample>) {
    const index_t at = std::min(i, width - kLoadBlock<Sample>);
    const Rgb rgb = load_registers(pixels + 3 * at);
    load_channel<0, Sample>(rgb, range, red + at);
    load_channel<1, Sample>(rgb, range, green + at);
    load_channel<2, Sample>(rgb, range, blue + at);
  }
}

template <class Range, class Sample, class Element>
TILEWRIGHT_STEP void load_rgb_of_four(const Sample* pixels, index_t width, const Range& range,
                                      Element* const planes[3]) {
  Element* const red = planes[0];
  Element* const green = planes[1];
  Element* const blue = planes[2];
  for (index_t i = 0; i < width; i += kFloats) {
    const index_t at = std::min(i, width - kFloats);
    store(red + at, to_network<Sample>(load_of_four<0>(pixels + 4 * at), range));
    store(green + at, to_network<Sample>(load_of_four<1>(pixels + 4 * at), range));
    store(blue + at, to_network<Sample>(load_of_four<2>(pixels + 4 * at), range));
  }
}

template <class Range, class Sample, class Element>
TILEWRIGHT_STEP void load_grey(const Sample* samples, index_t width, const Range& range, Element* plane) {
  for (index_t i = 0; i < width; i += kFloats) {
    const index_t at = std::min(i, width - kFloats);
    store(plane + at, to_network<Sample>(load(samples + at), range));
  }
}

template <class Sample, class Range, class Element>
TILEWRIGHT_STEP void load_three_in(const Range& range, const Sample* pixels, index_t stride, index_t width,
                                   Element* const planes[3]) {
  if (stride == 3) {
    load_rgb(pixels, width, range, planes);
  } else {
    load_rgb_of_four(pixels, width, range, planes);
  }
}

template <class Sample, class Element>
TILEWRIGHT_TARGET void load_three(const Sample* pixels, index_t stride, index_t width, ValueRange range,
                                  Element* const planes[3]) {
  if (width < kLoadBlock<Sample>) {
    scalar::load_kernels<Sample, Element>().three(pixels, stride, width, range, planes);
  } else if (is_zero_to_one(range)) {
    load_three_in(ZeroToOne{}, pixels, stride, width, planes);
  } else {
    load_three_in(any_range(range), pixels, stride, width, planes);
  }
}

template <class Sample>
TILEWRIGHT_STEP void pack_strided(const Sample* __restrict pixels, index_t stride, index_t count,
                                  Sample* __restrict packed) {
  if (stride == 4) {  // alpha: a constant lets the compiler shuffle
    for (index_t k = 0; k < count; ++k) packed[k] = pixels[4 * k];
  } else {
    for (index_t k = 0; k < count; ++k) packed[k] = pixels[stride * k];
  }
}

template <class Sample, class Element>
TILEWRIGHT_TARGET void load_one(const Sample* pixels, index_t stride, index_t width, ValueRange range, Element* plane) {
  if (width < kFloats) {
    scalar::load_kernels<Sample, Element>().one(pixels, stride, width, range, plane);
  } else if (stride == 1) {
    load_grey(pixels, width, any_range(range), plane);
  } else {
    Sample packed[kPacked];
    const index_t count = std::min(width, kPacked);
    for (index_t i = 0; i < width; i += kPacked) {
      const index_t at = std::min(i, width - count);
      pack_strided(pixels + stride * at, stride, count, packed);
      load_grey<AnyRange, Sample>(packed, count, any_range(range), plane + at);
    }
  }
}

}  // namespace
}  // namespace tilewright::TILEWRIGHT_PATH
