// Where the tiles lie: integer geometry only, no pixels.
#pragma once

#include <vector>

#include "core/types.h"

namespace tilewright {

// One tile's share of an axis, in input pixels. A tile owns [begin, end) of the result alone, but for its first `lead`
// pixels, where it takes over from the previous tile by a cross-fade; its `trail` pixels from `end` on are where the
// next one takes over. What is left of the tile on either side is halo: computed as context and thrown away.
struct Span {
  index_t origin;  // first pixel the network sees
  index_t begin;
  index_t end;
  index_t lead;
  index_t trail;
};

struct Tile {
  Span x;
  Span y;
};

// Splits a picture into tiles of one shape, in rows from top to bottom.
//
// Tiles at the border lie flush with it: the network's own border behaviour there is that of a run over the whole
// picture. Origins are spread evenly, so the slack of the last tile widens every halo instead of padding the picture.
// Only a picture that is smaller than the tile, or no multiple of `multiple`, reaches beyond its right and bottom edge.
class TilePlan {
 public:
  // All lengths in input pixels. `halo`: context kept at inner edges; `feather`: cross-fade width; `multiple`: tile
  // sizes and origins are multiples of it. Throws std::invalid_argument when the lengths admit no plan.
  TilePlan(index_t width, index_t height, index_t tile_width, index_t tile_height, index_t halo, index_t feather,
           index_t multiple);

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

  // Tiles are numbered along rows, from the top left. Precondition: 0 <= index < size().
  Tile tile(index_t index) const;
  const Span& row(index_t index) const { return y_[static_cast<std::size_t>(index)]; }

  // Pixels computed / pixels needed.
  double redundancy() const;

  // The smallest tile that can be used when a picture does not fit in one: room for a halo and a feather on both sides,
  // and between the feathers for owned pixels. Throws std::invalid_argument as the constructor.
  static index_t smallest_tile(index_t halo, index_t feather, index_t multiple);

 private:
  index_t width_;
  index_t height_;
  index_t tile_width_;
  index_t tile_height_;
  index_t halo_;
  index_t feather_;
  index_t multiple_;
  std::vector<Span> x_;
  std::vector<Span> y_;
};

}  // namespace tilewright
