// SPDX-License-Identifier: Apache-2.0
// The VOC head and the transposed convolution on numbers of a file, for against_torch_heads.py: results and gradients.
#include "tadp/heads/smp_fpn.hpp"
#include "tadp/io/weights.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/ops/transposed.hpp"

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string_view>

namespace {

using namespace tadp;
using Context = TapeContext<Cpu, RunningStatistics>;
using Value = Context::Value;

/// A request: tensors by name, features being (N, H, W, C).
class Request {
 public:
  explicit Request(char const* path) : file_(path) {}

  std::vector<index_t> shape(std::string const& name) const { return {entry(name).shape.begin(), entry(name).shape.end()}; }
  FeatureShape features(std::string const& name) const {
    auto const s = shape(name);
    if (s.size() != 4) throw Error(Errc::shape, "features have four extents", {.key = name});
    return {s[0], s[1], s[2], s[3]};
  }
  std::vector<float> floats(std::string const& name) const {
    std::vector<float> values(static_cast<std::size_t>(entry(name).size_bytes() / 4));
    file_.read_f32(entry(name), values.data());
    return values;
  }
  std::vector<std::uint8_t> bytes(std::string const& name) const {
    auto const data = file_.data(entry(name));
    auto const* const first = reinterpret_cast<std::uint8_t const*>(data.data());
    return {first, first + data.size()};
  }
  /// The tensor as a value of a tape that learns.
  Value input(Context& ctx, std::string const& name) const {
    auto const values = floats(name);
    Value v = ctx.empty(features(name));
    std::copy(values.begin(), values.end(), v.slot->data().data);
    v.slot->learns = true;
    return v;
  }
  void fill(Weights<Cpu>& weights) const {
    for (ParameterSpec const& spec : weights.list().specs()) {
      if (shape(spec.name) != spec.shape) throw Error(Errc::shape, "a weight has another shape", {.key = spec.name});
      to_channels_last(spec, floats(spec.name).data(), weights.data(weights.list().find(spec.name)));
    }
  }

 private:
  TensorEntry const& entry(std::string const& name) const {
    TensorEntry const* const found = file_.find(name);
    if (found == nullptr) throw Error(Errc::key, "the request lacks a tensor", {.key = name});
    return *found;
  }
  SafetensorsFile file_;
};

/// What is answered.
class Answer {
 public:
  void add(std::string name, std::vector<std::uint64_t> shape, std::vector<float> values) {
    values_.push_back(std::move(values));
    tensors_.push_back({.name = std::move(name), .dtype = Dtype::F32, .shape = std::move(shape), .values = values_.back()});
  }
  void add(std::string name, Features<Cpu> v) {
    auto const& e = v.shape.extent;
    add(std::move(name), {e.begin(), e.end()}, std::vector<float>(v.data, v.data + v.shape.count()));
  }
  void add_gradients(ParameterList const& list, std::vector<float> const& flat) {
    for (ParameterSpec const& spec : list.specs()) {
      std::vector<float> plain(static_cast<std::size_t>(spec.count));
      to_checkpoint_order(spec, flat.data() + spec.offset, plain.data());
      add("grad." + spec.name, {spec.shape.begin(), spec.shape.end()}, std::move(plain));
    }
  }
  void write(char const* path) const { write_safetensors(path, tensors_); }

 private:
  std::deque<std::vector<float>> values_;
  std::vector<TensorToWrite> tensors_;
};

/// A tape over parameters that a request fills; use(context).
template <class Use>
void taped(Request const& request, std::shared_ptr<ParameterList> const& list, Answer& answer, Use const& use) {
  Cpu const cpu(1);
  Weights<Cpu> weights(cpu, list);
  request.fill(weights);
  std::vector<float> gradients(static_cast<std::size_t>(list->floats()));
  std::vector<float*> pointers;
  for (ParameterSpec const& spec : list->specs()) pointers.push_back(gradients.data() + spec.offset);
  Context ctx(cpu, weights, pointers, {.dropout = false});
  use(ctx);
  answer.add_gradients(*list, gradients);
}

template <SmpFpnOf Decoder>
void voc(Request const& request, Answer& answer) {
  using Task = SegmentationOf<dynamic, Decoder>;
  FeatureChannels channels{};
  for (std::size_t i = 0; i < 4; ++i) channels[i] = request.features("level." + std::to_string(i)).c();
  auto const list = std::make_shared<ParameterList>();
  typename Task::Net const net(Scope(*list), channels, request.shape("decode_head.segmentation_head.0.bias").at(0));
  auto const labels = request.bytes("labels");
  taped(request, list, answer, [&](Context& ctx) {
    std::array<Value, 4> levels;
    for (std::size_t i = 0; i < 4; ++i) levels[i] = request.input(ctx, "level." + std::to_string(i));
    Value const logits = net(ctx, levels);
    Value const loss = Task::loss(ctx, logits, {labels.data(), logits.shape.h(), logits.shape.w()});
    answer.add("logits", logits.slot->data());
    answer.add("loss", loss.slot->data());
    ctx.backward(loss);
    for (std::size_t i = 0; i < 4; ++i) answer.add("grad.level." + std::to_string(i), levels[i].slot->gradient());
  });
}

void transposed(Request const& request, Answer& answer, int stride, int pad, int extra) {
  auto const w = request.shape("weight");
  auto const list = std::make_shared<ParameterList>();
  ConvGeometry const g{.kernel = static_cast<int>(w.at(2)), .stride = stride, .pad_top = pad, .pad_left = pad, .pad_bottom = pad, .pad_right = pad};
  ConvTransposeOp const op{g, w[1], extra, {Scope(*list).add("weight", w)}};
  taped(request, list, answer, [&](Context& ctx) {
    Value const x = request.input(ctx, "x");
    Value const y = ctx.apply(op, {x})[0];
    answer.add("y", y.slot->data());
    auto const upstream = request.floats("dy");
    if (upstream.size() != static_cast<std::size_t>(y.shape.count())) throw Error(Errc::shape, "the upstream gradient has another size than the result");
    std::copy(upstream.begin(), upstream.end(), y.slot->gradient().data);
    ctx.backward(y, upstream[0]);
    answer.add("grad.x", x.slot->gradient());
  });
}

int run(std::span<char* const> args) {
  std::string_view const verb = args.size() > 3 ? args[1] : "";
  if (!(verb == "voc" && args.size() == 4) && !(verb == "transposed" && args.size() == 7)) {
    std::fputs("usage: heads_tool voc IN.safetensors OUT.safetensors\n"
               "       heads_tool transposed IN.safetensors OUT.safetensors STRIDE PADDING OUTPUT_PADDING\n", stderr);
    return 2;
  }
  Request const request(args[2]);
  Answer answer;
  if (verb == "transposed")
    transposed(request, answer, std::atoi(args[4]), std::atoi(args[5]), std::atoi(args[6]));
  else if (request.shape("decode_head.segmentation_head.0.weight").at(1) == SmpFpn.segmentation)
    voc<SmpFpn>(request, answer);
  else
    voc<SmpFpnOf{.pyramid = 64, .segmentation = 64}>(request, answer);
  answer.write(args[3]);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(std::span<char* const>(argv, static_cast<std::size_t>(argc)));
  } catch (std::exception const& error) {
    std::fprintf(stderr, "heads_tool: %s\n", error.what());
    return 1;
  }
}
