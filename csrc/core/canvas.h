// Where results of a network come together into finished rows.
#pragma once

#include <vector>

#include "core/canvas_layout.h"
#include "core/isa.h"
#include "core/types.h"

namespace tilewright {

// Blends tiles, in the plan's order, into bands of samples.
//
// Owned pixels go straight from the network's result to samples. Only what a later tile must still be faded with is
// kept in float: one feather's columns of one tile and one feather's rows of the output's width, twice, so that a tile
// whose result was not finite can be blended again after it was computed anew.
class Canvas {
 public:
  Canvas(CanvasLayout layout, Isa isa);

  const CanvasLayout& layout() const { return layout_; }

  // Blends tile `index` and writes the pixels it completes into `target`: the whole band of its tile row, output width,
  // at samples [first_channel, first_channel + channels) of each pixel. One channel from three planes is their mean.
  // Returns how many of the values that count were not finite. What is written for them has no meaning.
  //
  // Throws std::invalid_argument when `index` is neither the next tile nor the last one blended.
  // Preconditions: result is planes x tile size x scale, or with a shuffle planes * scale² x tile size; base is
  // planes x tile size where the tail adds it; channels is 1 or planes; target has the band's size.
  template <class Element, class Sample>
  index_t blend(index_t index, PlanarView<const Element> result, PlanarView<const float> base, ImageView<Sample> target,
                index_t first_channel, index_t channels);

 private:
  // The same, whatever a row of the result comes from.
  template <class Rows, class Sample>
  index_t blend_rows(index_t index, const Rows& rows, ImageView<Sample> target, index_t first_channel,
                     index_t channels);

  // What the next tile to the right, or the next row of tiles, has to be faded with. Written to `kept`, read from
  // `faded`: two buffers that change roles when the blend moves on.
  struct Strip {
    std::vector<float> kept;
    std::vector<float> faded;
  };

  CanvasLayout layout_;
  Isa isa_;
  std::vector<float> ramp_;
  Strip columns_;                // planes x tile rows x feather
  Strip rows_;                   // planes x feather x output width
  std::vector<float> scratch_;   // planes x tile width: a row on its way through a feather
  std::vector<float> shuffled_;  // likewise: a row out of the pixel shuffle, where no kernel does both at once
};

}  // namespace tilewright
