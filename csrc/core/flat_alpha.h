// Alpha that is the same all round a pixel stays that in the result: opaque is opaque, and nothing is nothing.
#pragma once

#include "core/types.h"

namespace tilewright {

// Where all alpha of `source` within `radius` pixels of one along both axes (the picture's border is no neighbour) is
// the same, its scale x scale samples of `band` become that value.
//
// `source`: the whole picture; the first sample of each pixel is alpha. `band`: the result of its rows from `first_row`
// on, so that width is source.width * scale and height a multiple of scale; the first sample of each pixel is written.
// Sample: u8 or u16.
template <class Sample>
void keep_flat_alpha(ImageView<const Sample> source, index_t radius, index_t scale, index_t first_row,
                     ImageView<Sample> band);

}  // namespace tilewright
