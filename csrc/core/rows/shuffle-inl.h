// SIMD kernels that apply a pixel shuffle and store floats or samples. Part of simd-inl.h.

namespace tilewright::TILEWRIGHT_NAMESPACE {
namespace {

// Converts a row of one part to floats and adds the base.
template <class Element>
TILEWRIGHT_INLINE void add_base(const Element* __restrict part, const float* __restrict base, index_t width,
                                float* __restrict out) {
  FloatVector unused = splat(0.0F);
  for (index_t i = 0; i < width; i += kFloatLanes) {
    const index_t at = std::min(i, width - kFloatLanes);
    const FloatVector values = load_values(part, at, unused);
    store(out + at, base == nullptr ? values : values + load(base + at));
  }
}

// The compiler vectorises this loop because the number of parts is a constant.
template <int kShuffle>
TILEWRIGHT_INLINE void interleave(const float (*__restrict parts)[kChunk], index_t width, float* __restrict out) {
  for (index_t i = 0; i < width; ++i) {
    for (int k = 0; k < kShuffle; ++k) out[kShuffle * i + k] = parts[k][i];
  }
}

template <int kShuffle, class Element>
TILEWRIGHT_INLINE void shuffle_chunks(const Element* const* parts, const float* base, index_t width, float* out) {
  float chunk[kShuffle][kChunk];
  const index_t count = std::min(width, kChunk);
  for (index_t i = 0; i < width; i += kChunk) {
    const index_t at = std::min(i, width - count);
    for (int k = 0; k < kShuffle; ++k) {
      add_base(parts[k] + at, base == nullptr ? nullptr : base + at, count, chunk[k]);
    }
    interleave<kShuffle>(chunk, count, out + kShuffle * at);
  }
}

TILEWRIGHT_INLINE void scalar_shuffle(const float* const* parts, index_t shuffle, const float* base, index_t width,
                                      float* out) {
  scalar::kRowKernels.floats.shuffle_floats(parts, shuffle, base, width, out);
}
TILEWRIGHT_INLINE void scalar_shuffle(const Half* const* parts, index_t shuffle, const float* base, index_t width,
                                      float* out) {
  scalar::kRowKernels.floats.shuffle_halves(parts, shuffle, base, width, out);
}

template <class Element>
TILEWRIGHT_TARGET void shuffle_rows(const Element* const* parts, index_t shuffle, const float* base, index_t width,
                                    float* out) {
  if (width < kFloatLanes || shuffle < 2 || shuffle > 4) {
    scalar_shuffle(parts, shuffle, base, width, out);
  } else if (shuffle == 2) {
    shuffle_chunks<2>(parts, base, width, out);
  } else if (shuffle == 3) {
    shuffle_chunks<3>(parts, base, width, out);
  } else {
    shuffle_chunks<4>(parts, base, width, out);
  }
}

// Values are prefetched this far ahead, about one row, because the parts are more streams than the
// hardware prefetcher follows. They go to the second-level cache; in the first level the other
// parts would evict them.
constexpr index_t kPrefetchDistance = 512;

// One plane before its pixel shuffle.
template <int kShuffle, class Element>
struct Shuffled {
  const Element* const* parts;
  const float* base;
};

template <int kShuffle, class Element>
TILEWRIGHT_INLINE IntVector part_levels(const Shuffled<kShuffle, Element>& plane, int part, index_t i,
                                        const Quantiser& to, FloatVector& nonfinite) {
  __builtin_prefetch(plane.parts[part] + i + kPrefetchDistance, 0, 2);
  if (plane.base == nullptr) return to_levels(load_values(plane.parts[part], i, nonfinite), to);
  const FloatVector values = load(plane.parts[part] + i) + load(plane.base + i);
  nonfinite = multiply_add(values, splat(0.0F), nonfinite);
  return to_levels(values, to);
}

// Returns a vector of bytes. Packing interleaves the parts anyway, so only the order of the bytes
// remains to be fixed.
template <class Sample, class Element>
TILEWRIGHT_INLINE IntVector quantise(const Shuffled<4, Element>& plane, index_t i, const Quantiser& to,
                                     FloatVector& nonfinite) {
  static_assert(sizeof(Sample) == 1);
  const index_t at = i / 4;
  return interleave4(part_levels(plane, 0, at, to, nonfinite), part_levels(plane, 1, at, to, nonfinite),
                     part_levels(plane, 2, at, to, nonfinite), part_levels(plane, 3, at, to, nonfinite));
}

template <class Sample, class Element>
TILEWRIGHT_INLINE IntVector quantise(const Shuffled<2, Element>& plane, index_t i, const Quantiser& to,
                                     FloatVector& nonfinite) {
  static_assert(sizeof(Sample) == 1);
  const index_t at = i / 2;
  return interleave2(part_levels(plane, 0, at, to, nonfinite), part_levels(plane, 1, at, to, nonfinite),
                     part_levels(plane, 0, at + kFloatLanes, to, nonfinite),
                     part_levels(plane, 1, at + kFloatLanes, to, nonfinite));
}

// The next three functions return whether any value was non-finite. `width`: values per part.

template <int kShuffle, class Element, class Sample>
TILEWRIGHT_INLINE bool store_parts_directly(const Element* const* parts, const float* const bases[3], index_t width,
                                            ValueRange range, Sample* pixels, index_t stride) {
  const Shuffled<kShuffle, Element> planes[3] = {
      {parts, bases[0]}, {parts + kShuffle, bases[1]}, {parts + 2 * kShuffle, bases[2]}};
  return store_sources(planes, kShuffle * width, range, pixels, stride);
}

// Stores floats first, in chunks that stay in the first-level cache.
template <int kShuffle, class Element, class Sample>
TILEWRIGHT_INLINE bool store_parts_via_floats(const Element* const* parts, const float* const bases[3], index_t width,
                                              ValueRange range, Sample* pixels, index_t stride) {
  float chunk[3][kShuffle * kChunk];
  const float* const planes[3] = {chunk[0], chunk[1], chunk[2]};
  const index_t count = std::min(width, kChunk);
  bool has_nonfinite = false;
  for (index_t i = 0; i < width; i += kChunk) {
    const index_t at = std::min(i, width - count);
    for (int plane = 0; plane < 3; ++plane) {
      const Element* chunk_parts[kShuffle];
      for (int k = 0; k < kShuffle; ++k) chunk_parts[k] = parts[plane * kShuffle + k] + at;
      const float* const base = bases[plane] == nullptr ? nullptr : bases[plane] + at;
      shuffle_chunks<kShuffle>(chunk_parts, base, count, chunk[plane]);
    }
    has_nonfinite |= store_sources(planes, kShuffle * count, range, pixels + stride * kShuffle * at, stride);
  }
  return has_nonfinite;
}

template <int kShuffle, class Element, class Sample>
TILEWRIGHT_INLINE bool store_parts(const Element* const* parts, const float* const bases[3], index_t width,
                                   ValueRange range, Sample* pixels, index_t stride) {
  if constexpr (sizeof(Sample) == 1 && kShuffle != 3) {
    return store_parts_directly<kShuffle>(parts, bases, width, range, pixels, stride);
  } else {
    return store_parts_via_floats<kShuffle>(parts, bases, width, range, pixels, stride);
  }
}

template <class Element, class Sample>
TILEWRIGHT_TARGET index_t store_shuffled(const Element* const* parts, index_t shuffle, const float* const bases[3],
                                         index_t width, ValueRange range, Sample* pixels, index_t stride) {
  bool use_scalar = width < kFloatLanes || shuffle * width < kStoreBlock<Sample> || shuffle < 2 || shuffle > 4;
  if (!use_scalar) {
    if (shuffle == 2) {
      use_scalar = store_parts<2>(parts, bases, width, range, pixels, stride);
    } else if (shuffle == 3) {
      use_scalar = store_parts<3>(parts, bases, width, range, pixels, stride);
    } else {
      use_scalar = store_parts<4>(parts, bases, width, range, pixels, stride);
    }
  }
  if (!use_scalar) return 0;
  return scalar::kRowKernels.store<Element, Sample>().shuffled(parts, shuffle, bases, width, range, pixels, stride);
}

}  // namespace
}  // namespace tilewright::TILEWRIGHT_NAMESPACE
