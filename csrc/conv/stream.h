// A picture on its way through a network.
//
// It goes through all layers in bands of rows, from top to bottom. A layer computes a row as soon as
// the rows that it reads are there, and a row is overwritten when no layer needs it any more. So the
// result is that of a run over the whole picture, with the memory of a few bands. If that takes more
// memory than one layer after another over the whole picture, as in networks of many layers on small
// pictures, then the band is the whole picture and layers share memory.
#pragma once

#include <vector>

#include "conv/aligned.h"
#include "conv/network.h"
#include "conv/placement.h"
#include "conv/schedule.h"
#include "conv/types.h"

namespace tilewright::conv {

class Stream {
 public:
  // The network must outlive the stream, and cannot be changed any more.
  explicit Stream(const Network& network) : network_(network) { network.freeze(); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Begins a picture. Memory of the previous one is used again. Throws std::invalid_argument if the
  // network has no steps or a side is less than 1, std::bad_alloc.
  void start(index_t height, index_t width);

  // Rows of the input that advance() takes at a time; the last band may have fewer.
  index_t band() const { return band_; }

  // Input rows that the next call of advance() takes; 0 after the last band.
  index_t wanted() const;

  // Takes the next band of the input, if there is one, and computes what can be computed then.
  //
  // `out` is for a band of the result, `band() * scale` rows from a multiple of that. Returns whether
  // the band is complete; if not, the next call must get the same memory. Precondition: !is_done().
  bool advance(PlaneBand<const float> in, PlaneBand<float> out);

  // Calls of advance() that the picture takes in total.
  index_t rounds() const { return rounds_; }

  const Network& network() const { return network_; }

  // Whether all rows of the result were computed.
  bool is_done() const { return schedule_.is_done(); }

  // See band(), for a picture of this size.
  static index_t band_of(const Network& network, index_t height, index_t width);

  // Bytes of all tensors for a picture of this size.
  static index_t tensor_bytes(const Network& network, index_t height, index_t width);

 private:
  void place_tensors(index_t height, index_t width);
  void clear_borders(std::size_t step, RowRange rows) const;
  void take_rows(PlaneBand<const float> in, RowRange rows);
  ConvTask task(std::size_t step) const;
  void run_rows(std::size_t step, RowRange rows);
  void store_rows(RowRange rows, PlaneBand<float> out);
  void rescale_rows(const Rescale& rescale, RowRange rows, PlaneBand<float> out);
  void reserve_scratch(index_t floats);
  float* scratch(int thread);

  const Network& network_;
  index_t height_ = 0;
  index_t width_ = 0;
  index_t band_ = 0;
  index_t rounds_ = 0;
  Schedule schedule_;
  AlignedFloats image_memory_;
  PlaneRows image_;
  AlignedFloats zeros_;
  std::vector<AlignedFloats> slots_;  // of the placement
  std::vector<Rows> tensors_;         // one per step
};

// Runs a network on `count` pictures: `in` is [count][planes][height][width], `out` receives
// [count][output channels][height * scale][width * scale].
void run(Stream& stream, const float* in, index_t count, index_t height, index_t width, float* out);

}  // namespace tilewright::conv
