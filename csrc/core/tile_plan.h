// Positions of tiles: integer geometry only, no pixels.
#pragma once

#include <vector>

#include "core/types.h"

namespace tilewright {

// One tile's extent along an axis, in input pixels.
//
// The tile owns [begin, end) of the result. Its first `lead` owned pixels are cross-faded from the
// previous tile; its `trail` pixels from `end` on are cross-faded to the next tile. The rest of the
// tile on either side is halo: computed as context and discarded.
struct Span {
  index_t origin;  // first pixel of the network's input
  index_t begin;
  index_t end;
  index_t lead;
  index_t trail;
};

struct Tile {
  Span x;
  Span y;
};

// Splits a picture into tiles of equal size, in rows from top to bottom.
//
// Outer tiles are aligned with the picture's borders, so the network's border handling is the same
// as in a run over the whole picture. Origins are spaced evenly, so the slack of the last tile
// widens all halos instead of padding the picture. Tiles extend beyond the right and bottom borders
// only if the picture is smaller than the tile or its size is not a multiple of `multiple`.
class TilePlan {
 public:
  // All lengths are in input pixels. `halo`: minimum context at inner edges. `feather`: cross-fade
  // width. `multiple`: tile sizes and origins are multiples of it. `grid`: origins are multiples of
  // it too; where there are several tiles, the picture's size, rounded up to `multiple`, and the
  // tile's differ by a multiple of it. Throws std::invalid_argument if the lengths admit no plan.
  TilePlan(index_t width, index_t height, index_t tile_width, index_t tile_height, index_t halo, index_t feather,
           index_t multiple, index_t grid = 1);

  // Bands of `rows` rows over the whole width, without overlap, for a network that keeps what it
  // needs of the rows above. The last band extends beyond the bottom border if the height is not a
  // multiple of `rows`.
  static TilePlan bands(index_t width, index_t height, index_t rows);

  // Whether the plan was made by bands().
  bool is_bands() const { return is_bands_; }

  index_t width() const { return width_; }
  index_t height() const { return height_; }
  index_t tile_width() const { return tile_width_; }
  index_t tile_height() const { return tile_height_; }
  index_t halo() const { return halo_; }
  index_t feather() const { return feather_; }
  index_t multiple() const { return multiple_; }

  index_t columns() const { return static_cast<index_t>(x_.size()); }
  index_t rows() const { return static_cast<index_t>(y_.size()); }
  index_t size() const { return columns() * rows(); }

  // Tiles are numbered row by row from the top left. Precondition: 0 <= index < size().
  Tile tile(index_t index) const;
  const Span& row(index_t index) const { return y_[static_cast<std::size_t>(index)]; }

  // Pixels computed / pixels needed.
  double redundancy() const;

  // Minimum tile size for pictures that need more than one tile: it leaves room for a halo and a
  // feather on both sides, and for owned pixels between the feathers. Throws std::invalid_argument
  // if an argument is out of range.
  static index_t smallest_tile(index_t halo, index_t feather, index_t multiple, index_t grid = 1);

 private:
  index_t width_;
  index_t height_;
  index_t tile_width_;
  index_t tile_height_;
  index_t halo_;
  index_t feather_;
  index_t multiple_;
  bool is_bands_ = false;
  std::vector<Span> x_;
  std::vector<Span> y_;
};

}  // namespace tilewright
