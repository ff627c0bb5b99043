#include "cuda/gather.cu"  // compiled for the host
