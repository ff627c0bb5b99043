// Memory in words as wide as alignment allows: a warp's time goes by its instructions, not by its bytes.
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

// The widest word that divides so many bytes.
constexpr int word_bytes(int bytes) { return bytes % 16 == 0 ? 16 : bytes % 8 == 0 ? 8 : bytes % 4 == 0 ? 4 : 2; }

template <class Word>
__device__ inline bool is_aligned(const void* at) {
  return reinterpret_cast<std::uintptr_t>(at) % sizeof(Word) == 0;
}

// All that kernels write goes through here.
template <class Value>
__device__ inline void put(Value* to, Value value) {
#if defined(TILEWRIGHT_CUDA_EMULATED)
  emulated::note_write(to, sizeof(Value));
#endif
  *to = value;
}

// The first `count` of some values to adjacent places.
template <int kCount, class Value>
__device__ inline void put_row(Value* to, const Value (&values)[kCount], int count) {
  constexpr int kBytes = kCount * static_cast<int>(sizeof(Value));
  using Word = typename WordOf<word_bytes(kBytes)>::Type;
  if (count == kCount && is_aligned<Word>(to)) {
    Word words[kBytes / sizeof(Word)];
    std::memcpy(words, values, kBytes);
    for (int i = 0; i < static_cast<int>(kBytes / sizeof(Word)); ++i) put(reinterpret_cast<Word*>(to) + i, words[i]);
    return;
  }
  for (int i = 0; i < kCount; ++i) {
    if (i < count) put(to + i, values[i]);
  }
}

// Whether `take_row` can be used.
template <int kCount, class Value>
__device__ inline bool is_row_aligned(const Value* from) {
  return is_aligned<typename WordOf<word_bytes(kCount * sizeof(Value))>::Type>(from);
}

template <int kCount, class Value>
__device__ inline void take_row(const Value* from, Value (&values)[kCount]) {
  constexpr int kBytes = kCount * static_cast<int>(sizeof(Value));
  using Word = typename WordOf<word_bytes(kBytes)>::Type;
  Word words[kBytes / sizeof(Word)];
  for (int i = 0; i < static_cast<int>(kBytes / sizeof(Word)); ++i) words[i] = reinterpret_cast<const Word*>(from)[i];
  std::memcpy(values, words, kBytes);
}

}  // namespace tilewright::cuda
