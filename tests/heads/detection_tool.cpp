// SPDX-License-Identifier: Apache-2.0
// Detection for against_torchvision.py: reads cases from a safetensors file, "<case>/<input>", runs what a case's name says
// with ours, and writes "<case>/<output>". Names of cases are <what>.<number>.
#include "tadp/heads/detection.hpp"
#include "tadp/heads/detection_result.hpp"
#include "tadp/io/safetensors.hpp"
#include "tadp/io/safetensors_write.hpp"
#include "tadp/kernels/cpu.hpp"

#include <cstdio>
#include <list>
#include <set>

namespace {

using namespace tadp;
using Context = TapeContext<Cpu>;
using Value = Context::Value;
constexpr DetectionConfig small{.width = 16, .representation = 24, .best_of_level = 150, .proposals = 200, .training_best_of_level = 300, .training_proposals = 250, .anchor_samples = 64, .box_samples = 48, .detections = 40};
constexpr int classes = 6;
using Net = DetectionOf<classes, small>::Net;

class Files {
 public:
  explicit Files(char const* in) : in_(in) {}
  std::set<std::string> cases() const {
    std::set<std::string> names;
    for (auto const& e : in_.entries()) names.insert(e.name.substr(0, e.name.find('/')));
    return names;
  }
  bool has(std::string const& name) const { return in_.find(name) != nullptr; }
  std::vector<index_t> shape(std::string const& name) const {
    TensorEntry const* const e = in_.find(name);
    if (e == nullptr) throw Error(Errc::key, "the case lacks an input", {.key = name});
    return {e->shape.begin(), e->shape.end()};
  }
  std::vector<float> numbers(std::string const& name) const {
    (void)shape(name);
    TensorEntry const& e = *in_.find(name);
    std::vector<float> out(static_cast<std::size_t>(e.size_bytes() / sizeof(float)));
    in_.read_f32(e, out.data());
    return out;
  }
  void put(std::string const& name, std::vector<index_t> const& shape, std::vector<float> values) {
    kept_.push_back(std::move(values));
    out_.push_back({.name = name, .dtype = Dtype::F32, .shape = {shape.begin(), shape.end()}, .values = kept_.back()});
  }
  void save(char const* path) const { write_safetensors(path, out_); }

 private:
  SafetensorsFile in_;
  std::list<std::vector<float>> kept_;
  std::vector<TensorToWrite> out_;
};

std::vector<float> numbers_of(Features<Cpu> v) { return {v.data, v.data + v.shape.count()}; }
std::vector<float> numbers_of(Value const& v) { return numbers_of(v.slot->data()); }

/// One case: its inputs as values, operations at once.
struct Case {
  Files& files;
  std::string name;
  Weights<Cpu>& weights;
  Context ctx;

  Case(Files& f, std::string n, Weights<Cpu>& w, std::vector<float*> gradients = {})
      : files(f), name(std::move(n)), weights(w), ctx(Cpu(1), w, gradients.empty() ? std::vector<float*>(w.list().specs().size()) : gradients, {.dropout = false}) {}
  /// Rows (N, R, C) or (R, C) as a list.
  Value rows(std::string const& input) {
    auto s = files.shape(name + "/" + input);
    if (s.size() == 1) s = {1, s[0], 1};
    if (s.size() == 2) s.insert(s.begin(), 1);
    return fill({s[0], 1, s[1], s[2]}, files.numbers(name + "/" + input));
  }
  /// (N, H, W, C) as it is.
  Value map(std::string const& input) {
    auto const s = files.shape(name + "/" + input);
    return fill({s.at(0), s.at(1), s.at(2), s.at(3)}, files.numbers(name + "/" + input));
  }
  Value fill(FeatureShape const& s, std::vector<float> const& values) {
    Value const v = ctx.empty(s);
    std::copy(values.begin(), values.end(), v.slot->data().data);
    return v;
  }
  std::vector<float> list(std::string const& input) const { return files.numbers(name + "/" + input); }
  float number(std::string const& input) const { return list(input).at(0); }
  void put(std::string const& output, Value const& v) { files.put(name + "/" + output, {v.shape.n(), v.shape.h(), v.shape.w(), v.shape.c()}, numbers_of(v)); }
};

void roi_align_case(Case& c) {
  std::vector<Value> in;
  int levels = 0;
  for (; c.files.has(c.name + "/x" + std::to_string(levels)); ++levels) {
    in.push_back(c.map("x" + std::to_string(levels)));
    in.back().slot->learns = true;
  }
  in.push_back(c.rows("boxes"));
  in.push_back({});
  RoiGeometry const g{static_cast<int>(c.number("size")), static_cast<int>(c.number("sampling")), static_cast<int>(c.number("first_level"))};
  auto const y = c.ctx.apply(RoiAlignOp{g, levels}, std::span<Value const>(in))[0];
  c.put("y", y);
  auto const upstream = c.list("dy");
  std::copy(upstream.begin(), upstream.end(), y.slot->gradient().data);
  c.ctx.backward(y, upstream[0]);
  for (int l = 0; l < levels; ++l) {
    auto const& x = in[static_cast<std::size_t>(l)];
    c.files.put(c.name + "/dx" + std::to_string(l), {x.shape.n(), x.shape.h(), x.shape.w(), x.shape.c()}, numbers_of(x.slot->gradient()));
  }
}
void nms_case(Case& c) {
  auto const rows = c.rows("rows");
  auto const kept = c.ctx.apply(SuppressOp{{static_cast<double>(c.number("percent")) / 100.0}, rows.shape.w()}, {rows});
  c.put("kept", kept[0]);
  c.put("count", kept[1]);
}
void coder_case(Case& c) {
  auto const w = c.list("weights");
  BoxCode const code{{w[0], w[1], w[2], w[3]}};
  auto const from = c.rows("from");
  c.put("decoded", c.ctx.apply(DecodeBoxesOp{code}, {c.rows("codes"), from})[0]);
  c.put("targets", c.ctx.apply(TargetsOfRowsOp{code}, {c.rows("picks"), from, c.rows("to"), {}})[0]);
}
void anchors_case(Case& c) {
  auto const g = c.list("levels");
  AnchorGrid grid;
  for (std::size_t l = 0; l < 4; ++l)
    grid.level[l] = {static_cast<index_t>(g[5 * l]), static_cast<index_t>(g[5 * l + 1]), static_cast<index_t>(g[5 * l + 2]), static_cast<index_t>(g[5 * l + 3]), static_cast<int>(g[5 * l + 4])};
  c.put("anchors", c.ctx.apply(AnchorsOp{grid}, std::span<Value const>{})[0]);
}
void proposals_case(Case& c) {
  auto const g = c.list("segments");
  std::array<index_t, most_levels> segments{};
  for (std::size_t l = 0; l < 4; ++l) segments[l] = static_cast<index_t>(g[l]);
  auto const most = static_cast<index_t>(c.number("best_of_level"));
  CandidateRule const rule{c.number("height"), c.number("width"), detection_rules::smallest_proposal};
  auto const top = c.ctx.apply(TopRowsOp{segments, most}, {c.rows("objectness")})[0];
  auto const candidates = c.ctx.apply(ProposalCandidatesOp{rule, segments, most}, {top, c.rows("boxes")})[0];
  auto const kept = c.ctx.apply(SuppressOp{detection_rules::proposals, static_cast<index_t>(c.number("proposals"))}, {candidates});
  c.put("kept", kept[0]);
  c.put("count", kept[1]);
}
void match_case(Case& c) {
  auto const boxes = c.rows("boxes"), truths = c.rows("truths"), count = c.rows("count");
  c.put("rpn", c.ctx.apply(MatchBoxesOp{detection_rules::anchors}, {boxes, {}, truths, count})[0]);
  c.put("roi", c.ctx.apply(MatchBoxesOp{detection_rules::boxes}, {boxes, {}, truths, count})[0]);
}
void postprocess_case(Case& c, Net const& net) {
  BoxList<Value> const proposals{c.rows("proposals"), c.rows("counts")};
  auto const found = net.box_head().detections(c.ctx, {c.rows("logits"), c.rows("codes")}, proposals, c.number("height"), c.number("width"));
  c.put("kept", found.rows);
  c.put("count", found.counts);
}
/// The whole head: detections, losses, and the gradient of every parameter.
void head_case(Files& files, std::string const& name, Net const& net, std::shared_ptr<ParameterList const> const& list) {
  Weights<Cpu> weights(Cpu(1), list);
  std::vector<float> flat(static_cast<std::size_t>(list->floats()));
  std::vector<float*> pointers;
  for (auto const& spec : list->specs()) {
    to_channels_last(spec, files.numbers(name + "/weights." + spec.name).data(), weights.flat() + spec.offset);
    pointers.push_back(flat.data() + spec.offset);
  }
  Case c(files, name, weights, pointers);
  std::array<Value, 4> pyramid;
  for (std::size_t l = 0; l < 4; ++l) {
    pyramid[l] = c.map("x" + std::to_string(l));
    pyramid[l].slot->learns = true;
  }
  c.ctx.begin_step(0);
  auto const found = net.detections(c.ctx, net(c.ctx, pyramid));
  c.put("kept", found.rows);
  c.put("count", found.counts);
  c.ctx.begin_step(0);
  auto const boxes = c.list("truths"), labels = c.list("labels"), counts = c.list("counts");
  DetectionTarget const target{boxes.data(), labels.data(), counts.data(), static_cast<index_t>(labels.size() / counts.size()), true};
  auto const losses = net.losses(c.ctx, net(c.ctx, pyramid), target);
  files.put(name + "/losses", {4}, {numbers_of(losses.classes)[0], numbers_of(losses.boxes)[0], numbers_of(losses.objectness)[0], numbers_of(losses.anchors)[0]});
  c.ctx.backward(losses.total);
  for (auto const& spec : list->specs()) {
    std::vector<float> plain(static_cast<std::size_t>(spec.count));
    to_checkpoint_order(spec, flat.data() + spec.offset, plain.data());
    files.put(name + "/gradient." + spec.name, spec.shape, std::move(plain));
  }
  for (std::size_t l = 0; l < 4; ++l) {
    auto const s = pyramid[l].shape;
    files.put(name + "/dx" + std::to_string(l), {s.n(), s.h(), s.w(), s.c()}, numbers_of(pyramid[l].slot->gradient()));
  }
}

int run(char const* in, char const* out) {
  Files files(in);
  auto const list = std::make_shared<ParameterList>();
  Net const net(Scope(*list), {5, 6, 7, 8}, classes);
  Weights<Cpu> none(Cpu(1), list);
  for (std::string const& name : files.cases()) {
    auto const what = name.substr(0, name.find('.'));
    if (what == "head") {
      head_case(files, name, net, list);
      continue;
    }
    Case c(files, name, none);
    if (what == "postprocess") postprocess_case(c, net);
    for (auto const& [of, use] : {std::pair{"roi_align", &roi_align_case}, std::pair{"nms", &nms_case}, std::pair{"coder", &coder_case}, std::pair{"anchors", &anchors_case},
                                  std::pair{"proposals", &proposals_case}, std::pair{"match", &match_case}})
      if (what == of) use(c);
  }
  files.save(out);
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::fprintf(stderr, "usage: %s IN OUT\n", arguments[0]);
    return 2;
  }
  try {
    return run(arguments[1], arguments[2]);
  } catch (std::exception const& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
