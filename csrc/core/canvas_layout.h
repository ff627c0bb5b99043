// Canvas geometry shared by all devices: the rows of each band and the order of blends.
#pragma once

#include "core/tile_plan.h"
#include "core/types.h"

namespace tilewright {

// Output rows [begin, end), which are final once a row of tiles has been blended.
struct Band {
  index_t begin;
  index_t end;
};

// The operations at the end of a network that the canvas applies instead of the network.
//
// `shuffle`: factor of a pixel shuffle (ONNX DepthToSpace in mode CRD); 1 means none. Each pixel of
// the result then holds shuffle x shuffle output pixels of every plane. `adds_base`: whether the
// network's input is added, each of its pixels to all shuffle x shuffle output pixels.
struct Tail {
  index_t shuffle = 1;
  bool adds_base = false;

  // Whether results are finished.
  bool is_empty() const { return shuffle == 1 && !adds_base; }
};

inline constexpr index_t kMaxScale = 64;

class CanvasLayout {
 public:
  // `scale`: output pixels per input pixel along each axis. `planes`: planes of the finished
  // result. `range`: its values for black and white. `tail`: its shuffle is 1 or the scale. Throws
  // std::invalid_argument if a value is not supported.
  CanvasLayout(TilePlan plan, index_t scale, index_t planes, ValueRange range, Tail tail);

  const TilePlan& plan() const { return plan_; }
  index_t scale() const { return scale_; }
  index_t planes() const { return planes_; }
  ValueRange range() const { return range_; }
  const Tail& tail() const { return tail_; }

  // Width of the output and of the feather, in output pixels.
  index_t width() const { return plan_.width() * scale_; }
  index_t feather() const { return plan_.feather() * scale_; }

  // The band that is final after row `row` of tiles. Precondition: 0 <= row < plan().rows().
  Band band(index_t row) const;

  // Tile `index` in output pixels.
  Tile tile(index_t index) const;

  // Records that tile `index` is about to be blended. Returns true if it is the next tile, and
  // false if it repeats the last one. Throws std::invalid_argument for any other tile.
  bool advance_to(index_t index);

 private:
  TilePlan plan_;
  index_t scale_;
  index_t planes_;
  ValueRange range_;
  Tail tail_;
  index_t blended_ = 0;  // number of tiles blended
};

}  // namespace tilewright
