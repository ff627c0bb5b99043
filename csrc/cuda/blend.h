// One tile into a band, on a device: the kernel of Canvas.
#pragma once

#include "core/canvas_layout.h"
#include "cuda/stream.h"
#include "cuda/views.h"

namespace tilewright::cuda {

// What tiles are faded with, as in the core's Canvas: `kept` is written for a later tile, `faded` was by an earlier
// one.
struct Strips {
  float* kept;
  const float* faded;
};

// A tile's share of an axis, as a Span of the core.
struct Extent {
  int origin;
  int begin;
  int end;
  int lead;
  int trail;
};

// All in output pixels.
template <class Element, class Sample>
struct BlendArguments {
  TensorTile<const Element> result;
  AnyTile base;
  int shuffle;
  Sample* target;  // the first sample to write of the band's first pixel
  int target_channels;
  int width;  // of the output
  Extent x;
  Extent y;
  int tile_height;
  int feather;
  const float* ramp;
  Strips columns;  // planes x tile height x feather
  Strips rows;     // planes x feather x output width
  float black;
  float gain;
  unsigned long long* not_finite;  // 0 before, and raised by what is found
};

// `planes` of the finished result into as many channels, or three of them into one: their mean.
template <class Element, class Sample>
void blend(const BlendArguments<Element, Sample>& arguments, index_t planes, index_t channels, const Stream& stream);

}  // namespace tilewright::cuda
