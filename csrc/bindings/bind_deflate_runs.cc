#include <memory>

#include "bindings/arrays.h"
#include "core/png/deflate_runs.h"

namespace tilewright::bindings {
namespace {

constexpr const char* kDeflateRunsDoc = R"(Compresses filtered rows of a picture with deflate (RFC 1951).

It uses Huffman codes and runs of equal bytes, and does not search for other repetitions.

Args:
    data: uint8 [n], C-contiguous.

Returns:
    Non-final blocks that end on a byte boundary, so that more blocks can follow.

Raises:
    TypeError: The array has the wrong dtype.
    ValueError: The array has the wrong shape or layout.
)";

py::bytes deflate(const py::array& data) {
  if (element_code(data) != "u1") throw_dtype("data", "uint8", data);
  if (data.ndim() != 1) throw py::value_error("data must have one axis, not " + std::to_string(data.ndim()));
  check_contiguous("data", data, {data.shape(0)}, false);
  const auto* bytes = static_cast<const std::uint8_t*>(data.data());
  const std::unique_ptr<std::uint8_t[]> deflated(
      new std::uint8_t[static_cast<std::size_t>(deflate_runs_bound(data.size()))]);
  index_t length = 0;
  {
    const py::gil_scoped_release release;
    length = deflate_runs(bytes, data.size(), deflated.get());
  }
  return {reinterpret_cast<const char*>(deflated.get()), static_cast<std::size_t>(length)};
}

}  // namespace

void bind_deflate_runs(py::module_& module) { module.def("deflate_runs", &deflate, py::arg("data"), kDeflateRunsDoc); }

}  // namespace tilewright::bindings
