// How a body is compiled for every instruction set: written once, and inlined into one function for each set that
// carries the target attribute. Flags per file would do the same and let the linker keep an AVX-512 copy of a shared
// inline function.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__)
#define TILEWRIGHT_X86_PATHS 1
#else
#define TILEWRIGHT_X86_PATHS 0
#endif

#if defined(__GNUC__)
#define TILEWRIGHT_BODY static inline __attribute__((always_inline))
#else
#define TILEWRIGHT_BODY static inline
#endif

#if defined(__GNUC__) && !defined(__clang__)
// The reference stays what it says: one sample after the other.
#define TILEWRIGHT_SCALAR __attribute__((optimize("no-tree-vectorize")))
#else
#define TILEWRIGHT_SCALAR
#endif
#define TILEWRIGHT_AVX2 __attribute__((target("avx2")))
#define TILEWRIGHT_AVX512 \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,prefer-vector-width=512")))

// Defines what `PATHS(path, ATTRIBUTE)` expands to, in the namespaces scalar, avx2 and avx512.
#if TILEWRIGHT_X86_PATHS
#define TILEWRIGHT_FOR_EVERY_ISA(PATHS) \
  PATHS(scalar, TILEWRIGHT_SCALAR)      \
  PATHS(avx2, TILEWRIGHT_AVX2)          \
  PATHS(avx512, TILEWRIGHT_AVX512)
#else
#define TILEWRIGHT_FOR_EVERY_ISA(PATHS) PATHS(scalar, TILEWRIGHT_SCALAR)
#endif

// Returns the given expression from the namespace that belongs to the variable `isa`.
#if TILEWRIGHT_X86_PATHS
#define TILEWRIGHT_SELECT(...)    \
  switch (isa) {                  \
    case Isa::kAvx2:              \
      return avx2::__VA_ARGS__;   \
    case Isa::kAvx512:            \
      return avx512::__VA_ARGS__; \
    case Isa::kScalar:            \
      break;                      \
  }                               \
  return scalar::__VA_ARGS__
#else
#define TILEWRIGHT_SELECT(...) \
  (void)isa;                   \
  return scalar::__VA_ARGS__
#endif
