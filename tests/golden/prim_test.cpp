// SPDX-License-Identifier: Apache-2.0
// Single operations against the numeric reference, forward and backward through the tape, on the processor and on the
// device of plain loops. What is not an operation of this room is named in one list; an unknown entry fails.
#include "../plain_device.hpp"
#include "golden_case.hpp"
#include "tadp/diffusion/unet.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/ops/loss.hpp"

#include <functional>
#include <set>

namespace {

using namespace tadp;

constexpr double tolerance = 2e-5;

/// Entries that other tests compare, or that nothing here computes. A star ends a prefix.
constexpr struct {
  std::string_view name, why;
} elsewhere[] = {
    {"deconv*", "depth head"},          {"focal", "loss of another head"},    {"silog", "depth head"},
    {"smooth_l1", "detection head"},    {"bce_logits", "detection head"},     {"roi_align_*", "detection head"},
    {"msroi", "detection head"},        {"iou", "boxes"},                     {"nms", "boxes"},
    {"coder", "boxes"},                 {"anchors", "boxes"},                 {"match", "boxes"},
    {"ap", "metrics"},                  {"miou", "metrics"},                  {"dm", "metrics"},
    {"dmsmall", "metrics"},             {"alphas_cumprod", "noise schedule"}, {"lr_mmseg_poly*", "learning rates"},
    {"lr_depth*", "learning rates"},    {"pmd", "colour augmentation"},
};
bool is(std::string_view name, std::string_view pattern) {
  if (pattern.ends_with('*')) return name.starts_with(pattern.substr(0, pattern.size() - 1));
  return name == pattern;
}

template <class Device>
Device make_device() {
  if constexpr (std::same_as<Device, Cpu>) return Cpu(2);
  else return Device{};
}

/// One operation of the case on a tape: its inputs as values or parameters, its result and gradients to be compared.
template <class Device, class Statistics>
class Trial {
 public:
  using Context = TapeContext<Device, Statistics>;
  using Value = typename Context::Value;

  /// `parameters`: inputs of the entry that are weights here.
  Trial(golden::Case const& c, std::string op, std::vector<std::string> const& parameters = {}) : case_(c), op_(std::move(op)) {
    auto list = std::make_shared<ParameterList>();
    for (auto const& name : parameters)
      ids_[name] = case_.has(in(name)) ? list->add(name, case_.shape(in(name)), Init::zero, true) : ParameterId{};
    weights_.emplace(make_device<Device>(), list);
    gradients_.resize(static_cast<std::size_t>(list->floats()));
    std::vector<float*> pointers;
    for (auto const& spec : list->specs()) {
      auto const values = case_.floats(in(spec.name));
      to_channels_last(spec, values.data(), weights_->data(list->find(spec.name)));
      pointers.push_back(gradients_.data() + spec.offset);
    }
    context_.emplace(make_device<Device>(), *weights_, pointers, TapeOptions{.map_gradients = true});
  }

  nlohmann::json const& attribute(char const* name) const { return case_.table(op_).at(name); }
  golden::Case const& reference() const { return case_; }
  Context& ctx() { return *context_; }
  ParameterId id(std::string const& name) const { return ids_.at(name); }
  Value input(std::string const& name) {
    FeatureShape const s = case_.features(in(name));
    return value(name, s, case_.channels_last(in(name)));
  }
  Value value(std::string const& name, FeatureShape const& shape, std::vector<float> const& numbers) {
    REQUIRE(shape.count() == static_cast<index_t>(numbers.size()));
    Value v = context_->empty(shape);
    std::copy(numbers.begin(), numbers.end(), v.slot->data().data);
    v.slot->learns = true;
    inputs_[name] = v;
    return v;
  }
  template <Operation Op>
  auto apply(Op op, std::initializer_list<Value> values) {
    return context_->apply(std::move(op), values);
  }

  /// Compares an output ("out", "out.1").
  void result(std::string const& name, Value const& v) { compare(op_ + "." + name, numbers(v.slot->data())); }
  void parameter_is(std::string const& name, std::string const& parameter) {
    auto const& spec = weights_->list()[id(parameter)];
    float const* const at = weights_->data(id(parameter));
    compare(op_ + "." + name, std::vector<float>(at, at + spec.count));
  }
  /// Goes back from `v` with the entry's gradient of the output, and compares every gradient that the entry has.
  void gradients(Value const& v, std::set<std::string> const& but = {}) {
    auto const upstream = case_.channels_last(op_ + ".gout");
    REQUIRE(upstream.size() == static_cast<std::size_t>(v.shape.count()));
    std::copy(upstream.begin(), upstream.end(), v.slot->gradient().data);
    context_->backward(v, upstream[0]);
    for (auto const& [name, id] : ids_) {
      if (!id || !case_.has(op_ + ".grad." + name)) continue;
      auto const& spec = weights_->list()[id];
      std::vector<float> plain(static_cast<std::size_t>(spec.count));
      to_checkpoint_order(spec, gradients_.data() + spec.offset, plain.data());
      compare(op_ + ".grad." + name, plain, false);
    }
    for (auto const& [name, input] : inputs_)
      if (case_.has(op_ + ".grad." + name) && !but.contains(name)) compare(op_ + ".grad." + name, numbers(input.slot->gradient()));
  }

 private:
  std::string in(std::string const& name) const { return op_ + ".in." + name; }
  static std::vector<float> numbers(Features<Device> v) { return {v.data, v.data + v.shape.count()}; }
  void compare(std::string const& name, std::vector<float> const& actual, bool turned = true) const {
    INFO(name);
    CHECK(case_.error(name, actual, turned) <= tolerance);
  }

  golden::Case const& case_;
  std::string op_;
  std::map<std::string, ParameterId> ids_;
  std::map<std::string, Value> inputs_;
  std::optional<Weights<Device>> weights_;
  std::vector<float> gradients_;
  std::optional<Context> context_;
};

template <class Device>
struct Operations {
  using T = Trial<Device, RunningStatistics>;
  using Entry = std::function<void(golden::Case const&, std::string const&)>;

  static void convolution(golden::Case const& c, std::string const& op) {
    T t(c, op, {"w", "b"});
    ConvGeometry g{.kernel = t.attribute("kernel"), .stride = t.attribute("stride")};
    if (c.table(op).contains("padding")) {
      g.pad_top = g.pad_left = g.pad_bottom = g.pad_right = t.attribute("padding");
    } else {
      std::array<int, 4> const pad = t.attribute("pad_left_right_top_bottom");
      g.pad_left = pad[0], g.pad_right = pad[1], g.pad_top = pad[2], g.pad_bottom = pad[3];
    }
    check_convolution(t, g);
  }
  static void linear(golden::Case const& c, std::string const& op) {
    T t(c, op, {"w", "b"});
    check_convolution(t, ConvGeometry::same(1));
  }
  static void check_convolution(T& t, ConvGeometry const& g) {
    index_t const out = t.ctx().weights().list()[t.id("w")].shape[0];
    auto const y = t.apply(ConvolutionOp{g, out, {t.id("w"), t.id("b")}}, {t.input("x"), {}, {}})[0];
    t.result("out", y);
    t.gradients(y);
  }
  static void group_norm(golden::Case const& c, std::string const& op) {
    T t(c, op, {"w", "b"});
    auto const y = t.apply(GroupNormOp{t.attribute("groups"), t.attribute("eps"), op.ends_with("_silu"), {t.id("w"), t.id("b")}}, {t.input("x")})[0];
    t.result("out", y);
    t.gradients(y);
  }
  static void layer_norm(golden::Case const& c, std::string const& op) {
    T t(c, op, {"w", "b"});
    auto const y = t.apply(LayerNormOp{t.attribute("eps"), {t.id("w"), t.id("b")}}, {t.input("x")})[0];
    t.result("out", y);
    t.gradients(y);
  }
  template <class Statistics>
  static void batch_norm(golden::Case const& c, std::string const& op) {
    Trial<Device, Statistics> t(c, op, {"w", "b", "mean", "var"});
    auto const y = t.apply(BatchNormOp<Statistics>{t.attribute("eps"), 0.1F, false, {t.id("w"), t.id("b"), t.id("mean"), t.id("var")}}, {t.input("x")})[0];
    t.result("out", y);
    if constexpr (std::same_as<Statistics, BatchStatistics>) {
      t.parameter_is("out.1", "mean");
      t.parameter_is("out.2", "var");
    }
    t.gradients(y);
  }
  template <Activation Kind>
  static void activation(golden::Case const& c, std::string const& op) {
    T t(c, op);
    auto const y = t.apply(ActivationOp{Kind}, {t.input("x")})[0];
    t.result("out", y);
    t.gradients(y);
  }
  static void geglu(golden::Case const& c, std::string const& op) {
    T t(c, op);
    auto const y = t.apply(GegluOp{}, {t.input("x")})[0];
    t.result("out", y);
    t.gradients(y);
  }
  /// No layer has a bare softmax: rows are the keys, one channel wide, of a query that is 1, and the map is read.
  static void softmax(golden::Case const& c, std::string const& op) {
    T t(c, op);
    auto const s = c.shape(op + ".in.x");
    auto const ones = t.value("query", {s[0], 1, 1, 1}, std::vector<float>(static_cast<std::size_t>(s[0]), 1.0F));
    auto const x = t.value("x", {s[0], 1, s[1], 1}, c.floats(op + ".in.x"));
    auto const y = t.apply(AttentionOp{{1, false}, true}, {ones, x, x})[2];
    t.result("out", y);
    t.gradients(y);
  }
  static void text_adapter(golden::Case const& c, std::string const& op) {
    T t(c, op, {"w0", "b0", "w1", "b1", "gamma"});
    auto const x = t.input("x");
    auto const layer = [&](auto const& v, char const* w, char const* b) {
      return t.apply(ConvolutionOp{ConvGeometry::same(1), t.ctx().weights().list()[t.id(w)].shape[0], {t.id(w), t.id(b)}}, {v, {}, {}})[0];
    };
    auto const f = layer(activate(t.ctx(), Activation::gelu, layer(x, "w0", "b0")), "w1", "b1");
    auto const y = t.apply(GatedSumOp{{t.id("gamma")}}, {x, f})[0];
    t.result("out", y);
    t.gradients(y);
  }
  static void attention(golden::Case const& c, std::string const& op) {
    T t(c, op);
    bool const through_map = op == "attn_map_gradient", map = through_map || c.has(op + ".out.1");
    AttentionGeometry const g{t.attribute("heads"), c.table(op).value("causal", false)};
    auto const y = t.apply(AttentionOp{g, map}, {t.input("q"), t.input("k"), t.input("v")});
    t.result(through_map ? "out.1" : "out", y[0]);
    if (map) t.result(through_map ? "out" : "out.1", y[2]);
    t.gradients(y[through_map ? 2 : 0]);
  }
  static void bilinear(golden::Case const& c, std::string const& op) {
    T t(c, op);
    std::array<index_t, 2> const size = t.attribute("size");
    Corners const corners = t.attribute("align_corners").template get<bool>() ? Corners::aligned : Corners::half_pixel;
    auto const y = resize_bilinear_to(t.ctx(), t.input("x"), size[0], size[1], corners);
    t.result("out", y);
    t.gradients(y);
  }
  static void nearest(golden::Case const& c, std::string const& op) {
    T t(c, op);
    FeatureShape const s = c.features(op + ".out");
    auto const nothing = t.value("addend", s, std::vector<float>(static_cast<std::size_t>(s.count())));
    auto const y = t.apply(ResizeNearestAddOp{}, {t.input("x"), nothing})[0];
    t.result("out", y);
    t.gradients(y);
  }
  static std::vector<std::uint8_t> labels(golden::Case const& c) {
    auto const wide = c.integers("ce.label");
    return {wide.begin(), wide.end()};
  }
  static void cross_entropy(golden::Case const& c, std::string const& op) {
    T t(c, op);
    auto const target = labels(c);
    auto const x = t.input("x");
    auto const loss = t.apply(CrossEntropyOp{Average::all_pixels, target.data()}, {x})[0];
    t.result("out", loss);
    t.result("out.1", t.apply(CrossEntropyOp{Average::valid_pixels, target.data()}, {x})[0]);
    t.gradients(loss);
  }
  static void cross_entropy_resized(golden::Case const& c, std::string const& op) {
    T t(c, op);
    auto const target = labels(c);
    auto const size = c.shape("ce.label");
    auto const loss = t.apply(CrossEntropyOp{Average::all_pixels, target.data()}, {resize_bilinear_to(t.ctx(), t.input("x"), size[1], size[2])})[0];
    t.result("out", loss);
    t.gradients(loss);
  }
  /// The second operand is a target and has no gradient; it gets one when the two change places.
  static void squared_error(golden::Case const& c, std::string const& op) {
    for (bool const swapped : {false, true}) {
      T t(c, op);
      auto const x = t.input("x"), y = t.input("y");
      auto const loss = swapped ? t.apply(MeanSquaredErrorOp{}, {y, x})[0] : t.apply(MeanSquaredErrorOp{}, {x, y})[0];
      t.result("out", loss);
      t.gradients(loss, {swapped ? "x" : "y"});
    }
  }
  static void time(golden::Case const& c, std::string const& op) {
    if (!c.has(op)) return;  // the table of times
    auto const width = static_cast<std::size_t>(c.shape(op)[1]);
    auto const expected = c.floats(op);
    auto const times = c.table("timestep_embedding").template get<std::vector<float>>();
    for (std::size_t row = 0; row < times.size(); ++row) {
      auto const actual = timestep_embedding(times[row], static_cast<int>(width));
      double worst = 0.0;
      for (std::size_t i = 0; i < width; ++i)
        worst = std::max(worst, std::abs(static_cast<double>(actual[i]) - static_cast<double>(expected[row * width + i])));
      INFO(op << " at time " << times[row]);
      // The reference's frequencies are floats whose last bit depends on its exp: at time t they turn the angle by t * 2^-24.
      CHECK(worst <= tolerance + static_cast<double>(times[row]) * 0x1p-24);
    }
  }

  static std::vector<std::pair<std::string_view, Entry>> table() {
    return {{"conv*", convolution},
            {"linear*", linear},
            {"group_norm*", group_norm},
            {"layer_norm", layer_norm},
            {"batch_norm_eval", batch_norm<RunningStatistics>},
            {"batch_norm_train", batch_norm<BatchStatistics>},
            {"gelu", activation<Activation::gelu>},
            {"silu", activation<Activation::silu>},
            {"quick_gelu", activation<Activation::quick_gelu>},
            {"relu", activation<Activation::relu>},
            {"sigmoid", activation<Activation::sigmoid>},
            {"geglu", geglu},
            {"softmax*", softmax},
            {"text_adapter", text_adapter},
            {"attn_*", attention},
            {"bilinear_*", bilinear},
            {"nearest_*", nearest},
            {"ce", cross_entropy},
            {"ce_resized", cross_entropy_resized},
            {"mse", squared_error},
            {"timestep_embedding*", time}};
  }
};

/// Names of all entries: what stands before the first dot of a tensor, table or scalar.
std::set<std::string> entries(golden::Case const& c) {
  std::set<std::string> names;
  for (char const* const part : {"tensors", "tables", "scalars"})
    for (auto const& [name, value] : c.manifest().at(part).items()) names.insert(name.substr(0, name.find('.')));
  return names;
}

}  // namespace

TEST_CASE_TEMPLATE("every operation of the reference, forward and backward", Device, Cpu, plain::Device) {
  auto const reference = golden::Case::open("prim");
  if (!reference) return;
  auto const table = Operations<Device>::table();
  int compared = 0;
  for (std::string const& name : entries(*reference)) {
    INFO("entry " << name);
    auto const known = std::find_if(table.begin(), table.end(), [&](auto const& row) { return is(name, row.first); });
    if (known != table.end()) {
      known->second(*reference, name);
      ++compared;
    } else {
      CHECK(std::any_of(std::begin(elsewhere), std::end(elsewhere), [&](auto const& row) { return is(name, row.name); }));
    }
  }
  CHECK(compared > 0);
}
