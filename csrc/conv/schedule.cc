#include "conv/schedule.h"

#include <algorithm>
#include <utility>

namespace tilewright::conv {

Schedule::Schedule(std::vector<StepShape> steps, index_t height, index_t band)
    : steps_(std::move(steps)), height_(height), band_(band), done_(steps_.size(), 0) {}

bool Schedule::is_done() const { return steps_.empty() || done_.back() == height_ * steps_.back().scale; }

index_t Schedule::available(int step) const { return step < 0 ? input_ : done_[static_cast<std::size_t>(step)]; }

index_t Schedule::scale_of(int step) const { return step < 0 ? 1 : steps_[static_cast<std::size_t>(step)].scale; }

std::vector<RowRange> Schedule::advance() {
  input_ = std::min(height_, input_ + band_);
  std::vector<RowRange> ranges;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const StepShape& step = steps_[i];
    const index_t height = height_ * step.scale;
    index_t ready = height;
    for (const int input : step.inputs) {
      const index_t rows_above = available(input) * step.scale / scale_of(input);
      if (rows_above < height) ready = std::min(ready, rows_above - step.reach);
    }
    for (const int residual : step.residuals) ready = std::min(ready, available(residual));
    // After the last band, all rows could be computed at once, and would all have to be in memory.
    const index_t band = band_ * step.scale;
    const bool is_last = i + 1 == steps_.size();
    ready = std::min(ready, is_last ? (done_[i] / band + 1) * band : done_[i] + band);
    const index_t end = ready == height ? height : ready / step.unit * step.unit;
    ranges.push_back({done_[i], std::max(done_[i], end)});
    done_[i] = ranges.back().end;
  }
  return ranges;
}

Schedule::Capacities Schedule::capacities(const std::vector<StepShape>& steps, index_t height, index_t band) {
  Schedule schedule(steps, height, band);
  Capacities capacities{1, std::vector<index_t>(steps.size(), 1), 0};
  for (; !schedule.is_done(); ++capacities.rounds) {
    const std::vector<RowRange> ranges = schedule.advance();
    for (std::size_t i = 0; i < steps.size(); ++i) {
      // The rows of `source` from `first`, in its own pixels, up to the newest one are in use.
      const auto use = [&](int source, index_t first) {
        index_t& capacity = source < 0 ? capacities.input : capacities.steps[static_cast<std::size_t>(source)];
        capacity = std::max(capacity, schedule.available(source) - first);
      };
      if (ranges[i].begin == height * steps[i].scale) continue;  // it is done and reads nothing
      for (const int input : steps[i].inputs) {
        const index_t first = std::max<index_t>(ranges[i].begin - steps[i].reach, 0);
        use(input, first * schedule.scale_of(input) / steps[i].scale);
      }
      for (const int residual : steps[i].residuals) use(residual, ranges[i].begin);
      index_t& own = capacities.steps[i];
      own = std::max(own, ranges[i].end - ranges[i].begin);
    }
  }
  return capacities;
}

}  // namespace tilewright::conv
