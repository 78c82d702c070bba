// SPDX-License-Identifier: Apache-2.0
// The committed goldens, which make_fixture.py made with the reference; and that a comparison sees a changed weight: one
// weight of the layer behind each stage is changed, and that stage has to be the first that departs.
#include "golden_folder.hpp"
#include "sanitized.hpp"
#include "tadp/io/safetensors_write.hpp"
#include "tadp/runs/golden.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <random>
#include <regex>

using namespace tadp;

namespace {

Golden committed(char const* name) { return Golden(golden::fixture() / (std::string(name) + ".json")); }

/// Changes one weight of a parameter, and puts it back: the first one, or the first at the centre of a kernel, as the
/// corners of a kernel see nothing but padding in a picture of one row.
class OneWeight {
 public:
  OneWeight(Weights<Cpu>& weights, std::string const& key) {
    INFO(key);
    ParameterId const id = weights.list().find(key);
    REQUIRE(id);
    auto const& shape = weights.list()[id].shape;
    at_ = weights.data(id) + (shape.size() == 4 ? shape[2] * shape[3] / 2 * shape[1] : 0);
    before_ = *at_;
    *at_ += 0.75F;
  }
  OneWeight(OneWeight const&) = delete;
  ~OneWeight() { *at_ = before_; }

 private:
  float* at_ = nullptr;
  float before_ = 0.0F;
};

std::string replaced(std::string const& stage, char const* pattern, std::string const& by) { return std::regex_replace(stage, std::regex(pattern), by); }

/// A parameter of the layer that makes a stage, and nothing that comes before; empty for what no layer of its own makes.
std::string parameter_of(std::string const& stage, ParameterList const& list) {
  struct Rule {
    char const *pattern, *parameter;
  };
  static constexpr Rule rules[] = {
      {"vae\\.(down\\.\\d+\\.block\\.\\d+|mid\\.block_\\d)", "first_stage_model.encoder.$1.conv2.weight"},
      {"vae\\.(down\\.\\d+\\.downsample)", "first_stage_model.encoder.$1.conv.weight"},
      {"vae\\.mid\\.attn_1", "first_stage_model.encoder.mid.attn_1.proj_out.weight"},
      {"vae\\.moments", "first_stage_model.quant_conv.weight"},
      {"vae\\.(conv_in|conv_out)", "first_stage_model.encoder.$1.weight"},
      {"clip\\.embed", "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight"},
      {"clip\\.layer\\.(\\d+)", "cond_stage_model.transformer.text_model.encoder.layers.$1.mlp.fc2.weight"},
      {"clip\\.last_hidden", "cond_stage_model.transformer.text_model.final_layer_norm.weight"},
      {"text\\.adapted", "text_adapter.fc.2.weight"},
      {"unet\\.emb", "model.diffusion_model.time_embed.2.weight"},
      {"unet\\.(.*)\\.attn2\\.map", "model.diffusion_model.$1.transformer_blocks.0.attn2.to_q.weight"},
      {"seg\\.neck\\.(\\d)", "neck.fpn_convs.$1.conv.weight"},
      {"seg\\.logits", "decode_head.conv_seg.weight"},
  };
  for (Rule const& rule : rules)
    if (std::regex_match(stage, std::regex(rule.pattern))) return replaced(stage, rule.pattern, rule.parameter);
  // A module of the UNet: what it ends in.
  for (char const* end : {".out_layers.3.weight", ".proj_out.weight", ".op.weight", ".conv.weight", ".weight"}) {
    std::string const key = "model.diffusion_model." + stage.substr(std::min<std::size_t>(5, stage.size())) + end;
    if (stage.starts_with("unet.") && list.find(key)) return key;
  }
  return {};
}

/// Stages that follow from others without a layer: a parameter whose change they have to show.
constexpr struct {
  char const *stage, *parameter;
} without_a_layer[] = {
    {"latents", "first_stage_model.quant_conv.weight"},
    {"latent_mode_unscaled", "first_stage_model.quant_conv.weight"},
    {"latent_sample_scaled", "first_stage_model.quant_conv.weight"},
    {"text.pooled_eos", "cond_stage_model.transformer.text_model.final_layer_norm.weight"},
    {"feature.1", "model.diffusion_model.output_blocks.1.0.out_layers.3.weight"},
    {"feature.4", "model.diffusion_model.output_blocks.4.1.proj_out.weight"},
    {"feature.7", "model.diffusion_model.output_blocks.7.1.proj_out.weight"},
    {"feature.11", "model.diffusion_model.output_blocks.11.1.proj_out.weight"},
    {"unscaled.feature.1", "model.diffusion_model.output_blocks.1.0.out_layers.3.weight"},
    {"unscaled.feature.4", "model.diffusion_model.output_blocks.4.1.proj_out.weight"},
    {"unscaled.feature.7", "model.diffusion_model.output_blocks.7.1.proj_out.weight"},
    {"unscaled.feature.11", "model.diffusion_model.output_blocks.11.1.proj_out.weight"},
    {"map.level2", "model.diffusion_model.output_blocks.8.1.transformer_blocks.0.attn2.to_q.weight"},
    {"map.level4", "model.diffusion_model.output_blocks.5.1.transformer_blocks.0.attn2.to_q.weight"},
    {"selfmap.level2", "model.diffusion_model.output_blocks.8.1.transformer_blocks.0.attn1.to_q.weight"},
    {"selfmap.level4", "model.diffusion_model.output_blocks.5.1.transformer_blocks.0.attn1.to_q.weight"},
    {"pyramid.0", "model.diffusion_model.output_blocks.11.1.proj_out.weight"},
    {"pyramid.1", "model.diffusion_model.output_blocks.8.1.transformer_blocks.0.attn2.to_q.weight"},
    {"pyramid.2", "model.diffusion_model.output_blocks.5.1.transformer_blocks.0.attn2.to_q.weight"},
    {"pyramid.3", "model.diffusion_model.output_blocks.1.0.out_layers.3.weight"},
    {"seg.logits_resized", "decode_head.conv_seg.weight"},
    {"seg.loss_ce_mmseg", "decode_head.conv_seg.weight"},
    {"seg.loss_ce_non_ignore", "decode_head.conv_seg.weight"},
    // Heads beside the model's, whose weights are their own: they have to show a change of what they read.
    {"voc.decoder", "first_stage_model.quant_conv.weight"},
    {"voc.logits", "first_stage_model.quant_conv.weight"},
    {"voc.loss_focal_sum", "first_stage_model.quant_conv.weight"},
    {"voc.loss_ce_non_ignore", "first_stage_model.quant_conv.weight"},
    {"depth.conv_feats", "first_stage_model.quant_conv.weight"},
    {"depth.logit", "first_stage_model.quant_conv.weight"},
    {"depth.pred", "first_stage_model.quant_conv.weight"},
    {"depth.loss_silog", "first_stage_model.quant_conv.weight"},
};

}  // namespace

TEST_CASE("the committed goldens hold") {
  auto const report = verify_goldens(golden::fixture(), [](GoldenRow const& r) {
    INFO(r.golden << " " << r.entry << ": error " << r.error << ", bound " << r.bound << " " << r.note);
    CHECK(r.ok);
    CHECK(r.covered);
  }, {}, 2);
  CHECK(report.ok());
  CHECK(report.goldens.size() == 3);
  auto const json = nlohmann::json::parse(to_json(report));
  CHECK(json.at("ok") == true);
  CHECK(json.at("first_departure").is_null());
  CHECK(json.at("stages").size() == report.rows.size());
}

TEST_CASE("one changed weight shows at its stage first") {
  if (TADP_TEST_SANITIZED != 0) {
    MESSAGE("skipped: the passes of the case above, over and over");
    return;
  }
  Golden const g = committed("tiny_fixture");
  GoldenStages<GoldenTiny> pass(g, 2);
  golden::Collected found;
  auto check = found.check(g);
  pass.run(check);
  auto const rows = found.rows;
  std::size_t with_a_layer = 0;
  for (GoldenRow const& row : rows) {
    if (row.entry.starts_with("input.")) continue;
    CAPTURE(row.entry);
    auto const key = parameter_of(row.entry, pass.weights().list());
    if (!key.empty()) {
      ++with_a_layer;
      OneWeight const changed(pass.weights(), key);
      auto again = found.check(g);
      pass.run(again);
      CHECK(found.first_departure() == row.entry);
      continue;
    }
    auto const rule = std::find_if(std::begin(without_a_layer), std::end(without_a_layer), [&](auto const& r) { return r.stage == row.entry; });
    REQUIRE(rule != std::end(without_a_layer));
    OneWeight const changed(pass.weights(), rule->parameter);
    auto again = found.check(g);
    pass.run(again);
    CHECK(found.departs(row.entry));
  }
  CHECK(with_a_layer > 70);
  auto last = found.check(g);
  pass.run(last);
  CHECK(found.first_departure().empty());
}

TEST_CASE("one changed weight shows in every gradient, step and window") {
  if (TADP_TEST_SANITIZED != 0) {
    MESSAGE("skipped: the passes of the case above, over and over");
    return;
  }
  auto const change = [](Weights<Cpu>& weights) { *weights.data(weights.list().find("model.diffusion_model.input_blocks.0.0.weight")) += 0.75F; };
  golden::Collected found;
  Golden const gradients = committed("tiny_grads");
  auto check = found.check(gradients);
  GoldenGradients<GoldenTiny>(gradients, 2).run(check, {}, change);
  for (GoldenRow const& row : found.rows) {
    // Rates are no numbers of a model; a few steps move a far parameter within its bound all the same.
    if (row.entry.ends_with(".groups") || (row.entry.find(".adamw.") != std::string::npos && !row.entry.ends_with(".losses"))) continue;
    CAPTURE(row.entry);
    CHECK_FALSE(row.ok);
  }
  Golden const windows = committed("tiny_windows");
  auto slide = found.check(windows);
  GoldenWindows<GoldenTiny>(windows, 2).run(slide, {}, change);
  CHECK(found.departs("slide.logits"));
  CHECK(found.departs("slide.argmax"));
  CHECK(found.departs("depth_pad.logit"));
  CHECK(found.departs("depth_tta.pred"));
}

namespace {

/// A golden of one case in a folder of its own, with a manifest of the caller's.
struct Scratch {
  std::filesystem::path folder = std::filesystem::temp_directory_path() / ("tadp_golden_" + std::to_string(std::random_device{}()));
  Scratch() { std::filesystem::create_directories(folder); }
  Scratch(Scratch const&) = delete;
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  std::filesystem::path put(std::string const& manifest) const {
    std::vector<float> const values{1.0F, 2.0F};
    std::vector<TensorToWrite> const tensors{{.name = "mystery", .dtype = Dtype::F32, .shape = {2}, .values = values}};
    write_safetensors(folder / "case.safetensors", tensors);
    std::ofstream(folder / "case.json") << manifest;
    return folder / "case.json";
  }
};

}  // namespace

TEST_CASE("an unknown entry fails") {
  Scratch const scratch;
  scratch.put(R"({"meta": {"seed": 1}, "tensors": {"mystery": {"shape": [2], "dtype": "float32", "stride": 1, "count": 2, "mean": 1.5, "rms": 1.6, "absmax": 2}},
                 "scalars": {"focal.x": {"value": 1}, "riddle": {"value": 1}}, "tables": {}})");
  auto const report = verify_goldens(scratch.folder, {}, {}, 1);
  CHECK_FALSE(report.ok());
  CHECK(report.first_departure->entry == "mystery");
  CHECK(report.goldens[0].failed == 3);
  CHECK(report.goldens[0].waiting == 0);
}

TEST_CASE("what is no golden is refused") {
  Scratch const scratch;
  auto const code_of = [&](std::string const& manifest) {
    try {
      Golden const g(scratch.put(manifest));
    } catch (Error const& e) {
      return e.code();
    }
    return Errc::cancelled;
  };
  CHECK(code_of("{") == Errc::format);
  CHECK(code_of(R"({"meta": {}, "tensors": {"mystery": {}}})") == Errc::format);
  CHECK(code_of(R"({"meta": {}, "tensors": {}})") == Errc::key);
  CHECK(code_of(R"({"meta": {}, "tensors": {"mystery": {"shape": [3], "dtype": "float32", "stride": 1, "count": 3}}})") == Errc::shape);
  CHECK(code_of(R"({"meta": {"preset": "huge"}, "tensors": {"mystery": {"shape": [2], "dtype": "float32", "stride": 1, "count": 2}}})") == Errc::unsupported);
  CHECK_THROWS_AS(verify_goldens(scratch.folder / "nowhere"), Error);
}

TEST_CASE("a request stops a comparison") {
  Golden const g = committed("tiny_fixture");
  std::stop_source stop;
  stop.request_stop();
  GoldenCheck check(g, {});
  try {
    GoldenStages<GoldenTiny>(g, 1).run(check, {.stop = stop.get_token()});
    FAIL("it ran to its end");
  } catch (Error const& e) {
    CHECK(e.code() == Errc::cancelled);
  }
}

TEST_CASE("a folder that was asked for and lacks a kind of case fails" * doctest::should_fail()) {
  golden::for_each_case(golden::fixture(), GoldenKind::primitives, [](Golden const&) {});
}
