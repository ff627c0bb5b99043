// Memory for tensors, weights and scratch space, aligned to cache lines.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

#include "core/types.h"

namespace tilewright::conv {

// Floats of any value. It grows when needed and never shrinks.
class AlignedFloats {
 public:
  AlignedFloats() = default;
  explicit AlignedFloats(index_t count) { reserve(count); }

  // Makes room for `count` floats; what was stored before is lost if memory had to be allocated.
  // Returns whether it was. Throws std::bad_alloc.
  bool reserve(index_t count) {
    if (count <= count_) return false;
    memory_.reset();  // first, so that both are never held at the same time
    count_ = 0;
    const std::size_t bytes = (static_cast<std::size_t>(count) * sizeof(float) + kLine - 1) / kLine * kLine;
    memory_.reset(static_cast<float*>(::operator new(bytes, std::align_val_t{kLine})));
    count_ = count;
    return true;
  }

  float* data() { return memory_.get(); }
  const float* data() const { return memory_.get(); }
  index_t count() const { return count_; }

 private:
  static constexpr std::size_t kLine = 64;
  struct Delete {
    void operator()(float* memory) const { ::operator delete(memory, std::align_val_t{kLine}); }
  };

  std::unique_ptr<float, Delete> memory_;
  index_t count_ = 0;
};

inline AlignedFloats zeros(index_t count) {
  AlignedFloats values(count);
  std::fill_n(values.data(), count, 0.0F);
  return values;
}

}  // namespace tilewright::conv
