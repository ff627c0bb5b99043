// The row kernels of every instruction set: one namespace and one file each.
#pragma once

#include <cstdint>

#include "core/isa_targets.h"
#include "core/rows/row_kernels.h"

#define TILEWRIGHT_DECLARE_PATH(PATH)                   \
  namespace PATH {                                      \
  template <class Sample, class Element>                \
  const LoadKernels<Sample, Element>& load_kernels();   \
  template <class Element, class Sample>                \
  const StoreKernels<Element, Sample>& store_kernels(); \
  const FloatKernels& float_kernels();                  \
  }

namespace tilewright {

TILEWRIGHT_DECLARE_PATH(scalar)
#if TILEWRIGHT_X86_PATHS
TILEWRIGHT_DECLARE_PATH(avx2)
TILEWRIGHT_DECLARE_PATH(avx512)
#endif

}  // namespace tilewright

#undef TILEWRIGHT_DECLARE_PATH

// Every pair of sample and element. __VA_ARGS__: the parameters of the functions.
#define TILEWRIGHT_INSTANTIATE_ROWS(...)                                         \
  template const LoadKernels<std::uint8_t, float>& load_kernels(__VA_ARGS__);    \
  template const LoadKernels<std::uint8_t, Half>& load_kernels(__VA_ARGS__);     \
  template const LoadKernels<std::uint16_t, float>& load_kernels(__VA_ARGS__);   \
  template const LoadKernels<std::uint16_t, Half>& load_kernels(__VA_ARGS__);    \
  template const StoreKernels<float, std::uint8_t>& store_kernels(__VA_ARGS__);  \
  template const StoreKernels<float, std::uint16_t>& store_kernels(__VA_ARGS__); \
  template const StoreKernels<Half, std::uint8_t>& store_kernels(__VA_ARGS__);   \
  template const StoreKernels<Half, std::uint16_t>& store_kernels(__VA_ARGS__);

// A path's tables, made of the functions of its file, which have the same names in all of them.
#define TILEWRIGHT_ROW_TABLES                                                                                         \
  template <class Sample, class Element>                                                                              \
  const LoadKernels<Sample, Element>& load_kernels() {                                                                \
    static constexpr LoadKernels<Sample, Element> kKernels{load_three, load_one};                                     \
    return kKernels;                                                                                                  \
  }                                                                                                                   \
  template <class Element, class Sample>                                                                              \
  const StoreKernels<Element, Sample>& store_kernels() {                                                              \
    static constexpr StoreKernels<Element, Sample> kKernels{store_three, store_one, store_mean, store_shuffled};      \
    return kKernels;                                                                                                  \
  }                                                                                                                   \
  const FloatKernels& float_kernels() {                                                                               \
    static constexpr FloatKernels kKernels{as_floats, as_floats, fade_columns, fade_row, shuffle_rows, shuffle_rows}; \
    return kKernels;                                                                                                  \
  }                                                                                                                   \
  TILEWRIGHT_INSTANTIATE_ROWS()
