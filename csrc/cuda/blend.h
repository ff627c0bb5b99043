// The kernel of the CUDA canvas: blends one tile into a band.
#pragma once

#include "core/canvas_layout.h"
#include "cuda/stream.h"
#include "cuda/views.h"

namespace tilewright::cuda {

// Values under a feather, as in the core's Canvas: written for later tiles, and read from earlier
// tiles.
struct StripView {
  float* outgoing;
  const float* incoming;
};

// A tile's extent along an axis in output pixels. Corresponds to Span.
struct Extent {
  int origin;
  int begin;
  int end;
  int lead;
  int trail;
};

// Lengths and positions are in output pixels.
template <class Element, class Sample>
struct BlendArguments {
  DeviceTensorView<const Element> result;  // one tile
  AnyDeviceTensorView base;                // one tile, or none
  int shuffle;
  Sample* target;  // the first sample to write of the band's first pixel
  int target_channels;
  int width;  // of the output
  Extent x;
  Extent y;
  int tile_height;
  int feather;
  const float* ramp;
  StripView columns;  // planes x tile height x feather
  StripView rows;     // planes x feather x output width
  float black;
  float gain;
  unsigned long long* nonfinite;  // set to the number of non-finite values
};

// Enqueues the blend of a result of `planes` planes into as many channels. If `channels` is 1 and
// there are three planes, their mean is written.
template <class Element, class Sample>
void blend(const BlendArguments<Element, Sample>& arguments, index_t planes, index_t channels, const Stream& stream);

}  // namespace tilewright::cuda
