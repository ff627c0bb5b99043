#include <pybind11/pybind11.h>

namespace tilewright::bindings {

void bind_cuda_device(pybind11::module_& module);
void bind_cuda_memory(pybind11::module_& module);
void bind_cuda_views(pybind11::module_& module);
void bind_cuda_gather(pybind11::module_& module);
void bind_cuda_canvas(pybind11::module_& module);
#if defined(TILEWRIGHT_CUDA_EMULATED)
void bind_cuda_emulation(pybind11::module_& module);
#endif

}  // namespace tilewright::bindings

// The emulated module is built from the same sources, under a name of its own.
PYBIND11_MODULE(TILEWRIGHT_CUDA_MODULE, module) {
  module.doc() =
      "Tiles on a CUDA device: the kernels of _core, with the same bytes, on memory of the device. Work is put on a "
      "stream and done in its order; calls return before it is done, and a kernel's errors come with a later call. "
      "What "
      "a call was given must stay as it is until the stream is past it.";
  pybind11::module_::import("tilewright._core");  // has TilePlan
  tilewright::bindings::bind_cuda_device(module);
  tilewright::bindings::bind_cuda_memory(module);
  tilewright::bindings::bind_cuda_views(module);
  tilewright::bindings::bind_cuda_gather(module);
  tilewright::bindings::bind_cuda_canvas(module);
#if defined(TILEWRIGHT_CUDA_EMULATED)
  tilewright::bindings::bind_cuda_emulation(module);
#endif
}
