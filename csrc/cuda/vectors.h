// Memory access in the widest words that the alignment allows. A warp's time depends on its number
// of instructions, not on the number of bytes.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <cstring>

namespace tilewright::cuda {

template <int kBytes>
struct WordOf;
template <>
struct WordOf<2> {
  using Type = unsigned short;
};
template <>
struct WordOf<4> {
  using Type = unsigned int;
};
template <>
struct WordOf<8> {
  using Type = uint2;
};
template <>
struct WordOf<16> {
  using Type = uint4;
};

// Size of the widest word that divides `bytes`.
constexpr int word_bytes(int bytes) { return bytes % 16 == 0 ? 16 : bytes % 8 == 0 ? 8 : bytes % 4 == 0 ? 4 : 2; }

template <class Word>
__device__ inline bool is_aligned(const void* address) {
  return reinterpret_cast<std::uintptr_t>(address) % sizeof(Word) == 0;
}

// Stores one value. All stores of kernels go through this function, so that the emulated device can
// count them.
template <class Value>
__device__ inline void store(Value* to, Value value) {
#if defined(TILEWRIGHT_CUDA_EMULATED)
  testing::record_write(to, sizeof(Value));
#endif
  *to = value;
}

// Stores the first `count` values at consecutive addresses.
template <int kCount, class Value>
__device__ inline void store_row(Value* to, const Value (&values)[kCount], int count) {
  constexpr int kBytes = kCount * static_cast<int>(sizeof(Value));
  using Word = typename WordOf<word_bytes(kBytes)>::Type;
  if (count == kCount && is_aligned<Word>(to)) {
    Word words[kBytes / sizeof(Word)];
    std::memcpy(words, values, kBytes);
    for (int i = 0; i < static_cast<int>(kBytes / sizeof(Word)); ++i) store(reinterpret_cast<Word*>(to) + i, words[i]);
    return;
  }
  for (int i = 0; i < kCount; ++i) {
    if (i < count) store(to + i, values[i]);
  }
}

// Whether load_row() may be used at this address.
template <int kCount, class Value>
__device__ inline bool is_row_aligned(const Value* from) {
  return is_aligned<typename WordOf<word_bytes(kCount * sizeof(Value))>::Type>(from);
}

// Loads values from consecutive addresses. Precondition: is_row_aligned<kCount>(from).
template <int kCount, class Value>
__device__ inline void load_row(const Value* from, Value (&values)[kCount]) {
  constexpr int kBytes = kCount * static_cast<int>(sizeof(Value));
  using Word = typename WordOf<word_bytes(kBytes)>::Type;
  Word words[kBytes / sizeof(Word)];
  for (int i = 0; i < static_cast<int>(kBytes / sizeof(Word)); ++i) words[i] = reinterpret_cast<const Word*>(from)[i];
  std::memcpy(values, words, kBytes);
}

}  // namespace tilewright::cuda
