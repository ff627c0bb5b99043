// Function attributes that compile a kernel for one instruction set.
//
// Attributes replace per-file compiler flags: with flags, the linker could keep the AVX-512 copy of
// an inline function that several files share, and the program would crash on older CPUs.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__)
#define TILEWRIGHT_HAS_X86_KERNELS 1
#else
#define TILEWRIGHT_HAS_X86_KERNELS 0
#endif

#if defined(__GNUC__) && !defined(__clang__)
// The reference implementation processes one sample at a time.
#define TILEWRIGHT_TARGET_SCALAR __attribute__((optimize("no-tree-vectorize")))
#else
#define TILEWRIGHT_TARGET_SCALAR
#endif
#define TILEWRIGHT_TARGET_AVX2 __attribute__((target("avx2,fma,f16c")))
// Both compilers vectorise loops with 256-bit vectors unless told otherwise.
#if defined(__clang__)
#define TILEWRIGHT_TARGET_AVX512 \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi"), min_vector_width(512)))
#else
#define TILEWRIGHT_TARGET_AVX512 \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,prefer-vector-width=512")))
#endif

// For functions that are inlined into kernels, and so are compiled for the kernel's instruction
// set.
#if defined(__GNUC__)
#define TILEWRIGHT_ALWAYS_INLINE static inline __attribute__((always_inline))
#else
#define TILEWRIGHT_ALWAYS_INLINE static inline
#endif
