// Pictures and tensors in a buffer of a device, as Python says them: checked when they are made.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "core/types.h"
#include "cuda/buffer.h"
#include "cuda/gather.h"
#include "cuda/views.h"

namespace tilewright::bindings {

namespace py = pybind11;

using Buffer = std::shared_ptr<cuda::DeviceBuffer>;

// Throws ValueError unless [offset, offset + nbytes) lies in a buffer of `size` bytes.
void check_range(index_t offset, index_t nbytes, index_t size);

void check_device(const char* name, int device, const cuda::Stream& stream);

class DeviceImage {
 public:
  DeviceImage(Buffer buffer, std::array<index_t, 3> shape, const py::object& dtype, index_t offset);

  std::byte* data() const { return buffer_->data() + offset_; }
  index_t nbytes() const { return shape_[0] * shape_[1] * shape_[2] * sample_bytes_; }
  const std::array<index_t, 3>& shape() const { return shape_; }
  int device() const { return buffer_->device(); }

  // Calls `function` with the pixels: of std::uint8_t or std::uint16_t.
  template <class Function>
  void with_pixels(Function&& function) const {
    const auto pixels = [this](auto* data) {
      return cuda::Pixels<std::remove_pointer_t<decltype(data)>>{
          data, static_cast<int>(shape_[1]), static_cast<int>(shape_[0]), static_cast<int>(shape_[2])};
    };
    if (sample_bytes_ == 1) {
      function(pixels(reinterpret_cast<std::uint8_t*>(data())));
    } else {
      function(pixels(reinterpret_cast<std::uint16_t*>(data())));
    }
  }

 private:
  Buffer buffer_;
  std::array<index_t, 3> shape_;
  index_t sample_bytes_;
  index_t offset_;
};

class DeviceTensor {
 public:
  DeviceTensor(Buffer buffer, std::array<index_t, 4> shape, const py::object& dtype, const std::string& layout,
               std::optional<index_t> channels, index_t offset);

  std::byte* data() const { return buffer_->data() + offset_; }
  index_t nbytes() const { return shape_[0] * tile_elements() * element_bytes_; }
  const std::array<index_t, 4>& shape() const { return shape_; }
  std::array<index_t, 4> stored_shape() const;
  int device() const { return buffer_->device(); }

  DeviceTensor tiles(index_t begin, index_t end) const;

  // Throws ValueError unless this is one tile of [planes, height, width].
  void check_tile(const char* name, const std::vector<index_t>& shape) const;

  // The first tile.
  cuda::AnyTile tile() const { return {data(), element_bytes_ == 2, steps()}; }

  // Calls `function` with all tiles: of float or Half.
  template <class Function>
  void with_batch(Function&& function) const {
    const auto batch = [this](auto* data) {
      using Element = std::remove_pointer_t<decltype(data)>;
      return cuda::Batch<Element>{{data, steps()}, tile_elements(), static_cast<int>(channels_)};
    };
    if (element_bytes_ == 4) {
      function(batch(reinterpret_cast<float*>(data())));
    } else {
      function(batch(reinterpret_cast<Half*>(data())));
    }
  }

 private:
  bool is_planar() const { return channels_ == 0; }
  index_t tile_elements() const { return (is_planar() ? shape_[1] : channels_) * shape_[2] * shape_[3]; }
  cuda::Steps steps() const;

  Buffer buffer_;
  std::array<index_t, 4> shape_;
  index_t element_bytes_;
  index_t channels_;  // of a stored pixel: 0 where planes lie one after the other
  index_t offset_;
};

}  // namespace tilewright::bindings
