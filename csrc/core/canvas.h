// Blends a network's results into finished rows.
#pragma once

#include <vector>

#include "core/canvas_layout.h"
#include "core/isa.h"
#include "core/types.h"

namespace tilewright {

// Blends tiles, in the plan's order, into bands of samples.
//
// Owned pixels are converted directly from the network's result to samples. Only values that a
// later tile must be cross-faded with are kept as floats: the feather columns of one tile, and the
// feather rows of the output's width. Both are kept twice, so that a tile with non-finite values
// can be recomputed and blended again.
//
// A canvas must not be used by two threads at once.
class Canvas {
 public:
  Canvas(CanvasLayout layout, Isa isa);

  const CanvasLayout& layout() const { return layout_; }

  // Blends tile `index` and writes the pixels that it completes.
  //
  // `target` is the whole band of the tile's row. Samples [first_channel, first_channel + channels)
  // of each pixel are written. If `channels` is 1 and there are three planes, their mean is
  // written. Returns the number of non-finite values among those that contribute to the output; the
  // samples written for them are unspecified.
  //
  // Throws std::invalid_argument if `index` is neither the next tile nor the last one blended.
  //
  // Preconditions: `result` has `planes` planes of the tile size times the scale or, with a
  // shuffle, planes * scale² planes of the tile size. `base` has `planes` planes of the tile size
  // if the tail adds it, and is ignored otherwise. `channels` is 1 or the number of planes.
  // `target` has the band's size.
  template <class Element, class Sample>
  index_t blend(index_t index, PlanarView<const Element> result, PlanarView<const float> base, ImageView<Sample> target,
                index_t first_channel, index_t channels);

 private:
  // Blends a tile whose rows `Rows` reads from a result.
  template <class Rows, class Sample>
  index_t blend_rows(index_t index, const Rows& rows, ImageView<Sample> target, index_t first_channel,
                     index_t channels);

  // Converts the first `count` owned columns of one plane's output row `row` to floats, and
  // cross-fades them with earlier tiles. Returns the number of non-finite values.
  template <class Rows>
  index_t fade_plane(const Rows& rows, const Tile& tile, index_t plane, index_t row, index_t count, float* out);

  // Offsets of a row in the buffers of columns_ and rows_.
  index_t column_offset(index_t plane, index_t tile_row) const {
    return (plane * layout_.plan().tile_height() * layout_.scale() + tile_row) * layout_.feather();
  }
  index_t row_offset(index_t plane, index_t feather_row) const {
    return (plane * layout_.feather() + feather_row) * layout_.width();
  }

  // Values under a feather. A tile writes `outgoing` for later tiles and reads `incoming`, which
  // earlier tiles wrote. The two are swapped when the canvas advances.
  struct Strip {
    std::vector<float> outgoing;
    std::vector<float> incoming;
  };

  CanvasLayout layout_;
  Isa isa_;
  std::vector<float> ramp_;
  Strip columns_;                // planes x tile height x feather
  Strip rows_;                   // planes x feather x output width
  std::vector<float> scratch_;   // planes x tile width: a row that is cross-faded
  std::vector<float> shuffled_;  // planes x tile width: a pixel-shuffled row, if no kernel stores it directly
};

}  // namespace tilewright
