#include <pybind11/pybind11.h>

namespace tilewright::bindings {

void bind_cuda_device(pybind11::module_& module);
void bind_cuda_memory(pybind11::module_& module);
void bind_cuda_arrays(pybind11::module_& module);
void bind_cuda_gather(pybind11::module_& module);
void bind_cuda_canvas(pybind11::module_& module);
#if defined(TILEWRIGHT_CUDA_EMULATED)
void bind_cuda_emulation(pybind11::module_& module);
#endif

}  // namespace tilewright::bindings

// The emulated module is built from the same sources under its own name.
//
// Calls release the GIL and select their device for the calling thread, and kernels keep no state between calls. A
// Canvas must not be used by two threads at once.
PYBIND11_MODULE(TILEWRIGHT_CUDA_MODULE, module) {
  module.doc() =
      "Kernels for tiles on a CUDA device. They give the same bytes as the kernels of _core. Calls enqueue work on a "
      "stream and return before it is done; errors of kernels are raised by a later call. The arguments of a call must "
      "not change until the stream has processed them.";
  pybind11::module_::import("tilewright._core");  // defines TilePlan
  tilewright::bindings::bind_cuda_device(module);
  tilewright::bindings::bind_cuda_memory(module);
  tilewright::bindings::bind_cuda_arrays(module);
  tilewright::bindings::bind_cuda_gather(module);
  tilewright::bindings::bind_cuda_canvas(module);
#if defined(TILEWRIGHT_CUDA_EMULATED)
  tilewright::bindings::bind_cuda_emulation(module);
#endif
}
