// Images and tensors in a device buffer, as Python passes them. Constructors check their arguments.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <array>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "core/types.h"
#include "cuda/buffer.h"
#include "cuda/views.h"

namespace tilewright::bindings {

namespace py = pybind11;

using Buffer = std::shared_ptr<cuda::DeviceBuffer>;

// Throws ValueError unless [offset, offset + nbytes) lies within a buffer of `size` bytes.
void check_range(index_t offset, index_t nbytes, index_t size);

// Throws ValueError unless `device` is the stream's device.
void check_device(const char* name, int device, const cuda::Stream& stream);

// Interleaved samples [height, width, channels] without row padding.
class DeviceImage {
 public:
  // Throws TypeError for a dtype other than uint8 and uint16, and ValueError if the shape does not
  // fit the buffer.
  DeviceImage(Buffer buffer, std::array<index_t, 3> shape, const py::object& dtype, index_t offset);

  std::byte* data() const { return buffer_->data() + offset_; }
  index_t nbytes() const { return shape_[0] * shape_[1] * shape_[2] * sample_bytes_; }
  const std::array<index_t, 3>& shape() const { return shape_; }
  int device() const { return buffer_->device(); }

  // Calls `function` with a DeviceImageView of std::uint8_t or std::uint16_t.
  template <class Function>
  void with_view(Function&& function) const {
    const auto view = [this](auto* data) {
      return cuda::DeviceImageView<std::remove_pointer_t<decltype(data)>>{
          data, static_cast<int>(shape_[1]), static_cast<int>(shape_[0]), static_cast<int>(shape_[2])};
    };
    if (sample_bytes_ == 1) {
      function(view(reinterpret_cast<std::uint8_t*>(data())));
    } else {
      function(view(reinterpret_cast<std::uint16_t*>(data())));
    }
  }

 private:
  Buffer buffer_;
  std::array<index_t, 3> shape_;
  index_t sample_bytes_;
  index_t offset_;
};

// A batch of tiles (n, planes, height, width), stored densely in layout NCHW or NHWC.
class DeviceTensor {
 public:
  // Throws TypeError for a dtype other than float32 and float16, and ValueError if the layout is
  // unknown or the shape does not fit the buffer.
  DeviceTensor(Buffer buffer, std::array<index_t, 4> shape, const py::object& dtype, const std::string& layout,
               index_t offset);

  std::byte* data() const { return buffer_->data() + offset_; }
  index_t nbytes() const { return shape_[0] * tile_elements() * element_bytes_; }
  const std::array<index_t, 4>& shape() const { return shape_; }
  std::array<index_t, 4> stored_shape() const;
  int device() const { return buffer_->device(); }

  // Returns tiles [begin, end). Precondition: 0 <= begin < end <= shape()[0].
  DeviceTensor tiles(index_t begin, index_t end) const;

  // Throws ValueError unless this is a single tile of the shape [planes, height, width].
  void check_tile(const char* name, const std::vector<index_t>& shape) const;

  cuda::AnyDeviceTensorView any_view() const { return {data(), element_bytes_ == 2, strides()}; }

  // Calls `function` with a DeviceTensorView of float or Half.
  template <class Function>
  void with_view(Function&& function) const {
    if (element_bytes_ == 4) {
      function(cuda::DeviceTensorView<float>{reinterpret_cast<float*>(data()), strides()});
    } else {
      function(cuda::DeviceTensorView<Half>{reinterpret_cast<Half*>(data()), strides()});
    }
  }

 private:
  index_t tile_elements() const { return shape_[1] * shape_[2] * shape_[3]; }
  cuda::TensorStrides strides() const;

  Buffer buffer_;
  std::array<index_t, 4> shape_;
  index_t element_bytes_;
  bool is_planar_;
  index_t offset_;
};

}  // namespace tilewright::bindings
