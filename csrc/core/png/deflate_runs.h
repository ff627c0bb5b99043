// Deflate (RFC 1951) for filtered rows: Huffman codes and runs of equal bytes, no search for other repetitions.
//
// What is left of a photograph when its rows are filtered repeats itself by chance only. A search for repetitions takes
// most of the time of a general compressor there, and what it finds often costs more than the codes of the bytes.
#pragma once

#include <cstdint>

#include "core/types.h"

namespace tilewright {

// Enough room for what deflate_runs writes.
index_t deflate_runs_bound(index_t count);

// Writes `count` bytes as blocks that are not final and end on a whole byte, so that more can follow. Returns the bytes
// written. Preconditions: deflated has deflate_runs_bound(count) bytes.
index_t deflate_runs(const std::uint8_t* bytes, index_t count, std::uint8_t* deflated);

}  // namespace tilewright
