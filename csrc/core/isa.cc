#include "core/isa.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <stdexcept>

#include "core/isa_targets.h"

#if TILEWRIGHT_HAS_X86_KERNELS
#include <cpuid.h>
#endif

namespace tilewright {
namespace {

constexpr Isa kAllIsas[] = {Isa::kScalar, Isa::kAvx2, Isa::kAvx512};

bool is_compiled(Isa isa) { return isa == Isa::kScalar || TILEWRIGHT_HAS_X86_KERNELS != 0; }

#if TILEWRIGHT_HAS_X86_KERNELS
// Not every compiler accepts "f16c" in __builtin_cpu_supports(). The result is cached because a
// virtual machine traps the instruction, which then takes as long as processing a small tile.
bool cpu_supports_f16c() {
  static const bool supported = [] {
    unsigned eax = 0;
    unsigned ebx = 0;
    unsigned ecx = 0;
    unsigned edx = 0;
    return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
  }();
  return supported;
}
#endif

bool cpu_supports(Isa isa) {
#if TILEWRIGHT_HAS_X86_KERNELS
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
  std::copy_if(std::begin(kAllIsas), std::end(kAllIsas), std::back_inserter(isas),
               [](Isa isa) { return is_compiled(isa) && cpu_supports(isa); });
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
  for (const Isa isa : kAllIsas) {
    if (name != isa_name(isa)) continue;
    if (!is_compiled(isa)) throw std::invalid_argument("isa '" + name + "' is not part of this build");
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
