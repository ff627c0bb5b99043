#include "bindings/cuda/device_arrays.h"

#include <limits>

#include "bindings/arguments.h"
#include "bindings/arrays.h"

namespace tilewright::bindings {
namespace {

// Returns the size of an array in bytes. Throws ValueError if a length is not positive or the size
// is not supported.
index_t checked_nbytes(const std::vector<index_t>& shape, index_t itemsize) {
  constexpr index_t kMaxLength = std::numeric_limits<std::int32_t>::max();
  index_t bytes = itemsize;
  for (const index_t length : shape) {
    if (length < 1 || length > kMaxLength || bytes > std::numeric_limits<index_t>::max() / length) {
      throw py::value_error("shape must have lengths of 1 to 2^31-1 and less than 2^63 bytes in total, not " +
                            shape_text(shape));
    }
    bytes *= length;
  }
  return bytes;
}

void check_aligned_range(index_t offset, index_t itemsize, index_t nbytes, index_t size) {
  check_range(offset, nbytes, size);
  if (offset % itemsize != 0) {
    throw py::value_error("offset must be a multiple of " + std::to_string(itemsize) + ", not " +
                          std::to_string(offset));
  }
}

}  // namespace

void check_range(index_t offset, index_t nbytes, index_t size) {
  if (offset < 0 || nbytes > size || offset > size - nbytes) {
    throw py::value_error(std::to_string(nbytes) + " bytes at offset " + std::to_string(offset) +
                          " are not within a buffer of " + std::to_string(size) + " bytes");
  }
}

void check_device(const char* name, int device, const cuda::Stream& stream) {
  if (device != stream.device()) {
    throw py::value_error(std::string(name) + " is on device " + std::to_string(device) +
                          ", but the stream is on device " + std::to_string(stream.device()));
  }
}

DeviceImage::DeviceImage(Buffer buffer, std::array<index_t, 3> shape, const py::object& dtype, index_t offset)
    : buffer_(std::move(buffer)), shape_(shape), offset_(offset) {
  const py::dtype samples = py::dtype::from_args(dtype);
  const std::string code = element_code(samples);
  if (code != "u1" && code != "u2") throw_dtype("dtype", "uint8 or uint16", samples);
  sample_bytes_ = samples.itemsize();
  const index_t nbytes = checked_nbytes({shape.begin(), shape.end()}, sample_bytes_);
  check_aligned_range(offset, sample_bytes_, nbytes, buffer_->nbytes());
}

DeviceTensor::DeviceTensor(Buffer buffer, std::array<index_t, 4> shape, const py::object& dtype,
                           const std::string& layout, index_t offset)
    : buffer_(std::move(buffer)), shape_(shape), is_planar_(layout == "NCHW"), offset_(offset) {
  const py::dtype elements = py::dtype::from_args(dtype);
  const std::string code = element_code(elements);
  if (code != "f4" && code != "f2") throw_dtype("dtype", "float32 or float16", elements);
  if (layout != "NCHW" && layout != "NHWC") {
    throw py::value_error("layout must be 'NCHW' or 'NHWC', not '" + layout + "'");
  }
  element_bytes_ = elements.itemsize();
  const index_t nbytes = checked_nbytes({shape.begin(), shape.end()}, element_bytes_);
  check_aligned_range(offset, element_bytes_, nbytes, buffer_->nbytes());
}

std::array<index_t, 4> DeviceTensor::stored_shape() const {
  return is_planar_ ? shape_ : std::array<index_t, 4>{shape_[0], shape_[2], shape_[3], shape_[1]};
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
  const std::vector<index_t> actual(shape_.begin(), shape_.end());
  if (actual == expected) return;
  throw py::value_error(std::string(name) + " must have shape " + shape_text(expected) + ", not " + shape_text(actual));
}

cuda::TensorStrides DeviceTensor::strides() const {
  if (is_planar_) return {tile_elements(), shape_[2] * shape_[3], shape_[3], 1};
  return {tile_elements(), 1, shape_[3] * shape_[1], shape_[1]};
}

}  // namespace tilewright::bindings
