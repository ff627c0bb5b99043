// Positions of interleaved RGB samples in vectors.
//
// Three vectors of n samples hold n pixels: red, green, blue, red, … If n is not a multiple of 3, a
// channel has a sample at each of the n positions in exactly one of the three vectors. So the
// channels are separated by blending the three vectors position by position and then shuffling the
// result. They are interleaved by shuffling and then blending.
#pragma once

namespace tilewright {

// The channel at position `position` of vector `part`.
constexpr int rgb_channel(int part, int position, int n) { return (part * n + position) % 3; }

// The position of a pixel's channel within its vector.
constexpr int rgb_position(int pixel, int channel, int n) { return (3 * pixel + channel) % n; }

}  // namespace tilewright
