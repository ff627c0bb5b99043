// A network of convolutions that runs on the CPU.
//
// A picture goes through all layers in bands of rows, from top to bottom. A layer computes a row as
// soon as the rows that it reads are there, and a row is forgotten when nothing reads it any more.
// So the result is that of a run over the whole picture, with the memory of a few bands. If that
// takes more memory than one layer after another over the whole picture, as in networks of many
// layers on small pictures, then the band is the whole picture and layers share memory.
#pragma once

#include <mutex>
#include <vector>

#include "conv/aligned.h"
#include "conv/kernels.h"
#include "conv/placement.h"
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

  // Runs the network on `count` pictures.
  //
  // `in` is [count][planes][height][width]. `out` receives the result of the last step:
  // [count][channels][height * scale][width * scale]. Calls are serialised. Throws std::bad_alloc.
  void run(const float* in, index_t count, index_t height, index_t width, float* out);

  index_t planes() const { return planes_; }
  index_t output_channels() const;
  index_t output_scale() const;

  // Bytes of all tensors for pictures of this size.
  index_t tensor_bytes(index_t height, index_t width) const;

 private:
  struct PackedStep {
    std::vector<Input> inputs;
    std::vector<StepResidual> residuals;
    index_t outputs;
    index_t channels;  // outputs rounded up
    index_t scale;
    index_t side;
    Activation activation;
    AlignedFloats weights;
    AlignedFloats bias;
    AlignedFloats slope;
    Rows rows;

    bool reads_image() const { return inputs.empty(); }
    bool is_direct() const { return side == 1 || reads_image(); }
  };

  // How pictures of one size are processed.
  struct Plan {
    index_t band;  // in rows of the input
    Schedule::Capacities capacities;
    Placement placement;

    index_t floats(index_t planes, index_t width) const;
  };

  const PackedStep& step(int number) const;
  index_t scale_of(const Step& step) const;
  void check(const Step& step) const;
  std::vector<StepShape> shapes() const;
  Plan plan(index_t height, index_t width, index_t band) const;
  Plan best_plan(index_t height, index_t width) const;
  void prepare(index_t height, index_t width);
  void clear_borders(const PackedStep& step, RowRange rows) const;
  ConvTask task(const PackedStep& step) const;
  void run_picture(const PlanarView<const float>& image, float* out);
  void take_rows(const PlanarView<const float>& image, index_t begin, index_t end);
  void run_rows(const PackedStep& step, RowRange rows);
  void store_rows(RowRange rows, float* out);

  index_t planes_;
  std::vector<float> offset_;
  std::vector<float> factor_;
  const Kernels& kernels_;
  ThreadPool pool_;
  std::vector<PackedStep> steps_;

  // The state of a run.
  std::mutex mutex_;
  std::vector<AlignedFloats> scratch_;  // one per thread
  std::vector<AlignedFloats> slots_;    // of the placement
  AlignedFloats zeros_;
  AlignedFloats image_memory_;
  PlaneRows image_;
  index_t height_ = 0;
  index_t width_ = 0;
  index_t band_ = 0;
};

}  // namespace tilewright::conv
