// Where results of a network come together into finished rows.
#pragma once

#include <vector>

#include "core/cpu_isa.h"
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

// Blends tiles, in the plan's order, into bands of samples.
//
// Owned pixels go straight from the network's result to samples. Only what a later tile must still be faded with is
// kept in float: one feather's columns of one tile and one feather's rows of the output's width, twice, so that a tile
// whose result was not finite can be blended again after it was computed anew.
class Canvas {
 public:
  // `scale`: output pixels per input pixel; `planes`: of the finished result; `range`: its black and white; `tail`: its
  // shuffle is 1 or the scale.
  Canvas(TilePlan plan, index_t scale, index_t planes, ValueRange range, Tail tail, Isa isa);

  const TilePlan& plan() const { return plan_; }
  index_t scale() const { return scale_; }
  index_t planes() const { return planes_; }
  const Tail& tail() const { return tail_; }

  // The band that row `row` of tiles completes. Precondition: 0 <= row < plan().rows().
  Band band(index_t row) const;

  // Blends tile `index` and writes the pixels it completes into `target`: the whole band of its tile row, output width,
  // at samples [first_channel, first_channel + channels) of each pixel. One channel from three planes is their mean.
  // Returns how many of the values that count were not finite. What is written for them has no meaning.
  //
  // Throws std::invalid_argument when `index` is neither the next tile nor the last one blended.
  // Preconditions: result is planes() x tile size x scale, or with a shuffle planes() * scale² x tile size; base is
  // planes() x tile size where the tail adds it; channels is 1 or planes(); target has the band's size.
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

  TilePlan plan_;
  index_t scale_;
  index_t planes_;
  ValueRange range_;
  Tail tail_;
  Isa isa_;
  index_t blended_ = 0;  // tiles blended so far
  std::vector<float> ramp_;
  Strip columns_;                // planes x tile rows x feather
  Strip rows_;                   // planes x feather x output width
  std::vector<float> scratch_;   // planes x tile width: a row on its way through a feather
  std::vector<float> shuffled_;  // likewise: a row out of the pixel shuffle, where no kernel does both at once
};

}  // namespace tilewright
