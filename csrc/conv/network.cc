#include "conv/network.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace tilewright::conv {
namespace {

index_t round_up(index_t value, index_t unit) { return (value + unit - 1) / unit * unit; }

AlignedFloats padded(const std::vector<float>& values, index_t count) {
  AlignedFloats copy(count);
  std::fill_n(copy.data(), count, 0.0F);
  std::copy(values.begin(), values.end(), copy.data());
  return copy;
}

index_t row_pixels(index_t width) { return kBorderBefore + width + kBorderAfter; }

// Zeros the border of a tensor. `corner` is the first float of its memory.
void clear_border(float* corner, index_t height, index_t width, index_t channels) {
  const index_t row = row_pixels(width) * channels;
  std::fill_n(corner, kBorderBefore * row, 0.0F);
  for (index_t y = kBorderBefore; y < kBorderBefore + height; ++y) {
    std::fill_n(corner + y * row, kBorderBefore * channels, 0.0F);
    std::fill_n(corner + y * row + (kBorderBefore + width) * channels, kBorderAfter * channels, 0.0F);
  }
  std::fill_n(corner + (kBorderBefore + height) * row, kBorderAfter * row, 0.0F);
}

// Rows or tiles that a thread takes at a time: few enough that all threads end together.
index_t chunk_of(index_t count, int threads, index_t unit) {
  return round_up(std::max<index_t>(1, count / (threads * index_t{8})), unit);
}

}  // namespace

Network::Network(index_t planes, int threads, Isa isa)
    : planes_(planes), kernels_(kernels(isa)), pool_(threads < 1 ? 1 : threads) {
  if (threads < 1) throw std::invalid_argument("threads must be at least 1");
  if (planes < 1) throw std::invalid_argument("planes must be at least 1");
  scratch_.resize(static_cast<std::size_t>(threads));
  offset_.assign(static_cast<std::size_t>(planes), 0.0F);
  factor_.assign(static_cast<std::size_t>(planes), 1.0F);
}

void Network::set_input_transform(const std::vector<float>& offset, const std::vector<float>& factor) {
  if (static_cast<index_t>(offset.size()) != planes_ || static_cast<index_t>(factor.size()) != planes_) {
    throw std::invalid_argument("offset and factor must have one value per plane");
  }
  offset_ = offset;
  factor_ = factor;
}

TensorId Network::add_tensor(index_t channels, index_t scale) {
  if (channels < 1 || scale < 1) throw std::invalid_argument("a tensor's channels and scale must be at least 1");
  tensors_.push_back({round_up(channels, kChannelBlock), scale, {}, {}});
  return static_cast<TensorId>(tensors_.size()) - 1;
}

const Network::Tensor& Network::tensor(TensorId id) const {
  if (id < 0 || static_cast<std::size_t>(id) >= tensors_.size()) {
    throw std::invalid_argument("there is no tensor " + std::to_string(id));
  }
  return tensors_[static_cast<std::size_t>(id)];
}

void Network::check(const Step& step) const {
  const Weights& weights = step.weights;
  const Tensor& output = tensor(step.output);
  index_t inputs = step.inputs.empty() ? planes_ : 0;
  for (const Input& input : step.inputs) {
    const Tensor& source = tensor(input.tensor);
    if (input.channels < 1 || input.channels > source.channels) {
      throw std::invalid_argument("an input has more channels than its tensor");
    }
    if (source.scale << input.enlarge != output.scale || input.enlarge < 0 || input.enlarge > 1) {
      throw std::invalid_argument("the sizes of an input and the output do not match");
    }
    if (input.tensor == step.output) throw std::invalid_argument("a step must not write a tensor that it reads");
    inputs += input.channels;
  }
  if (weights.inputs != inputs) throw std::invalid_argument("the weights are for another number of input channels");
  if (weights.side != 3 && (weights.side != 1 || step.inputs.empty())) {
    throw std::invalid_argument("kernels must be 3x3, or 1x1 after the first layer");
  }
  if (step.inputs.empty() && output.scale != 1) throw std::invalid_argument("the first layer must not enlarge");
  if (step.inputs.size() > ConvTask::kMaxInputs) throw std::invalid_argument("a step has too many inputs");
  if (weights.outputs < 1 || weights.outputs > output.channels) {
    throw std::invalid_argument("the output has fewer channels than the weights");
  }
  if (static_cast<index_t>(step.bias.size()) != weights.outputs) {
    throw std::invalid_argument("bias must have one value per output");
  }
  if (step.activation == Activation::kPrelu && static_cast<index_t>(step.slope.size()) != weights.outputs) {
    throw std::invalid_argument("slope must have one value per output");
  }
  if (step.residuals.size() > Epilogue::kMaxResiduals) throw std::invalid_argument("a step has too many residuals");
  if (step.activation == Activation::kAttention && step.residuals.empty()) {
    throw std::invalid_argument("the attention needs a residual");
  }
  for (const StepResidual& residual : step.residuals) {
    const Tensor& source = tensor(residual.tensor);
    if (source.scale != output.scale || source.channels < round_up(weights.outputs, kChannelBlock)) {
      throw std::invalid_argument("a residual does not have the size of the output");
    }
  }
}

void Network::add_step(const Step& step) {
  check(step);
  const Weights& weights = step.weights;
  Places places;
  index_t depth = 0;
  for (const Input& input : step.inputs) {
    for (index_t i = 0; i < input.channels; ++i) places.push_back(depth + i);
    depth += round_up(input.channels, kChannelBlock);
  }
  if (step.inputs.empty()) {
    for (index_t i = 0; i < planes_; ++i) places.push_back(i);
    depth = planes_;
  }
  const index_t outputs = round_up(weights.outputs, kChannelBlock);
  const bool direct = weights.side == 1 || step.inputs.empty();
  steps_.push_back({step.inputs, step.output, weights.outputs, weights.side,
                    direct ? pack_direct(weights, places, depth * weights.side * weights.side, kernels_.out_block)
                           : pack_winograd(weights, places, depth, kernels_.out_block),
                    padded(step.bias, outputs), padded(step.slope, outputs), step.activation, step.residuals});
}

index_t Network::output_channels() const { return steps_.empty() ? 0 : steps_.back().outputs; }

index_t Network::output_scale() const { return steps_.empty() ? 1 : tensor(steps_.back().output).scale; }

index_t Network::tensor_bytes(index_t height, index_t width) const {
  index_t floats = 0;
  for (const Tensor& tensor : tensors_) {
    const index_t rows = kBorderBefore + height * tensor.scale + kBorderAfter;
    floats += rows * row_pixels(width * tensor.scale) * tensor.channels;
  }
  return floats * static_cast<index_t>(sizeof(float));
}

void Network::prepare(index_t height, index_t width) {
  if (height == height_ && width == width_) return;
  height_ = width_ = 0;  // stays so if memory runs out below
  for (Tensor& tensor : tensors_) {
    const index_t rows = height * tensor.scale;
    const index_t columns = width * tensor.scale;
    const index_t row = row_pixels(columns) * tensor.channels;
    tensor.memory.reserve((kBorderBefore + rows + kBorderAfter) * row);
    clear_border(tensor.memory.data(), rows, columns, tensor.channels);
    tensor.view = {tensor.memory.data() + kBorderBefore * (row + tensor.channels), tensor.channels, row,
                   tensor.channels, 0};
  }
  for (const PackedStep& step : steps_) {
    const ConvTask conv = task(step);
    const bool direct = step.side == 1 || step.inputs.empty();
    const index_t depth = step.inputs.empty() ? planes_ * 9 : conv.input_channels;
    const index_t floats = direct ? kernels_.pixel_scratch(depth) : kernels_.winograd_scratch(conv);
    for (AlignedFloats& scratch : scratch_) scratch.reserve(floats);
  }
  height_ = height;
  width_ = width;
}

ConvTask Network::task(const PackedStep& step) const {
  const Tensor& output = tensor(step.output);
  ConvTask task;
  task.height = height_ * output.scale;
  task.width = width_ * output.scale;
  for (const Input& input : step.inputs) {
    Channels channels = tensor(input.tensor).view;
    channels.count = round_up(input.channels, kChannelBlock);
    channels.enlarge = input.enlarge;
    task.inputs[task.input_count++] = channels;
    task.input_channels += channels.count;
  }
  task.weights = step.weights.data();
  task.output = output.view;
  task.output.count = round_up(step.outputs, kChannelBlock);
  task.epilogue.bias = step.bias.data();
  task.epilogue.slope = step.slope.data();
  task.epilogue.activation = step.activation;
  for (const StepResidual& residual : step.residuals) {
    task.epilogue.residuals[task.epilogue.residual_count++] = {tensor(residual.tensor).view, residual.scale};
  }
  return task;
}

void Network::run_step(const PackedStep& step, const PlanarView<const float>& image) {
  const auto scratch = [this](int thread) { return scratch_[static_cast<std::size_t>(thread)].data(); };
  const int threads = pool_.threads();
  if (step.inputs.empty()) {
    const ImageTask image_task{image, offset_.data(), factor_.data(), task(step)};
    pool_.run(image.height, chunk_of(image.height, threads, 1), [&](index_t first, index_t count, int thread) {
      kernels_.image(image_task, first, count, scratch(thread));
    });
    return;
  }
  const ConvTask conv = task(step);
  if (step.side == 1) {
    pool_.run(conv.height, chunk_of(conv.height, threads, 1), [&](index_t first, index_t count, int thread) {
      kernels_.pointwise(conv, first, count, scratch(thread));
    });
    return;
  }
  const index_t tiles = round_up(conv.height, kTile) / kTile * (round_up(conv.width, kTile) / kTile);
  pool_.run(tiles, chunk_of(tiles, threads, 24), [&](index_t first, index_t count, int thread) {
    kernels_.winograd(conv, first, count, scratch(thread));
  });
}

void Network::store_planes(const Tensor& tensor, index_t planes, float* out) {
  const index_t height = height_ * tensor.scale;
  const index_t width = width_ * tensor.scale;
  pool_.run(height, chunk_of(height, pool_.threads(), 1), [&](index_t first, index_t count, int) {
    for (index_t y = first; y < first + count; ++y) {
      for (index_t p = 0; p < planes; ++p) {
        const float* from = tensor.view.at(y, 0) + p;
        float* to = out + (p * height + y) * width;
        for (index_t x = 0; x < width; ++x) to[x] = from[x * tensor.channels];
      }
    }
  });
}

void Network::run(const float* in, index_t count, index_t height, index_t width, float* out) {
  if (steps_.empty()) throw std::invalid_argument("the network has no steps");
  const std::lock_guard<std::mutex> lock(mutex_);
  prepare(height, width);
  const Tensor& last = tensor(steps_.back().output);
  const index_t result = output_channels() * height * width * last.scale * last.scale;
  for (index_t i = 0; i < count; ++i) {
    const PlanarView<const float> image{in + i * planes_ * height * width, width, height, planes_};
    for (const PackedStep& step : steps_) run_step(step, image);
    store_planes(last, output_channels(), out + i * result);
  }
}

}  // namespace tilewright::conv
