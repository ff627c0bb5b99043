// Where the samples of interleaved RGB lie in registers.
//
// Three registers of n samples hold n pixels: red, green, blue, red, … Where 3 does not divide n, a channel has a
// sample at each of the n places in exactly one of the three registers. So to part the channels is to pick, place by
// place, from the three registers, and then to shuffle; to bring them together is to shuffle, and then to pick.
#pragma once

namespace tilewright {

// The channel at place `place` of register `part`.
constexpr int rgb_channel_at(int part, int place, int n) { return (part * n + place) % 3; }

// The place that a channel of a pixel has, in whichever register it lies.
constexpr int rgb_place_of(int pixel, int channel, int n) { return (3 * pixel + channel) % n; }

}  // namespace tilewright
