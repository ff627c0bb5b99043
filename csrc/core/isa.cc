#include "core/isa.h"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "core/isa_targets.h"
#include "core/rows/row_kernels.h"

#if TILEWRIGHT_X86_PATHS
#include <cpuid.h>
#endif

namespace tilewright {
namespace {

constexpr Isa kAll[] = {Isa::kScalar, Isa::kAvx2, Isa::kAvx512};

#if TILEWRIGHT_X86_PATHS
// Not every compiler knows the name in __builtin_cpu_supports(). Asked once: a virtual machine traps the question,
// which then takes as long as a small tile.
bool cpu_supports_f16c() {
  static const bool supported = [] {
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
  }();
  return supported;
}
#endif

bool cpu_supports(Isa isa) {
#if TILEWRIGHT_X86_PATHS
  switch (isa) {
    case Isa::kScalar:
      return true;
    case Isa::kAvx2:
      return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 && cpu_supports_f16c();
    case Isa::kAvx512:
      return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
             __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0 &&
             __builtin_cpu_supports("avx512vbmi") != 0;
  }
#endif
  return isa == Isa::kScalar;
}

}  // namespace

std::vector<Isa> available_isas() {
  std::vector<Isa> isas;
  std::copy_if(std::begin(kAll), std::end(kAll), std::back_inserter(isas),
               [](Isa isa) { return has_row_kernels(isa) && cpu_supports(isa); });
  return isas;
}

Isa default_isa() {
  static const Isa isa = [] {
    const char* name = std::getenv("TILEWRIGHT_ISA");
    if (name == nullptr || *name == '\0') return available_isas().back();
    try {
      return parse_isa(name);
    } catch (const std::invalid_argument& error) {
      throw std::invalid_argument(std::string("TILEWRIGHT_ISA: ") + error.what());
    }
  }();
  return isa;
}

Isa parse_isa(const std::string& name) {
  for (const Isa isa : kAll) {
    if (name != isa_name(isa)) continue;
    if (!has_row_kernels(isa)) throw std::invalid_argument("isa '" + name + "' is not compiled into this build");
    if (!cpu_supports(isa)) throw std::invalid_argument("isa '" + name + "' is not supported by this CPU");
    return isa;
  }
  throw std::invalid_argument("unknown isa '" + name + "': use scalar, avx2 or avx512");
}

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::kScalar:
      return "scalar";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
  }
  return "?";
}

}  // namespace tilewright
