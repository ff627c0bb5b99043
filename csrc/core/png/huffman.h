// Optimal prefix codes in the canonical form that deflate requires (RFC 1951, 3.2.2).
#pragma once

#include <cstdint>
#include <span>

namespace tilewright {

// A code as it is written: its first bit is the least significant one.
struct PrefixCode {
  std::uint16_t bits = 0;
  std::uint16_t length = 0;  // 0 if the symbol does not occur
};

// Computes codes of at most `max_length` bits for symbols with the given counts.
//
// Preconditions: at least two symbols occur; 2^max_length is at least the number of symbols; there
// are at most 300.
void make_prefix_codes(std::span<const std::uint32_t> counts, int max_length, std::span<PrefixCode> codes);

}  // namespace tilewright
