// What a test can say about the emulated devices, and ask of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tilewright::cuda::emulated {

struct Machine {
  int driver_error = 0;  // of every question for devices
  int devices = 1;
  int major = 9;
  int minor = 0;
  bool has_kernels = true;
  std::size_t memory = std::size_t{1} << 40;  // of each device
};

void set_machine(const Machine& machine);

// The next call of this function of the runtime fails with this error.
void fail_next(const std::string& call, int error);

// From now on, how often each byte of a range is written by kernels; until the next call.
void watch(const void* from, std::size_t bytes);
std::vector<std::uint8_t> writes();

}  // namespace tilewright::cuda::emulated
