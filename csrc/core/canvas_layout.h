// What canvases on every device agree on: where bands lie, and which tile is blended when.
#pragma once

#include "core/tile_plan.h"
#include "core/types.h"

namespace tilewright {

// Output rows [begin, end) that are final once a row of tiles is done.
struct Band {
  index_t begin;
  index_t end;
};

// What is left to do with the result of a network that ends in a pixel shuffle, which was cut off: each of its pixels
// holds `shuffle` x `shuffle` pixels of every plane, in ONNX's order "CRD", and where `adds_base` is set, the pixel of
// the network's input is added to all of them. A shuffle of 1 is none.
struct Tail {
  index_t shuffle = 1;
  bool adds_base = false;
};

inline constexpr index_t kLargestScale = 64;

class CanvasLayout {
 public:
  // `scale`: output pixels per input pixel; `planes`: of the finished result; `range`: its black and white; `tail`: its
  // shuffle is 1 or the scale. Throws std::invalid_argument when no canvas can be like that.
  CanvasLayout(TilePlan plan, index_t scale, index_t planes, ValueRange range, Tail tail);

  const TilePlan& plan() const { return plan_; }
  index_t scale() const { return scale_; }
  index_t planes() const { return planes_; }
  ValueRange range() const { return range_; }
  const Tail& tail() const { return tail_; }

  // The output's width, and the feather in output pixels.
  index_t width() const { return plan_.width() * scale_; }
  index_t feather() const { return plan_.feather() * scale_; }

  // The band that row `row` of tiles completes. Precondition: 0 <= row < plan().rows().
  Band band(index_t row) const;

  // Tile `index`, in output pixels.
  Tile tile(index_t index) const;

  // Takes note that tile `index` is being blended: the next one, for which it returns true, or the last one once more.
  // Throws std::invalid_argument when it is neither.
  bool turn_to(index_t index);

 private:
  TilePlan plan_;
  index_t scale_;
  index_t planes_;
  ValueRange range_;
  Tail tail_;
  index_t blended_ = 0;  // tiles blended so far
};

}  // namespace tilewright
