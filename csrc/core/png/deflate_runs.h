// Deflate (RFC 1951) for filtered rows, with Huffman codes and runs of equal bytes but no search
// for other repetitions.
//
// The filtered rows of a photograph contain repetitions only by chance. A general compressor spends
// most of its time searching for them there, and a reference to one often takes more bits than the
// codes of its bytes.
#pragma once

#include <cstdint>

#include "core/types.h"

namespace tilewright {

// Upper bound of the number of bytes that deflate_runs() writes for `count` bytes.
index_t deflate_runs_bound(index_t count);

// Compresses `count` bytes to non-final blocks that end on a byte boundary, so that more blocks can
// follow. Returns the number of bytes written. Precondition: `deflated` has room for
// deflate_runs_bound(count) bytes.
index_t deflate_runs(const std::uint8_t* bytes, index_t count, std::uint8_t* deflated);

}  // namespace tilewright
