// A network of convolutions: its layers, with weights in the order in which the kernels read them.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "conv/aligned.h"
#include "conv/kernels.h"
#include "conv/rescale.h"
#include "conv/schedule.h"
#include "conv/thread_pool.h"
#include "conv/types.h"
#include "conv/weights.h"

namespace tilewright::conv {

// The output of an earlier step as an input.
struct Input {
  int step;
  bool enlarge = false;  // to twice the size, by repeating pixels
};

struct StepResidual {
  int step;
  float scale;
};

// A convolution with its epilogue. Steps are numbered in the order in which they are added.
struct Step {
  std::vector<Input> inputs;  // none: the network's input
  Weights weights;
  std::vector<float> bias;   // one per output
  std::vector<float> slope;  // one per output, for kPrelu
  Activation activation = Activation::kNone;
  std::vector<StepResidual> residuals;
};

// A step as it runs.
struct PackedStep {
  std::vector<Input> inputs;
  std::vector<StepResidual> residuals;
  index_t outputs = 0;
  index_t channels = 0;  // outputs, rounded up to a multiple of kChannelBlock
  index_t depth = 0;     // of the matrix product
  index_t scale = 1;     // of its output, relative to the network's input
  index_t side = 1;      // of the kernel
  Activation activation = Activation::kNone;
  AlignedFloats weights;
  AlignedFloats bias;
  AlignedFloats slope;

  bool reads_image() const { return inputs.empty(); }
  bool is_direct() const { return side == 1 || reads_image(); }
};

class Network {
 public:
  // `planes` is the number of channels of the network's input. Throws std::invalid_argument if
  // `planes` or `threads` is less than 1, std::system_error if the threads cannot be started.
  Network(index_t planes, int threads, Isa isa);

  // The first layer's input is (in + offset) * factor, with one value of each per plane; 0 and 1 if
  // this is not called. Zero padding follows.
  void set_input_transform(const std::vector<float>& offset, const std::vector<float>& factor);

  // Adds a step and returns its number. The weights are copied. Throws std::invalid_argument for
  // steps that do not exist, sizes that do not match, and combinations that no kernel supports.
  int add_step(const Step& step);

  // Reduces the last step's output. Throws std::invalid_argument if the lengths contradict each other
  // or the last step. No step may be added after that.
  void set_rescale(const Rescale& rescale);

  // Refuses changes from now on; streams call it.
  void freeze() const { is_frozen_ = true; }

  index_t planes() const { return planes_; }
  const std::vector<float>& offset() const { return offset_; }
  const std::vector<float>& factor() const { return factor_; }
  const std::vector<PackedStep>& steps() const { return steps_; }
  const PackedStep& step(int number) const;
  const Kernels& kernels() const { return kernels_; }
  const std::optional<Rescale>& rescale() const { return rescale_; }
  index_t output_channels() const;
  index_t output_scale() const;

  // What streams share while they run: the threads, and scratch space for each of them.
  struct Workers {
    Workers(int threads) : pool(threads), scratch(static_cast<std::size_t>(threads)) {}

    std::mutex mutex;  // held by the stream that runs
    ThreadPool pool;
    std::vector<AlignedFloats> scratch;
  };
  Workers& workers() const { return *workers_; }

 private:
  index_t scale_of(const Step& step) const;
  void check(const Step& step) const;
  void check_not_frozen() const;

  index_t planes_;
  std::vector<float> offset_;
  std::vector<float> factor_;
  const Kernels& kernels_;
  std::unique_ptr<Workers> workers_;
  std::vector<PackedStep> steps_;
  std::optional<Rescale> rescale_;
  mutable std::atomic<bool> is_frozen_{false};
};

}  // namespace tilewright::conv
