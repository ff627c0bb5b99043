// Configures the emulated CUDA devices and inspects what kernels write to them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tilewright::testing {

struct Machine {
  int driver_error = 0;  // returned by cudaGetDeviceCount()
  int devices = 1;
  int major = 9;  // compute capability of each device
  int minor = 0;
  bool has_kernels = true;
  std::size_t memory = std::size_t{1} << 40;  // bytes per device
};

// Replaces the machine and cancels all calls of fail_next().
void set_machine(const Machine& machine);

// Makes the next call of a function of the CUDA runtime fail. `error`: a cudaError_t.
void fail_next(const std::string& call, int error);

// Starts counting the writes of kernels to each byte of a range. Ends the previous watch.
void watch(const void* from, std::size_t bytes);

// Returns the number of writes to each byte of the watched range, at most 255.
std::vector<std::uint8_t> writes();

}  // namespace tilewright::testing
