// Writes bits to bytes, least significant bit first, as deflate requires (RFC 1951, 3.1.1).
#pragma once

#include <cstdint>
#include <cstring>

#include "core/types.h"

namespace tilewright {

// flush() always stores eight bytes, so up to eight bytes after the end of the output are
// overwritten.
class BitWriter {
 public:
  explicit BitWriter(std::uint8_t* out) : out_(out) {}

  // Appends the lowest `count` bits. At most 64 bits may be pending: those put since the last
  // flush() and up to seven that it left.
  void put(std::uint64_t bits, int count) {
    pending_ |= bits << count_;
    count_ += count;
  }

  // Writes all complete bytes.
  void flush() {
    for (int i = 0; i < 8; ++i) out_[i] = static_cast<std::uint8_t>(pending_ >> (8 * i));  // compiles to one store
    out_ += count_ >> 3;
    pending_ >>= count_ & ~7;
    count_ &= 7;
  }

  // Fills the last byte with zeros and writes all bytes.
  void align() {
    count_ = (count_ + 7) & ~7;
    flush();
  }

  // Appends whole bytes. The output must be aligned.
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
