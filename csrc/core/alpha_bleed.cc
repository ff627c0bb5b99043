#include "core/alpha_bleed.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace tilewright {
namespace {

enum class State : std::uint8_t { kHidden, kQueued, kFilled };

struct Position {
  index_t x;
  index_t y;
};

using Ring = std::vector<Position>;

// The state of every pixel.
class States {
 public:
  States(index_t width, index_t height)
      : width_(width), height_(height), states_(static_cast<std::size_t>(width * height), State::kHidden) {}

  State& at(index_t x, index_t y) { return states_[static_cast<std::size_t>(y * width_ + x)]; }

  // Calls `function(x, y)` for every neighbour of `centre` that has the given state, row by row.
  template <class Function>
  void for_each_neighbour(Position centre, State state, Function&& function) {
    const index_t bottom = std::min(centre.y + 1, height_ - 1);
    const index_t right = std::min(centre.x + 1, width_ - 1);
    for (index_t y = std::max(centre.y - 1, index_t{0}); y <= bottom; ++y) {
      for (index_t x = std::max(centre.x - 1, index_t{0}); x <= right; ++x) {
        // The centre is skipped too, because callers never ask for its state.
        if (at(x, y) == state) function(x, y);
      }
    }
  }

 private:
  index_t width_;
  index_t height_;
  std::vector<State> states_;
};

// Adds the hidden neighbours of a filled pixel to the next ring.
void queue_neighbours(Position centre, States& states, Ring& next) {
  states.for_each_neighbour(centre, State::kHidden, [&](index_t x, index_t y) {
    states.at(x, y) = State::kQueued;
    next.push_back({x, y});
  });
}

// Sets the colour of each pixel in a ring to the mean of its filled neighbours, weighted by
// `weight(x, y)`. At least one weight must be above 0.
template <class Sample, class Weight>
void fill(ImageView<Sample> pixels, index_t colours, const Ring& ring, States& states, Weight&& weight) {
  for (const Position position : ring) {
    std::uint64_t total = 0;
    std::uint64_t sums[3] = {};
    states.for_each_neighbour(position, State::kFilled, [&](index_t x, index_t y) {
      const std::uint64_t share = weight(x, y);
      const Sample* neighbour = pixels.row(y) + x * pixels.channels;
      total += share;
      for (index_t colour = 0; colour < colours; ++colour) sums[colour] += share * neighbour[colour];
    });
    Sample* pixel = pixels.row(position.y) + position.x * pixels.channels;
    for (index_t colour = 0; colour < colours; ++colour) {
      pixel[colour] = static_cast<Sample>((sums[colour] + total / 2) / total);
    }
  }
  for (const Position position : ring) states.at(position.x, position.y) = State::kFilled;
}

}  // namespace

template <class Sample>
void alpha_bleed(ImageView<Sample> pixels, index_t colours, ImageView<const Sample> alpha) {
  const auto alpha_at = [&](index_t x, index_t y) { return alpha.row(y)[x * alpha.channels]; };
  States states(pixels.width, pixels.height);
  for (index_t y = 0; y < pixels.height; ++y) {
    for (index_t x = 0; x < pixels.width; ++x) {
      if (alpha_at(x, y) > 0) states.at(x, y) = State::kFilled;
    }
  }
  Ring ring;
  for (index_t y = 0; y < pixels.height; ++y) {
    for (index_t x = 0; x < pixels.width; ++x) {
      if (states.at(x, y) == State::kFilled) queue_neighbours({x, y}, states, ring);
    }
  }
  fill(pixels, colours, ring, states, alpha_at);
  Ring next;
  while (!ring.empty()) {
    next.clear();
    for (const Position position : ring) queue_neighbours(position, states, next);
    fill(pixels, colours, next, states, [](index_t, index_t) { return std::uint64_t{1}; });
    ring.swap(next);
  }
}

template void alpha_bleed(ImageView<std::uint8_t>, index_t, ImageView<const std::uint8_t>);
template void alpha_bleed(ImageView<std::uint16_t>, index_t, ImageView<const std::uint16_t>);

}  // namespace tilewright
