// Colour for pixels that show none, so that a network does not see what lies hidden under transparency.
#pragma once

#include "core/types.h"

namespace tilewright {

// Replaces the colour of every pixel of alpha 0 by colour from what is visible, outward in rings. A pixel next to
// visible ones gets their mean, weighted by alpha; each ring further out gets the mean of its neighbours in the ring
// before. Neighbours are the eight around a pixel, means are rounded to nearest. Visible pixels keep their colour;
// where none is visible, all do.
//
// `pixels`: the first `colours` samples of each are colour; the others are left alone. `alpha`: of the same size, the
// first sample of each pixel counts; it may be part of `pixels`. Sample: u8 or u16. Time is linear in the pixels;
// memory is a byte for each, and two positions for each pixel of the longest two rings.
template <class Sample>
void alpha_bleed(ImageView<Sample> pixels, index_t colours, ImageView<const Sample> alpha);

}  // namespace tilewright
