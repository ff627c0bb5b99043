// Prefix codes of least total length, canonical as deflate wants them (RFC 1951, 3.2.2).
#pragma once

#include <cstdint>
#include <span>

namespace tilewright {

// As it is written: the code's bits, the first in the lowest place.
struct PrefixCode {
  std::uint16_t bits = 0;
  std::uint16_t length = 0;  // 0: the symbol does not occur
};

// Codes for symbols that occur so often. Preconditions: at least two occur; 2^longest >= symbols; at most 300 symbols.
void make_prefix_codes(std::span<const std::uint32_t> counts, int longest, std::span<PrefixCode> codes);

}  // namespace tilewright
