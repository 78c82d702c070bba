// SPDX-License-Identifier: Apache-2.0
// Parity certificates that PyTorch made of three small models: every stage is met, a changed weight is found at its stage, and
// a certificate of other weights or of another form is refused.
#include "tadp/runs/certificate.hpp"

#include "../golden/sanitized.hpp"
#include "../io/scratch.hpp"
#include "certificate_model.hpp"

#include <doctest/doctest.h>

#include <fstream>

namespace {

using namespace tadp;
namespace fs = std::filesystem;

fs::path manifest(std::string const& name) { return certificate_model::folder() / (name + ".certificate.json"); }

/// A model of the tests in a folder of its own.
struct Made {
  scratch::Folder folder{};
  fs::path path = folder / "model.safetensors";
  explicit Made(std::string_view name) { certificate_model::write(name, path); }
};

/// A copy of a certificate whose manifest was edited.
fs::path edited(scratch::Folder const& folder, std::string const& name, std::function<void(nlohmann::json&)> const& edit) {
  auto const to = folder / (name + ".certificate.json");
  auto all = nlohmann::json::parse(std::ifstream(manifest(name)));
  edit(all);
  std::ofstream(to) << all.dump();
  fs::copy_file(fs::path(manifest(name)).replace_extension(".safetensors"), fs::path(to).replace_extension(".safetensors"), fs::copy_options::overwrite_existing);
  return to;
}

/// A parameter of a model, and the first stage that departs when a number of it was changed.
struct Changed {
  char const *parameter, *stage;
};

void check_departures(std::string const& name, std::span<Changed const> cases) {
  Made const made(name);
  auto const model = open_model(made.path);
  Golden const certificate(manifest(name));
  CertificatePass<GoldenTiny> pass(certificate, 1);
  load_weights_from(pass.weights(), std::span(&model, 1), made.path.string(), {.wanted = pass.read()});
  for (auto const& [parameter, stage] : cases.first(TADP_TEST_SANITIZED ? 2 : cases.size())) {  // a sanitizer makes each of them slow
    float& weight = *pass.weights().data(pass.weights().list().find(parameter));
    float const before = std::exchange(weight, weight + 3.0F);
    std::string first;
    GoldenCheck check(certificate, [&](GoldenRow const& row) {
      if (!row.ok && first.empty()) first = row.entry;
    });
    pass.run(check);
    weight = before;
    CHECK_MESSAGE(first == std::string(stage), std::string(parameter));
  }
}

}  // namespace

TEST_CASE("Every stage of a model with text encoder, adapter and head is PyTorch's") {
  Made const made("text");
  auto const report = verify_model(manifest("text"), open_model(made.path), {.threads = 1});
  CHECK(report.ok());
  CHECK(report.rows.size() > 80);
  CHECK(report.goldens[0].compared == report.rows.size());
  for (auto const& row : report.rows) CHECK_MESSAGE(row.error < 0.1 * row.bound, row.entry);
}

TEST_CASE("Every stage of a model with class embeddings in place of texts is PyTorch's") {
  Made const made("classes");
  auto const report = verify_model(manifest("classes"), open_model(made.path), {.threads = 1});
  CHECK(report.ok());
  CHECK(std::none_of(report.rows.begin(), report.rows.end(), [](GoldenRow const& row) { return row.entry.starts_with("clip."); }));
  CHECK(std::any_of(report.rows.begin(), report.rows.end(), [](GoldenRow const& row) { return row.entry == "seg.logits"; }));
}

TEST_CASE("Every stage of the heads of VOC, depth and detection is PyTorch's") {
  Made const made("heads");
  auto const report = verify_model(manifest("heads"), open_model(made.path), {.threads = 1});
  CHECK(report.ok());
  for (std::string const stage : {"voc.decoder", "voc.logits", "depth.conv_feats", "depth.logit", "depth.pred", "det.fpn.0", "det.rpn.objectness.3", "det.rpn.deltas.0", "det.class_logits", "det.box_regression"})
    CHECK_MESSAGE(std::any_of(report.rows.begin(), report.rows.end(), [&](GoldenRow const& row) { return row.entry == stage; }), stage);
  for (auto const& row : report.rows) CHECK_MESSAGE(row.error < 0.1 * row.bound, row.entry);
}

TEST_CASE("A changed weight departs first at the stage that reads it") {
  constexpr Changed cases[] = {{"first_stage_model.encoder.down.1.block.0.conv1.weight", "vae.down.1.block.0"},
                               {"first_stage_model.quant_conv.bias", "vae.moments"},
                               {"cond_stage_model.transformer.text_model.encoder.layers.1.mlp.fc1.weight", "clip.layer.1"},
                               {"gamma", "text.adapted"},
                               {"model.diffusion_model.time_embed.2.bias", "unet.emb"},
                               {"model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight", "unet.input_blocks.4.1.attn2.map"},
                               {"model.diffusion_model.middle_block.1.proj_out.bias", "unet.middle_block.1"},
                               {"model.diffusion_model.output_blocks.7.0.in_layers.2.weight", "unet.output_blocks.7.0"},
                               {"decode_head.scale_heads.2.0.bn.running_var", "seg.logits"}};
  check_departures("text", cases);
}

TEST_CASE("A changed weight of smp's decoder departs first at the stage that reads it") {
  constexpr Changed cases[] = {{"decode_head.decoder.p4.skip_conv.weight", "voc.decoder"},
                               {"decode_head.segmentation_head.0.bias", "voc.logits"},
                               {"decode_head.decoder.p5.bias", "voc.decoder"},
                               {"decode_head.decoder.seg_blocks.0.block.2.block.0.weight", "voc.decoder"},
                               {"decode_head.decoder.seg_blocks.3.block.0.block.1.bias", "voc.decoder"}};
  check_departures("heads", cases);
}

TEST_CASE("A changed weight of the detection head departs first at the stage that reads it") {
  constexpr Changed cases[] = {{"fpn.layer_blocks.2.0.weight", "det.fpn.2"},
                               {"decode_head.roi_heads.box_predictor.bbox_pred.weight", "det.box_regression"},
                               {"fpn.inner_blocks.3.0.bias", "det.fpn.0"},  // added to every finer level
                               {"fpn.layer_blocks.3.0.bias", "det.fpn.3"},
                               {"decode_head.rpn.head.conv.0.0.weight", "det.rpn.objectness.0"},
                               {"decode_head.rpn.head.cls_logits.bias", "det.rpn.objectness.0"},
                               {"decode_head.rpn.head.bbox_pred.weight", "det.rpn.deltas.0"},
                               {"decode_head.roi_heads.box_head.fc6.weight", "det.class_logits"},
                               {"decode_head.roi_heads.box_head.fc7.bias", "det.class_logits"},
                               {"decode_head.roi_heads.box_predictor.cls_score.weight", "det.class_logits"}};
  check_departures("heads", cases);
}

TEST_CASE("A changed weight of the depth head departs first at the stage that reads it") {
  constexpr Changed cases[] = {{"encoder.layer1.3.weight", "depth.conv_feats"},
                               {"last_layer_depth.2.bias", "depth.logit"},
                               {"encoder.layer2.0.bias", "depth.conv_feats"},
                               {"encoder.out_layer.1.weight", "depth.conv_feats"},
                               {"decoder.deconv_layers.3.weight", "depth.logit"},
                               {"decoder.conv_layers.1.running_mean", "depth.logit"},
                               {"last_layer_depth.0.weight", "depth.logit"}};
  check_departures("heads", cases);
}

TEST_CASE("A certificate of other weights is refused, and names a tensor that differs") {
  Made const made("classes");
  certificate_model::change(made.path, "model.diffusion_model.input_blocks.1.0.out_layers.3.bias", 3, 1.0F);
  auto const error = scratch::error_of([&] { verify_model(manifest("classes"), open_model(made.path), {.threads = 1}); });
  REQUIRE(error);
  CHECK(error->code() == Errc::format);
  CHECK(error->where().key == "model.diffusion_model.input_blocks.1.0.out_layers.3.bias");
}

TEST_CASE("On request other weights are compared all the same") {
  Made const made("classes");
  certificate_model::change(made.path, "model.diffusion_model.input_blocks.1.0.out_layers.3.bias", 3, 1.0F);
  auto const report = verify_model(manifest("classes"), open_model(made.path), {.any_weights = true, .threads = 1});
  REQUIRE(report.first_departure);
  CHECK(report.first_departure->entry == "unet.input_blocks.1.0");
}

TEST_CASE("A certificate that contradicts itself is refused") {
  Made const made("classes");
  auto const model = open_model(made.path);
  auto const refused = [&](std::function<void(nlohmann::json&)> const& edit) {
    auto const error = scratch::error_of([&] { verify_model(edited(made.folder, "classes", edit), model, {.threads = 1}); });
    return error ? std::optional(error->code()) : std::nullopt;
  };
  CHECK(refused([](auto& all) { all["meta"].erase("weights"); }) == Errc::format);
  CHECK(refused([](auto& all) { all["meta"]["head_classes"] = -1; }) == Errc::format);
  CHECK(refused([](auto& all) { all["meta"]["head_classes"] = 6; }) == Errc::key);
  CHECK(refused([](auto& all) { all["meta"]["class_embeddings"] = 0; }) == Errc::format);
  CHECK(refused([](auto& all) { all["meta"]["image"] = {1, 3, 64, 65}; }) == Errc::shape);
  CHECK(refused([](auto& all) { all["meta"]["image"] = {1, 3, 128, 128}; }) == Errc::shape);
  CHECK(refused([](auto& all) { all["meta"]["token_ids"][0][0] = 512; }) == Errc::argument);
  CHECK(refused([](auto& all) { all["meta"]["voc_classes"] = 5000; }) == Errc::format);
  CHECK(refused([](auto& all) { all["meta"]["max_depth"] = 80.0; }) == Errc::unsupported);
  CHECK(refused([](auto& all) { all["meta"]["detection_classes"] = 4; }) == Errc::key);
  CHECK(refused([](auto& all) { all["meta"].erase("certificate"); }) == Errc::unsupported);
  CHECK(refused([](auto& all) { all["tensors"]["latents"]["stride"] = 0; }) == Errc::shape);
}

TEST_CASE("The certificate of a model lies beside it") {
  CHECK(certificate_of("a/sd15.safetensors") == "a/sd15.certificate.json");
  CHECK(certificate_of("a/v1.5.ckpt") == "a/v1.5.certificate.json");
  scratch::Folder const folder;
  CHECK(certificate_of(folder / "") == (folder / "").parent_path().string() + ".certificate.json");
}
