// Fills in the colour of transparent pixels, so that a network does not see the hidden colour.
#pragma once

#include "core/types.h"

namespace tilewright {

// Replaces the colour of every pixel of alpha 0 with colour from visible pixels.
//
// The colour spreads outward in rings. A pixel next to visible pixels gets their mean, weighted by
// alpha; a pixel of each further ring gets the mean of its neighbours in the previous ring. The
// neighbours are the eight surrounding pixels; means are rounded to nearest. Visible pixels keep
// their colour. If no pixel is visible, nothing changes.
//
// `pixels`: the first `colours` samples of each pixel are colour; the others are not changed.
// `alpha`: has the same size; the first sample of each pixel is alpha. It may be part of `pixels`.
// Sample: std::uint8_t or std::uint16_t.
//
// Time is linear in the number of pixels. Memory is one byte per pixel, plus two positions per
// pixel of the two longest rings.
template <class Sample>
void alpha_bleed(ImageView<Sample> pixels, index_t colours, ImageView<const Sample> alpha);

}  // namespace tilewright
