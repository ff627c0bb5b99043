#include "conv/network.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace tilewright::conv {
namespace {

// Pixels of a band: enough that threads have work at every step, few enough that a band's rows stay
// in the last-level cache from one step to the next.
constexpr index_t kBandPixels = 16 * 1024;

// Tiles that a thread takes at a time.
constexpr index_t kTileChunk = 12;

index_t round_up(index_t value, index_t unit) { return (value + unit - 1) / unit * unit; }

index_t band_rows(index_t width) { return round_up(std::max<index_t>(1, kBandPixels / width), kTile); }

AlignedFloats padded(const std::vector<float>& values, index_t count) {
  AlignedFloats copy(count);
  std::fill_n(copy.data(), count, 0.0F);
  std::copy(values.begin(), values.end(), copy.data());
  return copy;
}

index_t row_pixels(index_t width) { return kBorderBefore + width + kBorderAfter; }

}  // namespace

Network::Network(index_t planes, int threads, Isa isa)
    : planes_(planes), kernels_(kernels(isa)), pool_(std::max(1, threads)) {
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

const Network::PackedStep& Network::step(int number) const {
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

int Network::add_step(const Step& added) {
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
  PackedStep packed{};
  packed.inputs = added.inputs;
  packed.residuals = added.residuals;
  packed.outputs = weights.outputs;
  packed.channels = round_up(weights.outputs, kChannelBlock);
  packed.scale = scale_of(added);
  packed.side = weights.side;
  packed.activation = added.activation;
  const std::lock_guard<std::mutex> lock(mutex_);
  packed.weights = packed.is_direct()
                       ? pack_direct(weights, places, depth * weights.side * weights.side, kernels_.out_block)
                       : pack_winograd(weights, places, depth, kernels_.out_block);
  packed.bias = padded(added.bias, packed.channels);
  packed.slope = padded(added.slope, packed.channels);
  steps_.push_back(std::move(packed));
  height_ = width_ = 0;  // so that prepare() plans the new step too
  return static_cast<int>(steps_.size()) - 1;
}

index_t Network::output_channels() const { return steps_.empty() ? 0 : steps_.back().outputs; }

index_t Network::output_scale() const { return steps_.empty() ? 1 : steps_.back().scale; }

std::vector<StepShape> Network::shapes() const {
  std::vector<StepShape> shapes;
  for (const PackedStep& step : steps_) {
    StepShape shape{step.scale, step.is_direct() ? 1 : kTile, step.side == 3 ? 1 : 0, {}, {}};
    for (const Input& input : step.inputs) shape.inputs.push_back({input.step, input.enlarge ? 1 : 0});
    if (step.reads_image()) shape.inputs.push_back({-1, 0});
    for (const StepResidual& residual : step.residuals) shape.residuals.push_back(residual.step);
    shapes.push_back(shape);
  }
  return shapes;
}

index_t Network::Plan::floats(index_t planes, index_t width) const {
  index_t sum = capacities.input * planes * width;
  for (const index_t slot : placement.floats) sum += slot;
  return sum;
}

Network::Plan Network::plan(index_t height, index_t width, index_t band) const {
  Plan plan{band, Schedule::capacities(shapes(), height, band), {}};
  std::vector<Placed> tensors;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const PackedStep& step = steps_[i];
    Placed tensor{plan.capacities.steps[i] * row_pixels(width * step.scale) * step.channels, {}, {}};
    for (const Input& input : step.inputs) tensor.inputs.push_back(input.step);
    for (const StepResidual& residual : step.residuals) tensor.residuals.push_back(residual.step);
    tensors.push_back(tensor);
  }
  plan.placement = band >= height ? share_memory(tensors) : separate_memory(tensors);
  return plan;
}

Network::Plan Network::best_plan(index_t height, index_t width) const {
  Plan whole = plan(height, width, height);
  const index_t rows = band_rows(width);
  if (rows >= height) return whole;
  Plan bands = plan(height, width, rows);
  return bands.floats(planes_, width) < whole.floats(planes_, width) ? bands : whole;
}

index_t Network::tensor_bytes(index_t height, index_t width) const {
  return best_plan(height, width).floats(planes_, width) * static_cast<index_t>(sizeof(float));
}

void Network::prepare(index_t height, index_t width) {
  if (height == height_ && width == width_) return;
  height_ = width_ = 0;  // stays so if memory runs out
  const Plan plan = best_plan(height, width);
  image_memory_.reserve(plan.capacities.input * planes_ * width);
  image_ = {image_memory_.data(), height, width, planes_, plan.capacities.input};
  index_t longest = 0;
  for (const PackedStep& step : steps_) {
    longest = std::max(longest, row_pixels(width * step.scale) * step.channels);
  }
  zeros_.reserve(longest);
  std::fill_n(zeros_.data(), longest, 0.0F);
  slots_.resize(std::max(slots_.size(), plan.placement.floats.size()));
  for (std::size_t i = 0; i < plan.placement.floats.size(); ++i) slots_[i].reserve(plan.placement.floats[i]);
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    PackedStep& step = steps_[i];
    const index_t before = kBorderBefore * step.channels;
    Rows& rows = step.rows;
    rows.data = slots_[plan.placement.slots[i]].data() + before;
    rows.zeros = zeros_.data() + before;
    rows.height = height * step.scale;
    rows.capacity = plan.capacities.steps[i];
    rows.row_stride = row_pixels(width * step.scale) * step.channels;
    rows.pixel_stride = rows.channels = step.channels;
  }
  for (const PackedStep& step : steps_) {
    const ConvTask conv = task(step);
    const index_t depth = step.reads_image() ? planes_ * 9 : conv.input_channels;
    const index_t floats = step.is_direct() ? kernels_.pixel_scratch(depth) : kernels_.winograd_scratch(conv);
    for (AlignedFloats& scratch : scratch_) scratch.reserve(floats);
  }
  height_ = height;
  width_ = width;
  band_ = plan.band;
}

// Zeros what kernels read to the left and right of rows.
void Network::clear_borders(const PackedStep& step, RowRange rows) const {
  const index_t columns = width_ * step.scale;
  for (index_t y = rows.begin; y < rows.end; ++y) {
    float* row = step.rows.writable_row(y);
    std::fill_n(row - kBorderBefore * step.channels, kBorderBefore * step.channels, 0.0F);
    std::fill_n(row + columns * step.channels, kBorderAfter * step.channels, 0.0F);
  }
}

ConvTask Network::task(const PackedStep& packed) const {
  ConvTask task;
  task.height = height_ * packed.scale;
  task.width = width_ * packed.scale;
  for (const Input& input : packed.inputs) {
    Rows rows = step(input.step).rows;
    rows.enlarge = input.enlarge ? 1 : 0;
    task.inputs[task.input_count++] = rows;
    task.input_channels += rows.channels;
  }
  task.weights = packed.weights.data();
  task.output = packed.rows;
  task.epilogue.bias = packed.bias.data();
  task.epilogue.slope = packed.slope.data();
  task.epilogue.activation = packed.activation;
  for (const StepResidual& residual : packed.residuals) {
    task.epilogue.residuals[task.epilogue.residual_count++] = {step(residual.step).rows, residual.scale};
  }
  return task;
}

void Network::run_rows(const PackedStep& step, RowRange rows) {
  const auto scratch = [this](int thread) { return scratch_[static_cast<std::size_t>(thread)].data(); };
  const index_t count = rows.end - rows.begin;
  const ConvTask conv = task(step);
  clear_borders(step, rows);
  if (step.reads_image()) {
    const ImageTask image_task{image_, offset_.data(), factor_.data(), conv};
    pool_.run(count, 1, [&](index_t first, index_t size, int thread) {
      kernels_.image(image_task, rows.begin + first, size, scratch(thread));
    });
  } else if (step.is_direct()) {
    pool_.run(count, 1, [&](index_t first, index_t size, int thread) {
      kernels_.pointwise(conv, rows.begin + first, size, scratch(thread));
    });
  } else {
    const index_t across = round_up(conv.width, kTile) / kTile;
    const index_t begin = rows.begin / kTile * across;
    const index_t end = round_up(rows.end, kTile) / kTile * across;
    pool_.run(end - begin, kTileChunk, [&](index_t first, index_t size, int thread) {
      kernels_.winograd(conv, begin + first, size, scratch(thread));
    });
  }
}

void Network::take_rows(const PlanarView<const float>& image, index_t begin, index_t end) {
  float* data = image_memory_.data();
  for (index_t y = begin; y < end; ++y) {
    for (index_t p = 0; p < planes_; ++p) {
      std::copy_n(image.row(p, y), width_, data + (y % image_.capacity * planes_ + p) * width_);
    }
  }
}

void Network::store_rows(RowRange rows, float* out) {
  const PackedStep& last = steps_.back();
  const index_t height = height_ * last.scale;
  const index_t width = width_ * last.scale;
  pool_.run(rows.end - rows.begin, 1, [&](index_t first, index_t count, int) {
    for (index_t y = rows.begin + first; y < rows.begin + first + count; ++y) {
      const float* from = last.rows.row(y);
      for (index_t p = 0; p < last.outputs; ++p) {
        float* to = out + (p * height + y) * width;
        for (index_t x = 0; x < width; ++x) to[x] = from[x * last.channels + p];
      }
    }
  });
}

void Network::run_picture(const PlanarView<const float>& image, float* out) {
  Schedule schedule(shapes(), height_, band_);
  while (!schedule.is_done()) {
    const index_t before = schedule.input_rows();
    const std::vector<RowRange> ranges = schedule.advance();
    take_rows(image, before, schedule.input_rows());
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      if (ranges[i].begin < ranges[i].end) run_rows(steps_[i], ranges[i]);
    }
    if (ranges.back().begin < ranges.back().end) store_rows(ranges.back(), out);
  }
}

void Network::run(const float* in, index_t count, index_t height, index_t width, float* out) {
  if (steps_.empty()) throw std::invalid_argument("the network has no steps");
  const std::lock_guard<std::mutex> lock(mutex_);
  prepare(height, width);
  const index_t result = output_channels() * height * width * output_scale() * output_scale();
  for (index_t i = 0; i < count; ++i) {
    run_picture({in + i * planes_ * height * width, width, height, planes_}, out + i * result);
  }
}

}  // namespace tilewright::conv
