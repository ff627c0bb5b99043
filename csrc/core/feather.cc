#include "core/feather.h"

#include "core/pixel_math.h"

namespace tilewright {

std::vector<float> feather_ramp(index_t length) {
  std::vector<float> ramp(static_cast<std::size_t>(length));
  for (index_t i = 0; i < length; ++i) {
    ramp[static_cast<std::size_t>(i)] = feather_weight(i, length);
  }
  return ramp;
}

}  // namespace tilewright
