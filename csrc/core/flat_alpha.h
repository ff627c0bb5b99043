// Restores alpha in areas where it is constant, so that the network's error does not show there.
#pragma once

#include "core/types.h"

namespace tilewright {

// Copies alpha from `source` to `band` for every pixel whose neighbourhood has constant alpha.
//
// The neighbourhood is the square of pixels within `radius` along both axes, clipped at the
// picture's borders. Each such pixel's value is written to its scale x scale samples of `band`.
//
// `source`: the whole picture; the first sample of each pixel is alpha. `band`: the result of the
// rows from `first_row` on. Its width is source.width * scale, its height a multiple of scale; the
// first sample of each pixel is written. Sample: std::uint8_t or std::uint16_t.
template <class Sample>
void keep_flat_alpha(ImageView<const Sample> source, index_t radius, index_t scale, index_t first_row,
                     ImageView<Sample> band);

}  // namespace tilewright
