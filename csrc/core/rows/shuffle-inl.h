// Results of a network whose pixel shuffle was cut off, to rows of floats and to samples, by registers: a part of
// simd-inl.h.

namespace tilewright::TILEWRIGHT_PATH {
namespace {

// A block of pixels of one row: each plane as floats, its base added.
template <class Element>
TILEWRIGHT_STEP void with_base(const Element* __restrict plane, const float* __restrict base, index_t width,
                               float* __restrict out) {
  Floats ignored = splat(0.0F);
  for (index_t i = 0; i < width; i += kFloats) {
    const index_t at = std::min(i, width - kFloats);
    const Floats values = values_at(plane, at, ignored);
    store(out + at, base == nullptr ? values : values + load(base + at));
  }
}

// The compiler vectorises the interleaving of a number of planes that it knows.
template <int kShuffle>
TILEWRIGHT_STEP void interleave(const float (*__restrict planes)[kPacked], index_t width, float* __restrict out) {
  for (index_t i = 0; i < width; ++i) {
    for (int k = 0; k < kShuffle; ++k) out[kShuffle * i + k] = planes[k][i];
  }
}

template <int kShuffle, class Element>
TILEWRIGHT_STEP void shuffle_blocks(const Element* const* planes, const float* base, index_t width, float* out) {
  float block[kShuffle][kPacked];
  const index_t count = std::min(width, kPacked);
  for (index_t i = 0; i < width; i += kPacked) {
    const index_t at = std::min(i, width - count);
    for (int k = 0; k < kShuffle; ++k) {
      with_base(planes[k] + at, base == nullptr ? nullptr : base + at, count, block[k]);
    }
    interleave<kShuffle>(block, count, out + kShuffle * at);
  }
}

TILEWRIGHT_STEP void scalar_shuffle(const float* const* planes, index_t shuffle, const float* base, index_t width,
                                    float* out) {
  scalar::float_kernels().shuffle_floats(planes, shuffle, base, width, out);
}
TILEWRIGHT_STEP void scalar_shuffle(const Half* const* planes, index_t shuffle, const float* base, index_t width,
                                    float* out) {
  scalar::float_kernels().shuffle_halves(planes, shuffle, base, width, out);
}

template <class Element>
TILEWRIGHT_TARGET void shuffle_rows(const Element* const* planes, index_t shuffle, const float* base, index_t width,
                                    float* out) {
  if (width < kFloats || shuffle < 2 || shuffle > 4) {
    scalar_shuffle(planes, shuffle, base, width, out);
  } else if (shuffle == 2) {
    shuffle_blocks<2>(planes, base, width, out);
  } else if (shuffle == 3) {
    shuffle_blocks<3>(planes, base, width, out);
  } else {
    shuffle_blocks<4>(planes, base, width, out);
  }
}

// The parts are more streams than the processor follows by itself, and short ones. So far ahead, about a row, values
// are fetched into the second cache: in the first one the other parts would take their place.
constexpr index_t kAhead = 512;

// A plane whose shuffle of kShuffle is still to be done.
template <int kShuffle, class Element>
struct Shuffled {
  const Element* const* parts;
  const float* base;
};

template <int kShuffle, class Element>
TILEWRIGHT_STEP Register level_at(const Shuffled<kShuffle, Element>& plane, int part, index_t i, const Quantiser& to,
                                  Floats& spoilt) {
  __builtin_prefetch(plane.parts[part] + i + kAhead, 0, 2);
  if (plane.base == nullptr) return level(values_at(plane.parts[part], i, spoilt), to);
  const Floats values = load(plane.parts[part] + i) + load(plane.base + i);
  spoilt = multiply_add(values, splat(0.0F), spoilt);
  return level(values, to);
}

// A register of bytes: packing mixes the parts as it is, and only the order of bytes is left to see to.
template <class Sample, class Element>
TILEWRIGHT_STEP Register quantise(const Shuffled<4, Element>& plane, index_t i, const Quantiser& to, Floats& spoilt) {
  static_assert(sizeof(Sample) == 1);
  const index_t at = i / 4;
  return take_turns_of_four(level_at(plane, 0, at, to, spoilt), level_at(plane, 1, at, to, spoilt),
                            level_at(plane, 2, at, to, spoilt), level_at(plane, 3, at, to, spoilt));
}

template <class Sample, class Element>
TILEWRIGHT_STEP Register quantise(const Shuffled<2, Element>& plane, index_t i, const Quantiser& to, Floats& spoilt) {
  static_assert(sizeof(Sample) == 1);
  const index_t at = i / 2;
  return take_turns_of_two(level_at(plane, 0, at, to, spoilt), level_at(plane, 1, at, to, spoilt),
                           level_at(plane, 0, at + kFloats, to, spoilt), level_at(plane, 1, at + kFloats, to, spoilt));
}

// These three return whether any value was not finite. `width`: of the parts.
template <int kShuffle, class Element, class Sample>
TILEWRIGHT_STEP bool store_at_once(const Element* const* parts, const float* const bases[3], index_t width,
                                   ValueRange range, Sample* pixels, index_t stride) {
  const Shuffled<kShuffle, Element> planes[3] = {
      {parts, bases[0]}, {parts + kShuffle, bases[1]}, {parts + 2 * kShuffle, bases[2]}};
  return store_colour(planes, kShuffle * width, range, pixels, stride);
}

// By way of floats, as many at a time as stay in the nearest cache.
template <int kShuffle, class Element, class Sample>
TILEWRIGHT_STEP bool store_by_floats(const Element* const* parts, const float* const bases[3], index_t width,
                                     ValueRange range, Sample* pixels, index_t stride) {
  float block[3][kShuffle * kPacked];
  const float* const planes[3] = {block[0], block[1], block[2]};
  const index_t count = std::min(width, kPacked);
  bool is_spoilt = false;
  for (index_t i = 0; i < width; i += kPacked) {
    const index_t at = std::min(i, width - count);
    for (int plane = 0; plane < 3; ++plane) {
      const Element* here[kShuffle];
      for (int k = 0; k < kShuffle; ++k) here[k] = parts[plane * kShuffle + k] + at;
      shuffle_blocks<kShuffle>(here, bases[plane] == nullptr ? nullptr : bases[plane] + at, count, block[plane]);
    }
    is_spoilt |= store_colour(planes, kShuffle * count, range, pixels + stride * kShuffle * at, stride);
  }
  return is_spoilt;
}

template <int kShuffle, class Element, class Sample>
TILEWRIGHT_STEP bool store_parts(const Element* const* parts, const float* const bases[3], index_t width,
                                 ValueRange range, Sample* pixels, index_t stride) {
  if constexpr (sizeof(Sample) == 1 && kShuffle != 3) {
    return store_at_once<kShuffle>(parts, bases, width, range, pixels, stride);
  } else {
    return store_by_floats<kShuffle>(parts, bases, width, range, pixels, stride);
  }
}

template <class Element, class Sample>
TILEWRIGHT_TARGET index_t store_shuffled(const Element* const* parts, index_t shuffle, const float* const bases[3],
                                         index_t width, ValueRange range, Sample* pixels, index_t stride) {
  bool is_spoilt = width < kFloats || shuffle * width < kStoreBlock<Sample> || shuffle < 2 || shuffle > 4;
  if (is_spoilt) {
    // left to the reference
  } else if (shuffle == 2) {
    is_spoilt = store_parts<2>(parts, bases, width, range, pixels, stride);
  } else if (shuffle == 3) {
    is_spoilt = store_parts<3>(parts, bases, width, range, pixels, stride);
  } else {
    is_spoilt = store_parts<4>(parts, bases, width, range, pixels, stride);
  }
  if (!is_spoilt) return 0;
  return scalar::store_kernels<Element, Sample>().shuffled(parts, shuffle, bases, width, range, pixels, stride);
}

}  // namespace
}  // namespace tilewright::TILEWRIGHT_PATH
