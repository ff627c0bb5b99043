#include "conv/network.h"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <utility>

namespace tilewright::conv {
namespace {

// No network enlarges more. The limit keeps sizes of tensors far from an overflow.
constexpr index_t kMaxScale = 64;

// More taps than any filter has. The limit keeps sums of lengths far from an overflow.
constexpr index_t kMaxTaps = 1024;

AlignedFloats padded(const std::vector<float>& values, index_t count) {
  AlignedFloats copy = zeros(count);
  std::copy(values.begin(), values.end(), copy.data());
  return copy;
}

}  // namespace

Network::Network(index_t planes, int threads, Isa isa) : planes_(planes), kernels_(conv::kernels(isa)) {
  if (threads < 1) throw std::invalid_argument("threads must be at least 1");
  if (planes < 1) throw std::invalid_argument("planes must be at least 1");
  workers_ = std::make_unique<Workers>(threads);
  offset_.assign(static_cast<std::size_t>(planes), 0.0F);
  factor_.assign(static_cast<std::size_t>(planes), 1.0F);
}

void Network::check_not_frozen() const {
  if (is_frozen_) throw std::invalid_argument("a network with streams cannot be changed");
}

void Network::set_input_transform(const std::vector<float>& offset, const std::vector<float>& factor) {
  check_not_frozen();
  if (static_cast<index_t>(offset.size()) != planes_ || static_cast<index_t>(factor.size()) != planes_) {
    throw std::invalid_argument("offset and factor must have one value per plane");
  }
  offset_ = offset;
  factor_ = factor;
}

const PackedStep& Network::step(int number) const {
  if (number < 0 || static_cast<std::size_t>(number) >= steps_.size()) {
    throw std::invalid_argument("there is no step " + std::to_string(number));
  }
  return steps_[static_cast<std::size_t>(number)];
}

index_t Network::scale_of(const Step& added) const {
  if (added.inputs.empty()) return 1;
  return step(added.inputs[0].step).scale << (added.inputs[0].enlarge ? 1 : 0);
}

void Network::check(const Step& added) const {
  if (rescale_) throw std::invalid_argument("no step can follow the rescale");
  const Weights& weights = added.weights;
  const index_t scale = scale_of(added);
  index_t inputs = added.inputs.empty() ? planes_ : 0;
  for (const Input& input : added.inputs) {
    if (step(input.step).scale << (input.enlarge ? 1 : 0) != scale) {
      throw std::invalid_argument("the inputs of a step must have the same size");
    }
    inputs += step(input.step).outputs;
  }
  if (weights.inputs != inputs) throw std::invalid_argument("the weights are for another number of input channels");
  if (weights.side != 3 && (weights.side != 1 || added.inputs.empty())) {
    throw std::invalid_argument("kernels must be 3x3, or 1x1 after the first layer");
  }
  if (scale > kMaxScale) throw std::invalid_argument("the enlargement is too large");
  if (weights.outputs < 1) throw std::invalid_argument("a step must have outputs");
  if (added.inputs.size() > ConvTask::kMaxInputs) throw std::invalid_argument("a step has too many inputs");
  if (static_cast<index_t>(added.bias.size()) != weights.outputs) {
    throw std::invalid_argument("bias must have one value per output");
  }
  if (added.activation == Activation::kPrelu && static_cast<index_t>(added.slope.size()) != weights.outputs) {
    throw std::invalid_argument("slope must have one value per output");
  }
  if (added.residuals.size() > Epilogue::kMaxResiduals) throw std::invalid_argument("a step has too many residuals");
  if (added.activation == Activation::kAttention && added.residuals.empty()) {
    throw std::invalid_argument("the attention needs a residual");
  }
  for (const StepResidual& residual : added.residuals) {
    if (step(residual.step).scale != scale || step(residual.step).outputs != weights.outputs) {
      throw std::invalid_argument("a residual must have the size of the output");
    }
  }
}

void Network::set_rescale(const Rescale& rescale) {
  check_not_frozen();
  if (steps_.empty()) throw std::invalid_argument("a rescale needs a step");
  const PackedStep& last = steps_.back();
  if (rescale.from < 1 || rescale.to < 1 || rescale.taps < 1) {
    throw std::invalid_argument("from, to and the number of taps must be at least 1");
  }
  if (static_cast<index_t>(rescale.weights.size()) != rescale.to * rescale.taps) {
    throw std::invalid_argument("weights must have one row for each of `to` results");
  }
  if (rescale.from > kMaxScale || rescale.to > kMaxScale) throw std::invalid_argument("from and to are too large");
  if (std::abs(rescale.first) > kMaxTaps || rescale.taps > kMaxTaps || rescale.reach() > Rescale::kMaxReach)
    throw std::invalid_argument("the filter is too long");
  if (last.scale != (rescale.shuffles ? 1 : rescale.from)) {
    throw std::invalid_argument("from contradicts the scale of the last step");
  }
  if (rescale.shuffles && last.outputs % (rescale.from * rescale.from) != 0) {
    throw std::invalid_argument("the last step has no whole planes to shuffle");
  }
  rescale_ = rescale;
  if (rescale.adds_image && output_channels() != planes_) {
    rescale_.reset();
    throw std::invalid_argument("the input and the result must have the same number of planes");
  }
}

index_t Network::output_channels() const {
  if (steps_.empty()) return 0;
  const index_t outputs = steps_.back().outputs;
  return rescale_ && rescale_->shuffles ? outputs / (rescale_->from * rescale_->from) : outputs;
}

index_t Network::output_scale() const {
  if (steps_.empty()) return 1;
  return rescale_ ? rescale_->to : steps_.back().scale;
}

int Network::add_step(const Step& added) {
  check_not_frozen();
  check(added);
  const Weights& weights = added.weights;
  Places places;
  index_t depth = 0;
  for (const Input& input : added.inputs) {
    for (index_t i = 0; i < step(input.step).outputs; ++i) places.push_back(depth + i);
    depth += step(input.step).channels;
  }
  if (added.inputs.empty()) {
    for (index_t i = 0; i < planes_; ++i) places.push_back(i);
    depth = planes_;
  }
  PackedStep packed;
  packed.inputs = added.inputs;
  packed.residuals = added.residuals;
  packed.outputs = weights.outputs;
  packed.channels = round_up(weights.outputs, kChannelBlock);
  packed.scale = scale_of(added);
  packed.side = weights.side;
  packed.activation = added.activation;
  if (packed.is_direct()) {
    packed.depth = depth * weights.side * weights.side;
    packed.weights = pack_direct(weights, places, packed.depth, kernels_.out_block);
  } else {
    packed.depth = depth;
    packed.weights = pack_winograd(weights, places, depth, kernels_.out_block);
  }
  packed.bias = padded(added.bias, packed.channels);
  packed.slope = padded(added.slope, packed.channels);
  steps_.push_back(std::move(packed));
  return static_cast<int>(steps_.size()) - 1;
}

}  // namespace tilewright::conv
