#include <pybind11/stl.h>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "bindings/arguments.h"
#include "bindings/arrays.h"
#include "conv/network.h"
#include "conv/stream.h"

namespace tilewright::bindings {
namespace {

constexpr const char* kNetworkDoc = R"(A network of convolutions on the CPU, in float32.

Convolutions 3x3 use Winograd's algorithm F(4x4, 3x3). Results do not depend on the number of
threads. They depend on the position of a pixel modulo 4, because the algorithm computes squares of
4 x 4 results.

Args:
    planes: Channels of the network's input.
    threads: Threads, which live as long as the network.
    isa: Instruction set. None means ``default_isa()``.

Raises:
    ValueError: An argument is out of range, or ``isa`` is not available.
)";

constexpr const char* kAddStepDoc = R"(Adds a convolution with stride 1 and zero padding, and returns its number.

Args:
    inputs: Numbers of earlier steps whose results form the input, each with whether it is enlarged
        to twice the size by repeating pixels. None means the network's input.
    weights: float32 [outputs, inputs, 3, 3] or [outputs, inputs, 1, 1]. They are copied.
    bias: One value per output.
    activation: ``"none"``; ``"prelu"``: ``x > 0 ? x : slope * x``; ``"silu"``: ``x * sigmoid(x)``;
        ``"attention"``: ``(x + first residual) * (sigmoid(x) - 0.5)``.
    slope: One value per output, for ``"prelu"``.
    residuals: Numbers of earlier steps with factors, at most 2. The result is multiplied by the
        factor, then the earlier result is added, in order.

Raises:
    TypeError: The weights are not float32.
    ValueError: A step does not exist, sizes do not match, or no kernel supports the combination.
)";

constexpr const char* kRescaleDoc = R"(Reduces the result by a separable filter.

Along each axis, with m counting pixels of the network's input, result ``scale * m + i`` is the sum
over t of ``weights[i, t] * source[source_scale * m + first + t]``. Beyond the border, the edge pixels
of the source are repeated.

Args:
    source_scale: Scale of the source relative to the network's input.
    weights: float32 [scale, taps], where ``scale`` is that of the result; at most 1024 taps.
    first: Place of the first tap. A result may read at most 16 pixels of the network's input beyond
        its own one, on either side.
    shuffles: Whether the source is the last step's output after a pixel shuffle by ``source_scale``, with
        channels in the order plane, row, column.
    adds_image: Whether the network's input, enlarged by repeating pixels, is added to the source.

Raises:
    TypeError: The weights are not float32.
    ValueError: The arguments contradict each other or the last step.
)";

constexpr const char* kStreamDoc = R"(A picture on its way through a network, in bands of rows from top to bottom.

The result is that of a run over the whole picture, with the memory of a few bands. Several streams
of one network take turns. Threads may share a stream for `run`, but not for `advance`.

Args:
    network: The network. It cannot be changed any more.
)";

constexpr const char* kStartDoc = R"(Begins a picture.

Args:
    height: In pixels.
    width: In pixels.

Raises:
    MemoryError: There is not enough memory for the tensors.
    ValueError: The network has no steps, or a length is less than 1.
)";

constexpr const char* kAdvanceDoc = R"(Takes the next band of the input and computes what can be computed then.

Args:
    rows: float32 [planes, band, width], C-contiguous. The first `wanted` rows are read.
    result: float32 [output_channels, band * output_scale, width * output_scale], C-contiguous:
        memory for a band of the result. The last band fills only its first rows.

Returns:
    Whether the band of the result is complete. If not, the next call must get the same memory.

Raises:
    TypeError: An array has the wrong dtype.
    ValueError: An array has the wrong shape or layout, or the picture is done.
)";

constexpr const char* kRunDoc = R"(Runs the network on whole pictures.

Args:
    batch: float32 [n, planes, height, width], C-contiguous.
    result: float32 [n, output_channels, height * output_scale, width * output_scale], C-contiguous;
        overwritten.

Raises:
    MemoryError: There is not enough memory for the tensors.
    TypeError: An array has the wrong dtype.
    ValueError: An array has the wrong shape or layout.
)";

conv::Activation parse_activation(const std::string& name) {
  static const std::map<std::string, conv::Activation> names = {{"none", conv::Activation::kNone},
                                                                {"prelu", conv::Activation::kPrelu},
                                                                {"silu", conv::Activation::kSilu},
                                                                {"attention", conv::Activation::kAttention}};
  const auto found = names.find(name);
  if (found == names.end()) throw py::value_error("activation must be none, prelu, silu or attention, not " + name);
  return found->second;
}

std::unique_ptr<conv::Network> make_network(index_t planes, int threads, const std::optional<std::string>& isa) {
  return std::make_unique<conv::Network>(planes, threads, isa ? parse_isa(*isa) : default_isa());
}

using Inputs = std::vector<std::pair<int, bool>>;
using Residuals = std::vector<std::pair<int, float>>;

int add_step(conv::Network& network, const std::optional<Inputs>& inputs, const py::array& weights,
             std::vector<float> bias, const std::string& activation, std::vector<float> slope,
             const Residuals& residuals) {
  if (element_code(weights) != "f4") throw_dtype("weights", "float32", weights);
  if (weights.ndim() != 4 || weights.shape(2) != weights.shape(3)) {
    throw py::value_error("weights must have shape [outputs, inputs, side, side]");
  }
  check_contiguous("weights", weights, {weights.shape(0), weights.shape(1), weights.shape(2), weights.shape(3)}, false);
  conv::Step step;
  if (inputs) {
    for (const auto& [number, enlarge] : *inputs) step.inputs.push_back({number, enlarge});
    if (step.inputs.empty()) throw py::value_error("inputs must not be empty");
  }
  step.weights = {static_cast<const float*>(weights.data()), weights.shape(0), weights.shape(1), weights.shape(2)};
  step.bias = std::move(bias);
  step.activation = parse_activation(activation);
  step.slope = std::move(slope);
  for (const auto& [number, scale] : residuals) step.residuals.push_back({number, scale});
  const py::gil_scoped_release release;  // transforming the weights of a large network takes seconds
  return network.add_step(step);
}

void set_rescale(conv::Network& network, index_t source_scale, const py::array& weights, index_t first, bool shuffles,
                 bool adds_image) {
  if (element_code(weights) != "f4") throw_dtype("weights", "float32", weights);
  if (weights.ndim() != 2) throw py::value_error("weights must have shape [scale, taps]");
  check_contiguous("weights", weights, {weights.shape(0), weights.shape(1)}, false);
  const auto* values = static_cast<const float*>(weights.data());
  conv::Rescale rescale{source_scale, weights.shape(0), first, weights.shape(1), {}, shuffles, adds_image};
  rescale.weights.assign(values, values + weights.size());
  network.set_rescale(rescale);
}

// A stream and the shape of its picture.
class PyStream {
 public:
  explicit PyStream(const conv::Network& network) : stream_(network) {}

  void start(index_t height, index_t width) {
    const py::gil_scoped_release release;
    const std::lock_guard<std::mutex> lock(mutex_);
    width_ = width;
    stream_.start(height, width);
  }

  index_t band() const { return stream_.band(); }
  index_t wanted() const { return stream_.wanted(); }
  index_t rounds() const { return stream_.rounds(); }
  bool is_done() const { return stream_.is_done(); }

  bool advance(const py::array& rows, py::array& result) {
    if (is_done()) throw py::value_error("the picture is done");
    const index_t scale = stream_.network().output_scale();
    const index_t out_rows = band() * scale;
    check_floats("rows", rows, {stream_.network().planes(), band(), width_}, false);
    check_floats("result", result, {stream_.network().output_channels(), out_rows, width_ * scale}, true);
    const auto* in = static_cast<const float*>(rows.data());
    auto* out = static_cast<float*>(result.mutable_data());
    const py::gil_scoped_release release;
    return stream_.advance({in, band() * width_}, {out, out_rows * width_ * scale});
  }

  void run(const py::array& batch, py::array& result) {
    if (batch.ndim() != 4 || batch.shape(2) < 1 || batch.shape(3) < 1) {
      throw py::value_error("batch must have shape [n, planes, height, width]");
    }
    const index_t count = batch.shape(0);
    const index_t height = batch.shape(2);
    const index_t width = batch.shape(3);
    const index_t scale = stream_.network().output_scale();
    check_floats("batch", batch, {count, stream_.network().planes(), height, width}, false);
    check_floats("result", result, {count, stream_.network().output_channels(), height * scale, width * scale}, true);
    const auto* in = static_cast<const float*>(batch.data());
    auto* out = static_cast<float*>(result.mutable_data());
    const py::gil_scoped_release release;
    const std::lock_guard<std::mutex> lock(mutex_);
    width_ = width;
    conv::run(stream_, in, count, height, width, out);
  }

 private:
  static void check_floats(const char* name, const py::array& array, const std::vector<index_t>& shape,
                           bool writeable) {
    if (element_code(array) != "f4") throw_dtype(name, "float32", array);
    check_contiguous(name, array, shape, writeable);
  }

  std::mutex mutex_;  // so that several threads may call run()
  conv::Stream stream_;
  index_t width_ = 0;
};

}  // namespace

void bind_convolution(py::module_& module) {
  py::class_<conv::Network>(module, "ConvNetwork", kNetworkDoc)
      .def(py::init(&make_network), py::arg("planes"), py::kw_only(), py::arg("threads"), py::arg("isa") = py::none())
      .def("set_input_transform", &conv::Network::set_input_transform, py::arg("offset"), py::arg("factor"),
           "Sets the values per plane that make the first layer's input: ``(batch + offset) * factor``.")
      .def("add_step", &add_step, py::arg("inputs"), py::kw_only(), py::arg("weights"), py::arg("bias"),
           py::arg("activation") = "none", py::arg("slope") = std::vector<float>{}, py::arg("residuals") = Residuals{},
           kAddStepDoc)
      .def("set_rescale", &set_rescale, py::kw_only(), py::arg("source_scale"), py::arg("weights"), py::arg("first"),
           py::arg("shuffles"), py::arg("adds_image"), kRescaleDoc)
      .def("tensor_bytes", &conv::Stream::tensor_bytes, py::arg("height"), py::arg("width"),
           "Returns the bytes of all tensors for a picture of this size.")
      .def("band", &conv::Stream::band_of, py::arg("height"), py::arg("width"),
           "Returns the rows that a stream takes at a time of a picture of this size.")
      .def_property_readonly("planes", &conv::Network::planes)
      .def_property_readonly("output_channels", &conv::Network::output_channels)
      .def_property_readonly("output_scale", &conv::Network::output_scale);

  py::class_<PyStream>(module, "ConvStream", kStreamDoc)
      .def(py::init<const conv::Network&>(), py::arg("network"), py::keep_alive<1, 2>())
      .def("start", &PyStream::start, py::arg("height"), py::arg("width"), kStartDoc)
      .def("advance", &PyStream::advance, py::arg("rows"), py::arg("result"), kAdvanceDoc)
      .def("run", &PyStream::run, py::arg("batch"), py::arg("result"), kRunDoc)
      .def_property_readonly("band", &PyStream::band, "Rows of the input that `advance` takes at a time.")
      .def_property_readonly("wanted", &PyStream::wanted, "Rows that the next call takes; 0 after the last band.")
      .def_property_readonly("rounds", &PyStream::rounds, "Calls of `advance` that the picture takes in total.")
      .def_property_readonly("is_done", &PyStream::is_done, "Whether the result is complete.");
}

}  // namespace tilewright::bindings
