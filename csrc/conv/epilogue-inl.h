// Bias, activation and residuals of a result, and its place in the output. Part of kernels-inl.h.
#pragma once

#include "conv/vector-inl.h"

namespace tilewright::conv::TILEWRIGHT_NAMESPACE {
namespace {

// A row of the output, and the rows of the residuals next to it.
struct OutputRow {
  float* output;
  const float* residuals[Epilogue::kMaxResiduals];
};

TILEWRIGHT_INLINE OutputRow output_row(const ConvTask& task, index_t y) {
  OutputRow row{task.output.writable_row(y), {}};
  for (int i = 0; i < task.epilogue.residual_count; ++i) {
    row.residuals[i] = task.epilogue.residuals[i].rows.row(y);
  }
  return row;
}

// Completes and stores `value`, the result for kLanes channels from `channel` at pixel x of a row.
template <Activation kActivation>
TILEWRIGHT_INLINE void finish(const ConvTask& task, Vector value, const OutputRow& row, index_t x, index_t channel) {
  const Epilogue& epilogue = task.epilogue;
  value = value + load(epilogue.bias + channel);
  int next = 0;
  if constexpr (kActivation == Activation::kPrelu) {
    value = value > Vector{} ? value : value * load(epilogue.slope + channel);
  } else if constexpr (kActivation == Activation::kSilu) {
    value = value * sigmoid(value);
  } else if constexpr (kActivation == Activation::kAttention) {
    const Vector residual = load(row.residuals[0] + epilogue.residuals[0].rows.offset(x) + channel);
    value = (value + residual) * (sigmoid(value) - 0.5F);
    next = 1;
  }
  for (; next < epilogue.residual_count; ++next) {
    const Epilogue::Residual& residual = epilogue.residuals[next];
    value = fma(value, splat(residual.scale), load(row.residuals[next] + residual.rows.offset(x) + channel));
  }
  store(row.output + task.output.offset(x) + channel, value);
}

}  // namespace
}  // namespace tilewright::conv::TILEWRIGHT_NAMESPACE
