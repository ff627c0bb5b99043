// A network of convolutions that runs on the CPU.
//
// It is a list of steps over tensors that are reused. The caller plans which value is in which
// tensor.
#pragma once

#include <mutex>
#include <vector>

#include "conv/aligned.h"
#include "conv/kernels.h"
#include "conv/thread_pool.h"
#include "conv/types.h"
#include "conv/weights.h"

namespace tilewright::conv {

// Tensors are numbered in the order in which they are added.
using TensorId = int;

struct Input {
  TensorId tensor;
  index_t channels;  // from the first one
  int enlarge = 0;   // 1: enlarged to twice the size by repeating pixels
};

struct StepResidual {
  TensorId tensor;
  float scale;
};

// A convolution with its epilogue.
struct Step {
  std::vector<Input> inputs;  // none: the network's input
  TensorId output;
  Weights weights;
  std::vector<float> bias;   // one per output
  std::vector<float> slope;  // one per output, for kPrelu
  Activation activation = Activation::kNone;
  std::vector<StepResidual> residuals;
};

class Network {
 public:
  // `planes` is the number of channels of the network's input. Throws std::invalid_argument if
  // `threads` is less than 1, std::system_error if they cannot be started.
  Network(index_t planes, int threads, Isa isa);

  // The first layer's input is (in + offset) * factor, with one value of each per plane; as they
  // are: 0 and 1. Padding is zero after that.
  void set_input_transform(const std::vector<float>& offset, const std::vector<float>& factor);

  // Adds a tensor of `channels` channels whose sides are `scale` times those of the input.
  TensorId add_tensor(index_t channels, index_t scale);

  // Adds a step. The weights are copied. A step must not write a tensor that it reads, except as a
  // residual. Throws std::invalid_argument for tensors that do not exist, sizes that do not match,
  // and combinations that no kernel supports.
  void add_step(const Step& step);

  // Runs the network.
  //
  // `in` is [count][planes][height][width]. `out` receives the channels of the last step's output:
  // [count][channels][height * scale][width * scale]. Calls are serialised.
  void run(const float* in, index_t count, index_t height, index_t width, float* out);

  index_t planes() const { return planes_; }
  index_t output_channels() const;
  index_t output_scale() const;

  // Bytes of all tensors for pictures of this size.
  index_t tensor_bytes(index_t height, index_t width) const;

 private:
  struct Tensor {
    index_t channels;  // a multiple of kChannelBlock
    index_t scale;
    AlignedFloats memory;
    Channels view;
  };
  struct PackedStep {
    std::vector<Input> inputs;
    TensorId output;
    index_t outputs;  // real ones
    index_t side;
    AlignedFloats weights;
    AlignedFloats bias;
    AlignedFloats slope;
    Activation activation;
    std::vector<StepResidual> residuals;
  };

  const Tensor& tensor(TensorId id) const;
  void check(const Step& step) const;
  void prepare(index_t height, index_t width);
  ConvTask task(const PackedStep& step) const;
  void run_step(const PackedStep& step, const PlanarView<const float>& image);
  void store_planes(const Tensor& tensor, index_t planes, float* out);

  index_t planes_;
  std::vector<float> offset_;
  std::vector<float> factor_;
  const Kernels& kernels_;
  ThreadPool pool_;
  std::vector<Tensor> tensors_;
  std::vector<PackedStep> steps_;
  std::vector<AlignedFloats> scratch_;  // one per thread
  index_t height_ = 0;
  index_t width_ = 0;
  std::mutex mutex_;
};

}  // namespace tilewright::conv
