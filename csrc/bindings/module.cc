#include <pybind11/pybind11.h>

namespace tilewright::bindings {

void bind_isa(pybind11::module_& module);
void bind_plan(pybind11::module_& module);
void bind_gather(pybind11::module_& module);
void bind_canvas(pybind11::module_& module);
void bind_alpha(pybind11::module_& module);
void bind_png_filter(pybind11::module_& module);
void bind_deflate_runs(pybind11::module_& module);
void bind_convolution(pybind11::module_& module);

}  // namespace tilewright::bindings

// Kernels release the GIL and keep no state between calls. A TilePlan is immutable. A Canvas and the arrays of a call
// must not be used by two threads at once.
PYBIND11_MODULE(_core, module) {
  module.doc() =
      "Kernels for tiles and for rows of PNG files. Arrays are never copied or converted; an unsuitable array is an "
      "error.";
  tilewright::bindings::bind_isa(module);
  tilewright::bindings::bind_plan(module);
  tilewright::bindings::bind_gather(module);
  tilewright::bindings::bind_canvas(module);
  tilewright::bindings::bind_alpha(module);
  tilewright::bindings::bind_png_filter(module);
  tilewright::bindings::bind_deflate_runs(module);
  // The native engine needs the vector extensions of GCC or Clang.
#if defined(TILEWRIGHT_HAS_CONV)
  tilewright::bindings::bind_convolution(module);
  module.attr("HAS_ENGINE") = true;
#else
  module.attr("HAS_ENGINE") = false;
#endif
}
