// Kernels of the PNG filter for one instruction set. filter.cc includes this once per instruction
// set, after it has defined TILEWRIGHT_NAMESPACE and TILEWRIGHT_TARGET, the attribute of the
// kernels.

namespace tilewright {
namespace {
namespace TILEWRIGHT_NAMESPACE {

template <class Sample>
TILEWRIGHT_TARGET void to_bytes(const Sample* samples, index_t count, Byte* bytes) {
  body::to_bytes(samples, count, bytes);
}

template <class Sample>
TILEWRIGHT_TARGET void join_grey_alpha(const Sample* pixels, const Sample* alpha, index_t width, Byte* bytes) {
  body::join_alpha<1>(pixels, alpha, width, bytes);
}

template <class Sample>
TILEWRIGHT_TARGET void join_rgb_alpha(const Sample* pixels, const Sample* alpha, index_t width, Byte* bytes) {
  body::join_alpha<3>(pixels, alpha, width, bytes);
}

TILEWRIGHT_TARGET void filter_row(const FilterInput& input, index_t count, Byte middle, Byte* filtered) {
  body::filter_row(input, count, middle, filtered);
}

template <class Sample>
constexpr FilterKernels<Sample> kFilterKernels{to_bytes, join_grey_alpha, join_rgb_alpha, filter_row};

}  // namespace TILEWRIGHT_NAMESPACE
}  // namespace
}  // namespace tilewright
