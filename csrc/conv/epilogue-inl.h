// Bias, activation and residuals of a result, and its place in the output. Part of kernels-inl.h.
namespace tilewright::conv::TILEWRIGHT_NAMESPACE {
namespace {

// Completes and stores `value`, the result for kLanes channels from `channel` at pixel (y, x).
template <Activation kActivation>
TILEWRIGHT_INLINE void finish(const ConvTask& task, Vector value, index_t y, index_t x, index_t channel) {
  const Epilogue& epilogue = task.epilogue;
  value = value + load(epilogue.bias + channel);
  int next = 0;
  if constexpr (kActivation == Activation::kPrelu) {
    value = value > Vector{} ? value : value * load(epilogue.slope + channel);
  } else if constexpr (kActivation == Activation::kSilu) {
    value = value * sigmoid(value);
  } else if constexpr (kActivation == Activation::kAttention) {
    const Vector residual = load(epilogue.residuals[next++].channels.at(y, x) + channel);
    value = (value + residual) * (sigmoid(value) - 0.5F);
  }
  for (; next < epilogue.residual_count; ++next) {
    const Epilogue::Residual& residual = epilogue.residuals[next];
    value = fma(value, splat(residual.scale), load(residual.channels.at(y, x) + channel));
  }
  store(const_cast<float*>(task.output.at(y, x)) + channel, value);
}

}  // namespace
}  // namespace tilewright::conv::TILEWRIGHT_NAMESPACE
