// Bits into bytes, the first in the lowest place, as deflate wants them (RFC 1951, 3.1.1).
#pragma once

#include <cstdint>
#include <cstring>

#include "core/types.h"

namespace tilewright {

// Writes eight bytes at a time: up to eight beyond the last are overwritten.
class BitWriter {
 public:
  explicit BitWriter(std::uint8_t* out) : out_(out) {}

  // Up to 64 bits less those of an unfinished byte may come between two calls of `flush`.
  void put(std::uint64_t bits, int count) {
    pending_ |= bits << count_;
    count_ += count;
  }

  void flush() {
    for (int i = 0; i < 8; ++i) out_[i] = static_cast<std::uint8_t>(pending_ >> (8 * i));  // one store
    out_ += count_ >> 3;
    pending_ >>= count_ & ~7;
    count_ &= 7;
  }

  void align() {
    count_ = (count_ + 7) & ~7;
    flush();
  }

  void copy(const std::uint8_t* bytes, index_t count) {
    std::memcpy(out_, bytes, static_cast<std::size_t>(count));
    out_ += count;
  }

  std::uint8_t* end() const { return out_; }

 private:
  std::uint8_t* out_;
  std::uint64_t pending_ = 0;
  int count_ = 0;
};

}  // namespace tilewright
