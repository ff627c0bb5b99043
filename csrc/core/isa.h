// Which instruction set the kernels run on.
#pragma once

#include <string>
#include <vector>

namespace tilewright {

enum class Isa { kScalar, kAvx2, kAvx512 };

// In ascending order; the scalar path, which is the reference, is always there.
std::vector<Isa> available_isas();

// The best available one, or the one that the environment variable TILEWRIGHT_ISA names. Read once.
Isa default_isa();

// Throws std::invalid_argument: unknown name, not compiled in, or not supported by this CPU.
Isa parse_isa(const std::string& name);

const char* isa_name(Isa isa);

}  // namespace tilewright
