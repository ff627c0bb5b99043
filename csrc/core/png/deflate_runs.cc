#include "core/png/deflate_runs.h"

#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include "core/png/bit_writer.h"
#include "core/png/huffman.h"

namespace tilewright {
namespace {

using Byte = std::uint8_t;

// Bytes per block, each of which has its own codes. A stored block cannot hold more.
constexpr index_t kBlock = 65535;
// Shorter runs save little, and runs of seven or more are found quickly.
constexpr index_t kMinRun = 7;
// The lengths that one length code can represent.
constexpr index_t kMinCodedLength = 3;
constexpr index_t kMaxCodedLength = 258;
constexpr int kEndOfBlock = 256;
constexpr int kLiteralsAndLengths = 286;
constexpr int kMaxCodeBits = 14;  // four codes and seven pending bits fit in 64 bits
constexpr int kCodeLengthCodes = 19;
constexpr int kStoredOverhead = 5;  // bytes per stored block

struct Run {
  index_t begin;
  index_t length;
};

// The length code of a run and the extra bits that follow it (RFC 1951, 3.2.5).
struct LengthCode {
  std::uint16_t symbol;
  std::uint16_t extra_bits;
  std::uint16_t extra;
};

LengthCode length_code(index_t length) {
  if (length == kMaxCodedLength) return {285, 0, 0};
  const auto offset = static_cast<unsigned>(length - kMinCodedLength);
  if (offset < 8) return {static_cast<std::uint16_t>(257 + offset), 0, 0};
  // From here on, groups of four codes have the same number of extra bits. The two bits below the
  // highest one select the code within its group.
  const auto extra_bits = static_cast<unsigned>(std::bit_width(offset)) - 3U;
  const unsigned symbol = 257 + 4 * extra_bits + (offset >> extra_bits);
  return {static_cast<std::uint16_t>(symbol), static_cast<std::uint16_t>(extra_bits),
          static_cast<std::uint16_t>(offset & ((1U << extra_bits) - 1))};
}

std::uint64_t load(const Byte* bytes) {
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value |= std::uint64_t{bytes[i]} << (8 * i);  // compiles to one load
  return value;
}

// Finds runs of bytes in [begin, end) that are equal to the previous byte.
//
// Every run of seven bytes contains an aligned group of four, counted from any fixed position. So
// only such groups are compared. Runs in the last few bytes may be missed.
void find_runs(const Byte* bytes, index_t begin, index_t end, std::vector<Run>& runs) {
  runs.clear();
  index_t done = std::max<index_t>(begin, 1);
  index_t i = done;
  while (i + 8 <= end) {
    const std::uint64_t differing = load(bytes + i) ^ load(bytes + i - 1);
    const bool low = (differing & 0xFFFFFFFF) == 0;
    if (!low && (differing >> 32) != 0) {
      i += 8;
      continue;
    }
    index_t first = low ? i : i + 4;
    index_t last = first + 4;
    while (first > done && bytes[first - 1] == bytes[first - 2]) --first;
    while (last + 8 <= end && load(bytes + last) == load(bytes + last - 1)) last += 8;
    while (last < end && bytes[last] == bytes[last - 1]) ++last;
    done = last;
    i = last + 1;
    if (last - first < kMinRun) continue;
    for (; last - first >= kMinCodedLength; first += std::min(last - first, kMaxCodedLength)) {
      runs.push_back({first, std::min(last - first, kMaxCodedLength)});
    }
  }
}

// Calls `literals(begin, end)` and `run(length)` in order until they have covered [begin, end).
template <class Literals, class OneRun>
void walk(index_t begin, index_t end, const std::vector<Run>& runs, Literals&& literals, OneRun&& run) {
  for (const Run& each : runs) {
    literals(begin, each.begin);
    run(each.length);
    begin = each.begin + each.length;
  }
  literals(begin, end);
}

using Counts = std::array<std::uint32_t, kLiteralsAndLengths>;

Counts count_symbols(const Byte* bytes, index_t begin, index_t end, const std::vector<Run>& runs) {
  Counts counts{};
  std::array<std::array<std::uint32_t, 256>, 4>
      literals{};  // four tables, so that increments for equal neighbours do not depend on each other
  const auto count_literals = [&](index_t i, index_t stop) {
    for (; i + 4 <= stop; i += 4) {
      for (index_t k = 0; k < 4; ++k) ++literals[static_cast<std::size_t>(k)][bytes[i + k]];
    }
    for (; i < stop; ++i) ++literals[0][bytes[i]];
  };
  walk(begin, end, runs, count_literals, [&](index_t length) { ++counts[length_code(length).symbol]; });
  for (std::size_t i = 0; i < 256; ++i) counts[i] = literals[0][i] + literals[1][i] + literals[2][i] + literals[3][i];
  counts[kEndOfBlock] = 1;
  return counts;
}

// The code lengths of a block, which are run-length and Huffman coded themselves (RFC 1951, 3.2.7).
// There is a single distance code: one bit for distance 1.
class CodeLengths {
 public:
  explicit CodeLengths(std::span<const PrefixCode> codes) {
    std::size_t used = codes.size();
    while (codes[used - 1].length == 0) --used;
    hlit_ = used - 257;
    std::array<std::uint16_t, kLiteralsAndLengths + 1> lengths;
    for (std::size_t i = 0; i < used; ++i) lengths[i] = codes[i].length;
    lengths[used++] = 1;
    std::array<std::uint32_t, kCodeLengthCodes> counts{};
    for (std::size_t i = 0; i < used;) i += add(lengths.data() + i, used - i);
    for (std::size_t i = 0; i < size_; ++i) ++counts[items_[i].symbol];
    make_prefix_codes(counts, 7, codes_);
    while (codes_[kOrder[order_size_ - 1]].length == 0) --order_size_;
  }

  std::uint64_t bits() const {
    std::uint64_t bits = 14 + 3 * order_size_;
    for (std::size_t i = 0; i < size_; ++i) bits += codes_[items_[i].symbol].length + items_[i].extra_bits;
    return bits;
  }

  void write(BitWriter& writer) const {
    writer.put(hlit_, 5);
    writer.put(0, 5);
    writer.put(order_size_ - 4, 4);
    for (std::size_t i = 0; i < order_size_; ++i) {
      writer.put(codes_[kOrder[i]].length, 3);
      writer.flush();
    }
    for (std::size_t i = 0; i < size_; ++i) {
      const PrefixCode code = codes_[items_[i].symbol];
      writer.put(code.bits, code.length);
      writer.put(items_[i].extra, items_[i].extra_bits);
      writer.flush();
    }
  }

 private:
  static constexpr std::array<std::uint8_t, kCodeLengthCodes> kOrder{16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                                     11, 4,  12, 3, 13, 2, 14, 1, 15};

  // Adds an item for the first code lengths. Returns how many code lengths it represents.
  std::size_t add(const std::uint16_t* lengths, std::size_t left) {
    std::size_t equal = 1;
    while (equal < left && lengths[equal] == lengths[0]) ++equal;
    if (lengths[0] == 0 && equal >= 11) {
      equal = std::min<std::size_t>(equal, 138);
      return push(18, equal - 11, 7, equal);
    }
    if (lengths[0] == 0 && equal >= 3) return push(17, equal - 3, 3, equal);
    if (lengths[0] != 0 && equal >= 4) {
      push(lengths[0], 0, 0, 1);
      equal = std::min<std::size_t>(equal - 1, 6);
      return 1 + push(16, equal - 3, 2, equal);
    }
    return push(lengths[0], 0, 0, 1);
  }

  std::size_t push(std::size_t symbol, std::size_t extra, int extra_bits, std::size_t count) {
    items_[size_++] = {static_cast<std::uint8_t>(symbol), static_cast<std::uint8_t>(extra_bits),
                       static_cast<std::uint8_t>(extra)};
    return count;
  }

  struct Item {
    std::uint8_t symbol;
    std::uint8_t extra_bits;
    std::uint8_t extra;
  };

  std::array<Item, kLiteralsAndLengths + 1> items_;
  std::size_t size_ = 0;
  std::size_t hlit_ = 0;                       // number of literal and length codes, minus 257
  std::size_t order_size_ = kCodeLengthCodes;  // entries of kOrder that are written
  std::array<PrefixCode, kCodeLengthCodes> codes_;
};

void store_block(const Byte* bytes, index_t count, BitWriter& writer) {
  writer.put(0, 3);
  writer.align();
  writer.put(static_cast<std::uint64_t>(count), 16);
  writer.put(static_cast<std::uint64_t>(~count & 0xFFFF), 16);
  writer.flush();
  writer.copy(bytes, count);
}

void write_symbols(const Byte* bytes, index_t begin, index_t end, const std::vector<Run>& runs,
                   const std::array<PrefixCode, kLiteralsAndLengths>& codes, BitWriter& shared) {
  // Writes of bytes may alias any object in memory. A local copy whose address is not taken stays
  // in registers.
  BitWriter writer = shared;
  const auto put = [&](Byte byte) { writer.put(codes[byte].bits, codes[byte].length); };
  const auto put_literals = [&](index_t i, index_t stop) {
    for (; i + 4 <= stop; i += 4) {
      for (index_t k = 0; k < 4; ++k) put(bytes[i + k]);
      writer.flush();
    }
    for (; i < stop; ++i) {
      put(bytes[i]);
      writer.flush();
    }
  };
  const auto put_run = [&](index_t length) {
    const LengthCode code = length_code(length);
    writer.put(codes[code.symbol].bits, codes[code.symbol].length);
    writer.put(code.extra, code.extra_bits);
    writer.put(0, 1);  // distance 1
    writer.flush();
  };
  walk(begin, end, runs, put_literals, put_run);
  writer.put(codes[kEndOfBlock].bits, codes[kEndOfBlock].length);
  writer.flush();
  shared = writer;
}

std::uint64_t symbol_bits(const Counts& counts, const std::array<PrefixCode, kLiteralsAndLengths>& codes,
                          const std::vector<Run>& runs) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) bits += std::uint64_t{counts[i]} * codes[i].length;
  for (const Run& run : runs) bits += length_code(run.length).extra_bits + 1U;
  return bits;
}

void deflate_block(const Byte* bytes, index_t begin, index_t end, std::vector<Run>& runs, BitWriter& writer) {
  find_runs(bytes, begin, end, runs);
  const Counts counts = count_symbols(bytes, begin, end, runs);
  std::array<PrefixCode, kLiteralsAndLengths> codes;
  make_prefix_codes(counts, kMaxCodeBits, codes);
  const CodeLengths lengths(codes);
  const auto stored_bits = static_cast<std::uint64_t>(8 * (end - begin + kStoredOverhead - 1));
  if (3 + lengths.bits() + symbol_bits(counts, codes, runs) > stored_bits) {
    store_block(bytes + begin, end - begin, writer);
    return;
  }
  writer.put(2U << 1, 3);  // dynamic codes, not final
  lengths.write(writer);
  write_symbols(bytes, begin, end, runs, codes, writer);
}

}  // namespace

index_t deflate_runs_bound(index_t count) {
  // A block that would grow is stored instead. An empty stored block and the writer's eight spare
  // bytes come last.
  return count + (count / kBlock + 2) * kStoredOverhead + 8;
}

index_t deflate_runs(const Byte* bytes, index_t count, Byte* deflated) {
  BitWriter writer(deflated);
  std::vector<Run> runs;
  for (index_t begin = 0; begin < count; begin += kBlock) {
    deflate_block(bytes, begin, std::min(count, begin + kBlock), runs, writer);
  }
  store_block(bytes, 0, writer);
  return writer.end() - deflated;
}

}  // namespace tilewright
