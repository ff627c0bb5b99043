#include "conv/placement.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

namespace tilewright::conv {
namespace {

// For each step, the last step that reads its tensor; its own number if none does.
std::vector<std::size_t> last_reads(const std::vector<Placed>& steps) {
  std::vector<std::size_t> last(steps.size());
  for (std::size_t i = 0; i < steps.size(); ++i) {
    last[i] = i;
    for (const int input : steps[i].inputs) last[static_cast<std::size_t>(input)] = i;
    for (const int residual : steps[i].residuals) last[static_cast<std::size_t>(residual)] = i;
  }
  return last;
}

bool contains(const std::vector<int>& numbers, std::size_t number) {
  return std::find(numbers.begin(), numbers.end(), static_cast<int>(number)) != numbers.end();
}

// Returns the free slot of the most similar size; nothing if none is free.
std::optional<std::size_t> most_similar(const Placement& placement, const std::vector<bool>& is_free, index_t floats) {
  std::optional<std::size_t> best;
  for (std::size_t slot = 0; slot < is_free.size(); ++slot) {
    const auto distance = [&](std::size_t each) { return std::abs(placement.floats[each] - floats); };
    if (is_free[slot] && (!best || distance(slot) < distance(*best))) best = slot;
  }
  return best;
}

}  // namespace

Placement share_memory(const std::vector<Placed>& steps) {
  const std::vector<std::size_t> last = last_reads(steps);
  Placement placement;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    std::vector<bool> is_free(placement.floats.size(), true);
    for (std::size_t earlier = 0; earlier < i; ++earlier) {
      // A residual of another size has other rows, so its memory cannot be written at the same time.
      const bool ends_here =
          last[earlier] == i && !contains(steps[i].inputs, earlier) && steps[earlier].floats == steps[i].floats;
      if (last[earlier] >= i && !ends_here) is_free[placement.slots[earlier]] = false;
    }
    std::optional<std::size_t> slot = most_similar(placement, is_free, steps[i].floats);
    if (!slot) {
      slot = placement.floats.size();
      placement.floats.push_back(0);
    }
    placement.floats[*slot] = std::max(placement.floats[*slot], steps[i].floats);
    placement.slots.push_back(*slot);
  }
  return placement;
}

Placement separate_memory(const std::vector<Placed>& steps) {
  Placement placement;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    placement.slots.push_back(i);
    placement.floats.push_back(steps[i].floats);
  }
  return placement;
}

}  // namespace tilewright::conv
