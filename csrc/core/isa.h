// Selection of the instruction set that the kernels use.
#pragma once

#include <string>
#include <vector>

namespace tilewright {

enum class Isa { kScalar, kAvx2, kAvx512 };

// Instruction sets that this build contains and this CPU supports, in ascending order. The first is
// always kScalar, the reference implementation.
std::vector<Isa> available_isas();

// The best available instruction set, or the one named by the environment variable TILEWRIGHT_ISA,
// which is read once. Throws std::invalid_argument if the variable names one that is not available.
Isa default_isa();

// Throws std::invalid_argument if the name is unknown, or the instruction set is not in this build
// or not supported by this CPU.
Isa parse_isa(const std::string& name);

const char* isa_name(Isa isa);

}  // namespace tilewright
