#include "conv/stream.h"

#include <algorithm>
#include <stdexcept>

namespace tilewright::conv {
namespace {

// Pixels of a band: enough that threads have work at every step, few enough that a band's rows stay
// in the last-level cache from one step to the next.
constexpr index_t kBandPixels = index_t{16} * 1024;

// Tiles, and rows of a rescale, that a thread takes at a time.
constexpr index_t kTileChunk = 12;
constexpr index_t kRowChunk = 4;

// Pixels whose channels are stored as planes at a time: they stay in the first-level cache.
constexpr index_t kStorePixels = 32;

index_t row_pixels(index_t width) { return kBorderBefore + width + kBorderAfter; }

// What is left to do after the last step: a rescale, or a copy into the caller's memory.
StepShape store_shape(const Network& network) {
  const int last = static_cast<int>(network.steps().size()) - 1;
  const std::optional<Rescale>& rescale = network.rescale();
  if (!rescale) return {network.output_scale(), 1, 0, {last}, {}};
  StepShape shape{rescale->to, rescale->to, rescale->reach() * rescale->to, {last}, {}};
  if (rescale->adds_image) shape.inputs.push_back(-1);
  return shape;
}

// The steps, and what follows them.
std::vector<StepShape> step_shapes(const Network& network) {
  std::vector<StepShape> shapes;
  for (const PackedStep& step : network.steps()) {
    StepShape shape{step.scale, step.is_direct() ? 1 : kTile, step.side == 3 ? 1 : 0, {}, {}};
    for (const Input& input : step.inputs) shape.inputs.push_back(input.step);
    if (step.reads_image()) shape.inputs.push_back(-1);
    for (const StepResidual& residual : step.residuals) shape.residuals.push_back(residual.step);
    shapes.push_back(shape);
  }
  shapes.push_back(store_shape(network));
  return shapes;
}

// How pictures of one size are processed.
struct Plan {
  index_t band;
  Schedule::Capacities capacities;
  Placement placement;
  index_t floats;  // in all tensors
};

Plan plan_with_band(const Network& network, index_t height, index_t width, index_t band) {
  Plan plan{band, Schedule::capacities(step_shapes(network), height, band), {}, 0};
  std::vector<Placed> tensors;
  for (std::size_t i = 0; i < network.steps().size(); ++i) {
    const PackedStep& step = network.steps()[i];
    Placed tensor{plan.capacities.steps[i] * row_pixels(width * step.scale) * step.channels, {}, {}};
    for (const Input& input : step.inputs) tensor.inputs.push_back(input.step);
    for (const StepResidual& residual : step.residuals) tensor.residuals.push_back(residual.step);
    tensors.push_back(tensor);
  }
  plan.placement = band >= height ? share_memory(tensors) : separate_memory(tensors);
  plan.floats = plan.capacities.input * network.planes() * width;
  for (const index_t slot : plan.placement.floats) plan.floats += slot;
  return plan;
}

Plan best_plan(const Network& network, index_t height, index_t width) {
  Plan whole = plan_with_band(network, height, width, height);
  const index_t band = round_up(std::max<index_t>(1, kBandPixels / width), kTile);
  if (band >= height) return whole;
  Plan bands = plan_with_band(network, height, width, band);
  return bands.floats < whole.floats ? bands : whole;
}

}  // namespace

index_t Stream::tensor_bytes(const Network& network, index_t height, index_t width) {
  return best_plan(network, height, width).floats * static_cast<index_t>(sizeof(float));
}

index_t Stream::band_of(const Network& network, index_t height, index_t width) {
  return best_plan(network, height, width).band;
}

void Stream::start(index_t height, index_t width) {
  if (network_.steps().empty()) throw std::invalid_argument("the network has no steps");
  if (height < 1 || width < 1) throw std::invalid_argument("height and width must be at least 1");
  if (height != height_ || width != width_) place_tensors(height, width);
  schedule_ = Schedule(step_shapes(network_), height, band_);
}

void Stream::place_tensors(index_t height, index_t width) {
  height_ = width_ = 0;  // stays so if memory runs out
  schedule_ = Schedule();
  tensors_.clear();
  const Plan plan = best_plan(network_, height, width);
  const std::vector<PackedStep>& steps = network_.steps();
  image_memory_.reserve(plan.capacities.input * network_.planes() * width);
  image_ = {image_memory_.data(), height, width, network_.planes(), plan.capacities.input};
  index_t longest = 0;
  for (const PackedStep& step : steps) longest = std::max(longest, row_pixels(width * step.scale) * step.channels);
  zeros_.reserve(longest);
  std::fill_n(zeros_.data(), longest, 0.0F);
  slots_.resize(std::max(slots_.size(), plan.placement.floats.size()));
  for (std::size_t i = 0; i < plan.placement.floats.size(); ++i) slots_[i].reserve(plan.placement.floats[i]);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const index_t channels = steps[i].channels;
    const index_t before = kBorderBefore * channels;
    Rows rows;
    rows.data = slots_[plan.placement.slots[i]].data() + before;
    rows.zeros = zeros_.data() + before;
    rows.height = height * steps[i].scale;
    rows.capacity = plan.capacities.steps[i];
    rows.row_stride = row_pixels(width * steps[i].scale) * channels;
    rows.pixel_stride = rows.channels = channels;
    tensors_.push_back(rows);
  }
  height_ = height;
  width_ = width;
  band_ = plan.band;
  rounds_ = plan.capacities.rounds;
}

index_t Stream::wanted() const { return std::min(band_, height_ - schedule_.input_rows()); }

bool Stream::advance(PlaneBand<const float> in, PlaneBand<float> out) {
  const std::lock_guard<std::mutex> lock(network_.workers().mutex);
  const index_t before = schedule_.input_rows();
  const std::vector<RowRange> ranges = schedule_.advance();
  take_rows(in, {before, schedule_.input_rows()});
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    if (ranges[i].begin < ranges[i].end) run_rows(i, ranges[i]);
  }
  const RowRange result = ranges.back();
  if (result.begin < result.end) {
    if (const std::optional<Rescale>& rescale = network_.rescale()) {
      rescale_rows(*rescale, result, out);
    } else {
      store_rows(result, out);
    }
  }
  const index_t band = band_ * network_.output_scale();
  return result.begin < result.end && (result.end % band == 0 || schedule_.is_done());
}

// Zeros what kernels read to the left and right of rows. Other tensors may have been there before.
void Stream::clear_borders(std::size_t number, RowRange rows) const {
  const index_t channels = tensors_[number].channels;
  const index_t columns = width_ * network_.steps()[number].scale;
  for (index_t y = rows.begin; y < rows.end; ++y) {
    float* row = tensors_[number].writable_row(y);
    std::fill_n(row - kBorderBefore * channels, kBorderBefore * channels, 0.0F);
    std::fill_n(row + columns * channels, kBorderAfter * channels, 0.0F);
  }
}

void Stream::take_rows(PlaneBand<const float> in, RowRange rows) {
  for (index_t y = rows.begin; y < rows.end; ++y) {
    for (index_t p = 0; p < image_.planes; ++p) {
      std::copy_n(in.plane(p) + (y - rows.begin) * width_, width_, image_.writable_row(p, y));
    }
  }
}

ConvTask Stream::task(std::size_t number) const {
  const PackedStep& step = network_.steps()[number];
  ConvTask task;
  task.height = height_ * step.scale;
  task.width = width_ * step.scale;
  for (const Input& input : step.inputs) {
    Rows rows = tensors_[static_cast<std::size_t>(input.step)];
    rows.enlarge = input.enlarge ? 1 : 0;
    task.inputs[task.input_count++] = rows;
  }
  task.input_channels = step.depth;
  task.weights = step.weights.data();
  task.output = tensors_[number];
  task.epilogue.bias = step.bias.data();
  task.epilogue.slope = step.slope.data();
  task.epilogue.activation = step.activation;
  for (const StepResidual& residual : step.residuals) {
    const Rows& rows = tensors_[static_cast<std::size_t>(residual.step)];
    task.epilogue.residuals[task.epilogue.residual_count++] = {rows, residual.scale};
  }
  return task;
}

void Stream::reserve_scratch(index_t floats) {
  for (AlignedFloats& each : network_.workers().scratch) each.reserve(floats);
}

float* Stream::scratch(int thread) { return network_.workers().scratch[static_cast<std::size_t>(thread)].data(); }

void Stream::run_rows(std::size_t number, RowRange rows) {
  const PackedStep& step = network_.steps()[number];
  const Kernels& kernels = network_.kernels();
  Network::Workers& workers = network_.workers();
  const ConvTask conv = task(number);
  const index_t floats = step.is_direct() ? kernels.pixel_scratch(step.depth) : kernels.winograd_scratch(conv);
  reserve_scratch(floats);
  clear_borders(number, rows);
  if (step.reads_image()) {
    const ImageTask image_task{image_, network_.offset().data(), network_.factor().data(), conv};
    workers.pool.run(rows.end - rows.begin, 1, [&](index_t first, index_t count, int thread) {
      kernels.image(image_task, rows.begin + first, count, scratch(thread));
    });
  } else if (step.is_direct()) {
    workers.pool.run(rows.end - rows.begin, 1, [&](index_t first, index_t count, int thread) {
      kernels.pointwise(conv, rows.begin + first, count, scratch(thread));
    });
  } else {
    const index_t across = round_up(conv.width, kTile) / kTile;
    const index_t begin = rows.begin / kTile * across;
    const index_t end = round_up(rows.end, kTile) / kTile * across;
    workers.pool.run(end - begin, kTileChunk, [&](index_t first, index_t count, int thread) {
      kernels.winograd(conv, begin + first, count, scratch(thread));
    });
  }
}

void Stream::store_rows(RowRange rows, PlaneBand<float> out) {
  const Rows& last = tensors_.back();
  const index_t planes = network_.output_channels();
  const index_t width = width_ * network_.output_scale();
  const index_t band = band_ * network_.output_scale();
  network_.workers().pool.run(rows.end - rows.begin, 1, [&](index_t first, index_t count, int) {
    for (index_t y = rows.begin + first; y < rows.begin + first + count; ++y) {
      const float* from = last.row(y);
      for (index_t begin = 0; begin < width; begin += kStorePixels) {
        const index_t end = std::min(begin + kStorePixels, width);
        for (index_t p = 0; p < planes; ++p) {
          float* to = out.plane(p) + y % band * width;
          for (index_t x = begin; x < end; ++x) to[x] = from[x * last.pixel_stride + p];
        }
      }
    }
  });
}

void Stream::rescale_rows(const Rescale& rescale, RowRange rows, PlaneBand<float> out) {
  const index_t planes = network_.output_channels();
  const RescaleTask task{&rescale, height_, width_, planes, tensors_.back(), image_, out, band_ * rescale.to};
  Network::Workers& workers = network_.workers();
  reserve_scratch(network_.kernels().rescale_scratch(task));
  const index_t first = rows.begin / rescale.to;
  workers.pool.run(rows.end / rescale.to - first, kRowChunk, [&](index_t begin, index_t count, int thread) {
    network_.kernels().rescale(task, first + begin, count, scratch(thread));
  });
}

void run(Stream& stream, const float* in, index_t count, index_t height, index_t width, float* out) {
  const Network& network = stream.network();
  const index_t scale = network.output_scale();
  const index_t in_plane = height * width;
  const index_t out_plane = in_plane * scale * scale;
  for (index_t i = 0; i < count; ++i) {
    stream.start(height, width);
    const float* from = in + i * network.planes() * in_plane;
    float* to = out + i * network.output_channels() * out_plane;
    while (!stream.is_done()) {
      const index_t rows = stream.wanted();
      if (stream.advance({from, in_plane}, {to, out_plane})) to += stream.band() * width * scale * scale;
      from += rows * width;
    }
  }
}

}  // namespace tilewright::conv
