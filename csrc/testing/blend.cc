#include "cuda/blend.cu"  // compiled for the host
