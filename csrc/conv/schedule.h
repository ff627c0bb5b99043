// Which rows of each step's output are computed when, while a picture comes in from top to bottom.
#pragma once

#include <vector>

#include "core/types.h"

namespace tilewright::conv {

// The facts about a step that decide when its rows can be computed.
struct StepShape {
  index_t scale;               // of the output, relative to the network's input
  index_t unit;                // rows are computed in multiples of this: kTile for Winograd's algorithm, else 1
  index_t reach;               // rows that a unit reads above and below it: 1 for kernels 3x3
  std::vector<int> inputs;     // steps that it reads, of any scale; -1 is the network's input
  std::vector<int> residuals;  // steps that are read at the same rows
};

// A step's rows [begin, end).
struct RowRange {
  index_t begin;
  index_t end;
};

class Schedule {
 public:
  // An empty schedule, which is done.
  Schedule() = default;

  // `band`: rows of the input that come at a time.
  Schedule(std::vector<StepShape> steps, index_t height, index_t band);

  // Takes one more band of the input, if there is one. Returns for each step the rows that are to be
  // computed now, at most a band and in the order of the steps. The last step's do not go beyond a
  // multiple of a band.
  std::vector<RowRange> advance();

  index_t input_rows() const { return input_; }
  bool is_done() const;

  // The rows of the input, and of each step's output, that must be in memory at the same time. Runs
  // through the whole schedule.
  struct Capacities {
    index_t input;
    std::vector<index_t> steps;
    index_t rounds;  // calls of advance() until it is done
  };
  static Capacities capacities(const std::vector<StepShape>& steps, index_t height, index_t band);

 private:
  index_t available(int step) const;
  index_t scale_of(int step) const;

  std::vector<StepShape> steps_;
  index_t height_ = 0;
  index_t band_ = 1;
  index_t input_ = 0;          // rows of the input so far
  std::vector<index_t> done_;  // rows of each step so far
};

}  // namespace tilewright::conv
