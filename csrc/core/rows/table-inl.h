// The table of one instruction set's row kernels. Its source file includes this last, after it has
// defined TILEWRIGHT_NAMESPACE and, in that namespace, the functions below.

namespace tilewright::TILEWRIGHT_NAMESPACE {
namespace {

template <class Sample>
constexpr LoadKernels<Sample> kLoadKernels{load_rgb, load_channel};

template <class Element, class Sample>
constexpr StoreKernels<Element, Sample> kStoreKernels{store_rgb, store_channel, store_mean, store_shuffled};

}  // namespace

constinit const RowKernels kRowKernels{
    .load_u8 = kLoadKernels<std::uint8_t>,
    .load_u16 = kLoadKernels<std::uint16_t>,
    .store_float_u8 = kStoreKernels<float, std::uint8_t>,
    .store_float_u16 = kStoreKernels<float, std::uint16_t>,
    .store_half_u8 = kStoreKernels<Half, std::uint8_t>,
    .store_half_u16 = kStoreKernels<Half, std::uint16_t>,
    .floats = {to_floats, to_floats, fade_columns, fade_row, shuffle_rows, shuffle_rows},
};

}  // namespace tilewright::TILEWRIGHT_NAMESPACE
