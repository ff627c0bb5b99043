#include "core/png/huffman.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace tilewright {
namespace {

constexpr std::size_t kMaxSymbols = 300;
constexpr int kMaxLength = 15;

struct Leaf {
  std::uint32_t count;
  std::uint16_t symbol;
};

// Computes the depths of the leaves in the Huffman tree. The leaves are sorted by count. Inner
// nodes are created in the order of their counts too, so the two rarest items are always at the
// front of the leaves or of the nodes.
void tree_depths(std::span<const Leaf> leaves, std::span<std::uint16_t> depths) {
  std::array<std::uint32_t, kMaxSymbols> node_counts;
  std::array<std::uint16_t, 2 * kMaxSymbols> parents;  // leaves first, then nodes
  const std::size_t leaf_count = leaves.size();
  std::size_t leaf = 0;
  std::size_t node = 0;
  const auto take_rarest = [&](std::size_t made) {
    const bool is_leaf = node == made || (leaf < leaf_count && leaves[leaf].count <= node_counts[node]);
    const std::size_t taken = is_leaf ? leaf : leaf_count + node;
    const std::uint32_t count = is_leaf ? leaves[leaf++].count : node_counts[node++];
    parents[taken] = static_cast<std::uint16_t>(leaf_count + made);
    return count;
  };
  for (std::size_t made = 0; made + 1 < leaf_count; ++made) {
    const std::uint32_t rarest = take_rarest(made);
    node_counts[made] = rarest + take_rarest(made);
  }
  const std::size_t root = 2 * leaf_count - 2;
  std::array<std::uint16_t, 2 * kMaxSymbols> depth_of;
  depth_of[root] = 0;
  for (std::size_t i = root; i-- > 0;) depth_of[i] = static_cast<std::uint16_t>(depth_of[parents[i]] + 1);
  std::copy_n(depth_of.begin(), leaf_count, depths.begin());
}

std::uint16_t reversed(unsigned code, int length) {
  unsigned result = 0;
  for (int i = 0; i < length; ++i) result |= ((code >> i) & 1U) << (length - 1 - i);
  return static_cast<std::uint16_t>(result);
}

}  // namespace

void make_prefix_codes(std::span<const std::uint32_t> counts, int max_length, std::span<PrefixCode> codes) {
  std::array<Leaf, kMaxSymbols> storage;
  std::size_t size = 0;
  for (std::size_t symbol = 0; symbol < counts.size(); ++symbol) {
    if (counts[symbol] > 0) storage[size++] = {counts[symbol], static_cast<std::uint16_t>(symbol)};
  }
  const std::span<Leaf> leaves{storage.data(), size};
  std::sort(leaves.begin(), leaves.end(),
            [](const Leaf& a, const Leaf& b) { return a.count != b.count ? a.count < b.count : a.symbol < b.symbol; });

  std::array<std::uint16_t, kMaxSymbols> depths;
  tree_depths(leaves, depths);
  // Halving the counts brings them closer together, which makes the tree flatter and keeps the
  // order of the leaves. The loop ends because equal counts give the minimum depth.
  while (depths[0] > max_length) {
    for (Leaf& leaf : leaves) leaf.count = (leaf.count + 1) / 2;
    tree_depths(leaves, depths);
  }

  std::array<unsigned, kMaxLength + 2> next{};
  std::fill(codes.begin(), codes.end(), PrefixCode{});
  for (std::size_t i = 0; i < size; ++i) {
    codes[leaves[i].symbol].length = depths[i];
    ++next[depths[i] + 1U];
  }
  for (std::size_t length = 1; length < next.size(); ++length) next[length] = (next[length] + next[length - 1]) << 1;
  // next[n] held the number of codes of n - 1 bits and now holds the first code of n bits.
  for (PrefixCode& code : codes) {
    if (code.length > 0) code.bits = reversed(next[code.length]++, code.length);
  }
}

}  // namespace tilewright
