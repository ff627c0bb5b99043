#include "bindings/cuda/views.h"

#include <limits>

#include "bindings/arguments.h"
#include "bindings/arrays.h"

namespace tilewright::bindings {
namespace {

// Throws ValueError unless all lengths are positive and an array of them can be.
index_t bytes_of(const std::vector<index_t>& shape, index_t itemsize) {
  constexpr index_t kMost = std::numeric_limits<std::int32_t>::max();
  index_t bytes = itemsize;
  for (const index_t length : shape) {
    if (length < 1 || length > kMost || bytes > std::numeric_limits<index_t>::max() / length) {
      throw py::value_error("shape must have lengths of 1 to 2^31-1 and be of less than 2^63 bytes, not " +
                            shape_text(shape));
    }
    bytes *= length;
  }
  return bytes;
}

void check_place(index_t offset, index_t itemsize, index_t nbytes, index_t size) {
  check_range(offset, nbytes, size);
  if (offset % itemsize != 0) {
    throw py::value_error("offset must be a multiple of " + std::to_string(itemsize) + ", not " +
                          std::to_string(offset));
  }
}

}  // namespace

void check_range(index_t offset, index_t nbytes, index_t size) {
  if (offset < 0 || nbytes > size || offset > size - nbytes) {
    throw py::value_error(std::to_string(nbytes) + " bytes from " + std::to_string(offset) +
                          " on are not in a buffer of " + std::to_string(size));
  }
}

void check_device(const char* name, int device, const cuda::Stream& stream) {
  if (device != stream.device()) {
    throw py::value_error(std::string(name) + " is on device " + std::to_string(device) + ", the stream on device " +
                          std::to_string(stream.device()));
  }
}

DeviceImage::DeviceImage(Buffer buffer, std::array<index_t, 3> shape, const py::object& dtype, index_t offset)
    : buffer_(std::move(buffer)), shape_(shape), offset_(offset) {
  const py::dtype samples = py::dtype::from_args(dtype);
  const std::string code = element_code(samples);
  if (code != "u1" && code != "u2") throw_dtype("dtype", "uint8 or uint16", samples);
  sample_bytes_ = samples.itemsize();
  check_place(offset, sample_bytes_, bytes_of({shape.begin(), shape.end()}, sample_bytes_), buffer_->nbytes());
}

DeviceTensor::DeviceTensor(Buffer buffer, std::array<index_t, 4> shape, const py::object& dtype,
                           const std::string& layout, std::optional<index_t> channels, index_t offset)
    : buffer_(std::move(buffer)), shape_(shape), channels_(0), offset_(offset) {
  const py::dtype elements = py::dtype::from_args(dtype);
  const std::string code = element_code(elements);
  if (code != "f4" && code != "f2") throw_dtype("dtype", "float32 or float16", elements);
  element_bytes_ = elements.itemsize();
  if (layout == "NHWC") {
    channels_ = channels.value_or(shape[1]);
    if (channels_ < shape[1]) {
      throw py::value_error("channels must be at least the planes, " + std::to_string(shape[1]) + ", not " +
                            std::to_string(channels_));
    }
  } else if (layout != "NCHW") {
    throw py::value_error("layout must be 'NCHW' or 'NHWC', not '" + layout + "'");
  } else if (channels && *channels != shape[1]) {
    throw py::value_error("channels are more than the planes with layout 'NHWC' only");
  }
  // Checked first, for the default of `channels` comes from it.
  bytes_of({shape.begin(), shape.end()}, element_bytes_);
  const std::array<index_t, 4> stored = stored_shape();
  check_place(offset, element_bytes_, bytes_of({stored.begin(), stored.end()}, element_bytes_), buffer_->nbytes());
}

std::array<index_t, 4> DeviceTensor::stored_shape() const {
  return is_planar() ? shape_ : std::array<index_t, 4>{shape_[0], shape_[2], shape_[3], channels_};
}

DeviceTensor DeviceTensor::tiles(index_t begin, index_t end) const {
  DeviceTensor part = *this;
  part.shape_[0] = end - begin;
  part.offset_ += begin * tile_elements() * element_bytes_;
  return part;
}

void DeviceTensor::check_tile(const char* name, const std::vector<index_t>& shape) const {
  std::vector<index_t> expected = shape;
  expected.insert(expected.begin(), 1);
  const std::vector<index_t> found(shape_.begin(), shape_.end());
  if (found == expected) return;
  throw py::value_error(std::string(name) + " must be of shape " + shape_text(expected) + ", not " + shape_text(found));
}

cuda::Steps DeviceTensor::steps() const {
  if (is_planar()) return {shape_[2] * shape_[3], shape_[3], 1};
  return {1, shape_[3] * channels_, channels_};
}

}  // namespace tilewright::bindings
