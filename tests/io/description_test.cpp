// SPDX-License-Identifier: Apache-2.0
#include "tadp/io/description.hpp"

#include "scratch.hpp"
#include "tadp/heads/depth.hpp"
#include "tadp/heads/detection.hpp"
#include "tadp/io/safetensors.hpp"
#include "tadp/io/safetensors_write.hpp"
#include "tadp/model.hpp"

#include <doctest/doctest.h>

namespace td = tadp;

namespace {

using Street = td::Backbone<td::UNetOf<td::street_unet>, td::TextEncoderOf<td::street_text>>;
using Tiny = td::Backbone<td::UNetOf<td::tiny_unet>, td::TextEncoderOf<td::tiny_text>>;
template <class Backbone, int Classes, class... Parts>
using ModelOf = td::Model<Backbone, td::PromptPolicy<Parts...>, td::Head<td::SegmentationOf<Classes, 32>>>;
using Usual = ModelOf<Street, td::dynamic, td::Caption, td::Modifier>;

td::ModelDescription example() {
  auto d = td::describe<Usual>();
  d.head_width = 32;
  d.classes = {{"road", {128, 64, 128}}, {"sky", {70, 130, 180}}};
  d.normalisation = td::Normalisation::imagenet();
  d.latent = {true, 0.3F};
  d.window = {192, 256};
  d.stride = 128;
  d.fit = {640, 480};
  d.vocabulary = {"a", "stra\xc3\x9f" "e", "street"};
  d.default_caption = "a \"street\"\nphoto";
  d.notes = {{"seed", "7"}, {"trained on", "rendered scenes"}};
  return d;
}

using Metres = td::DepthOf<td::DepthConfig{.embed = 16, .filters = 8, .max_depth = 80.0F}>;
using Boxes = td::DetectionOf<td::dynamic, td::DetectionConfig{.width = 16, .representation = 32, .stride = 4, .proposals = 50}>;
template <class... Heads>
using Several = td::Model<Street, td::PromptPolicy<td::Caption, td::Modifier>, td::Heads<Heads...>>;
using All = Several<td::Head<td::SegmentationOf<td::dynamic, 32>>, td::Head<Metres>, td::Head<Boxes>>;

td::HeadDescription labels_head() { return {.width = 32, .classes = {{"road", {128, 64, 128}}, {"sky", {70, 130, 180}}}}; }
td::HeadDescription boxes_head() { return td::describe_head<Boxes>({{"background", {}}, {"car", {1, 2, 3}}, {"sign", {}}}); }
td::ModelDescription several(std::vector<td::HeadDescription> heads = {labels_head(), td::describe_head<Metres>(), boxes_head()}) {
  auto d = example();
  td::set_heads(d, std::move(heads));
  return d;
}
template <class Call>
td::Error error_of(Call const& call) {
  try {
    call();
  } catch (td::Error const& e) {
    return e;
  }
  FAIL("no error");
  return {td::Errc::io, ""};
}
using Metadata = std::map<std::string, std::string>;

}  // namespace

TEST_CASE("a description returns as it was written, through a file, too") {
  auto const d = example();
  CHECK(td::description_of(td::to_metadata(d), "f") == d);
  scratch::Folder const folder;
  td::write_safetensors(folder / "m.safetensors", {}, td::to_metadata(d));
  td::SafetensorsFile const file(folder / "m.safetensors");
  CHECK(td::has_description(file.metadata()));
  CHECK(td::description_of(file.metadata(), "f") == d);
  CHECK(file.metadata().at("tadp.version") == "1.1");
}

TEST_CASE("versions") {
  auto m = td::to_metadata(example());
  m["tadp.version"] = "1.7";
  m["tadp.later"] = "something that a later minor version added";
  CHECK(td::description_of(m, "f") == example());
  // What 1.1 added: a file of 1.0 has it by the values that were the only ones then.
  auto old = td::to_metadata(example());
  old["tadp.version"] = "1.0";
  auto input = nlohmann::json::parse(old["tadp.input"]), vae = nlohmann::json::parse(old["tadp.vae"]);
  CHECK(input.erase("fit") == 1);
  CHECK(vae.erase("mid_attention") == 1);
  old["tadp.input"] = input.dump();
  old["tadp.vae"] = vae.dump();
  auto expected = example();
  expected.fit = {0, 0};
  expected.vae.mid_attention = true;
  CHECK(td::description_of(old, "f") == expected);
  m["tadp.version"] = "2.0";
  auto const newer = error_of([&] { td::description_of(m, "f"); });
  CHECK(newer.code() == td::Errc::unsupported);
  CHECK(newer.where().found == "2.0");
  for (char const* bad : {"", "1", "1.", "x.0", "0.9", "1.0.0", "-1.0", "99999999999.0"}) {
    m["tadp.version"] = bad;
    CHECK(error_of([&] { td::description_of(m, "f"); }).code() == td::Errc::format);
  }
  m.erase("tadp.version");
  CHECK_FALSE(td::has_description(m));
  CHECK(error_of([&] { td::description_of(m, "f"); }).code() == td::Errc::format);
}

TEST_CASE("damaged descriptions say where") {
  struct Case {
    char const* key;
    char const* value;
  };
  for (Case const& c : {Case{"tadp.unet", "{"}, Case{"tadp.unet", "[]"}, Case{"tadp.unet", "{}"}, Case{"tadp.vae", "null"}, Case{"tadp.text", "3"},
                        Case{"tadp.prompt", R"({"parts":"caption","class_embeddings":0,"default_caption":""})"},
                        Case{"tadp.prompt", R"({"parts":["caption"],"class_embeddings":-1,"default_caption":""})"},
                        Case{"tadp.prompt", R"({"parts":["caption"],"class_embeddings":1.5,"default_caption":""})"},
                        Case{"tadp.prompt", R"({"parts":["caption"],"class_embeddings":0,"default_caption":null})"},
                        Case{"tadp.classes", R"([{"name":"a","colour":[0,0,256]}])"}, Case{"tadp.classes", R"([{"name":"a","colour":[0,0]}])"},
                        Case{"tadp.classes", R"([{"colour":[0,0,0]}])"}, Case{"tadp.classes", R"({"a":1})"},
                        Case{"tadp.input", R"({"mean":[1,2,3],"deviation":[0,1,1],"window":[64,64],"stride":0,"latent":{"take":"mode","scale":1}})"},
                        Case{"tadp.input", R"({"mean":[1,2,3],"deviation":[1,1,1],"window":[64,1e9],"stride":0,"latent":{"take":"mode","scale":1}})"},
                        Case{"tadp.input", R"({"mean":[1,2,3],"deviation":[1,1,1],"window":[64,64],"stride":0,"latent":{"take":"median","scale":1}})"},
                        Case{"tadp.input", R"({"mean":[1,2,3],"deviation":[1,1,1],"window":[64,64],"stride":0,"flip":1,"latent":{"take":"mode","scale":1}})"},
                        Case{"tadp.vocabulary", R"([1])"}, Case{"tadp.notes", R"({"a":{}})"}, Case{"tadp.task", R"({"name":"segmentation","head_width":0})"}}) {
    auto m = td::to_metadata(example());
    m[c.key] = c.value;
    auto const e = error_of([&] { td::description_of(m, "model.safetensors"); });
    CHECK(e.code() == td::Errc::format);
    CHECK(e.where().file == "model.safetensors");
    CHECK(e.where().key.starts_with(c.key));
    m.erase(c.key);
    CHECK(error_of([&] { td::description_of(m, "f"); }).where().key == c.key);
  }
  auto m = td::to_metadata(example());
  m["tadp.notes"] = std::string(900'000, '[');
  CHECK(error_of([&] { td::description_of(m, "f"); }).code() == td::Errc::format);
  m["tadp.notes"] = std::string(450'000, '[') + std::string(450'000, ']');
  CHECK(error_of([&] { td::description_of(m, "f"); }).code() == td::Errc::format);
  m["tadp.notes"] = std::string(2'000'000, ' ');
  CHECK(error_of([&] { td::description_of(m, "f"); }).code() == td::Errc::limit);
  auto d = example();
  d.default_caption = "\xff";
  CHECK(error_of([&] { td::to_metadata(d); }).code() == td::Errc::argument);
}

TEST_CASE("a file for another model is refused with numbers") {
  auto const d = example();
  td::require_model<Usual>(d, "f");
  td::require_model<ModelOf<Street, 2, td::Caption>>(d, "f");  // a modifier has no channels
  auto const other = error_of([&] { td::require_model<ModelOf<Tiny, td::dynamic, td::Caption, td::Modifier>>(d, "m.safetensors"); });
  CHECK(other.code() == td::Errc::shape);
  CHECK(other.where().file == "m.safetensors");
  CHECK(other.where().key.starts_with("unet."));
  CHECK_FALSE(other.where().expected.empty());
  CHECK_FALSE(other.where().found.empty());
  auto groups = d;
  groups.unet.norm_groups = 16;  // comes after the name, which differs too
  CHECK(error_of([&] { td::require_model<Usual>(groups, "f"); }).where().key == "unet.norm_groups");
  auto const parts = error_of([&] { td::require_model<ModelOf<Street, td::dynamic, td::Caption, td::AveragedEos>>(d, "f"); });
  CHECK(parts.where().expected == "caption + averaged_eos");
  CHECK(parts.where().found == "caption + modifier");
  auto const classes = error_of([&] { td::require_model<ModelOf<Street, 3, td::Caption>>(d, "f"); });
  CHECK(classes.where().expected == "3");
  CHECK(classes.where().found == "2");
}

TEST_CASE("several heads return as they were written, and a file of labels keeps its form") {
  auto const d = several();
  auto const m = td::to_metadata(d);
  CHECK(m.at("tadp.version") == "1.2");
  CHECK(td::description_of(m, "f") == d);
  CHECK(d.task == "perception");  // what a program of 1.1 reads, and refuses
  CHECK(td::heads_of(d).size() == 3);
  auto looks = example();
  looks.stretch = looks.flip = true, looks.shifts = 2;
  CHECK(td::description_of(td::to_metadata(looks), "f") == looks);
  CHECK(td::to_metadata(looks).at("tadp.version") == "1.2");
  auto const boxes = td::find_head(td::description_of(m, "f"), "detection");
  REQUIRE(boxes);
  CHECK(boxes->classes.size() == 3);
  CHECK(boxes->detection.stride == 4);
  CHECK(boxes->detection.proposals == 50);
  CHECK(td::find_head(d, "depth")->depth.max_depth == 80.0F);
  CHECK_FALSE(td::find_head(d, "normals"));
  auto taught = several();
  taught.heads[1].depth.focal = 352.0F;
  CHECK(td::description_of(td::to_metadata(taught), "f") == taught);
  auto older = td::to_metadata(several());  // before there were cameras
  auto const at = older["tadp.heads"].find(R"("focal":0.0,)");
  REQUIRE(at != std::string::npos);
  older["tadp.heads"].erase(at, 12);
  CHECK(td::description_of(older, "f") == several());

  auto const plain = several({labels_head()});
  CHECK(plain == example());
  CHECK_FALSE(td::to_metadata(plain).contains("tadp.heads"));
  CHECK(td::heads_of(plain) == std::vector{labels_head()});
  auto const depth = several({td::describe_head<Metres>()});
  CHECK(depth.task == "depth");
  CHECK(td::description_of(td::to_metadata(depth), "f") == depth);
  auto diffusion = example();
  diffusion.task = "diffusion";
  CHECK(td::heads_of(diffusion).empty());
  CHECK(error_of([] { several({}); }).code() == td::Errc::argument);
  CHECK(error_of([] { several({labels_head(), labels_head()}); }).where().found == "segmentation");
}

TEST_CASE("damaged heads say where") {
  auto const refused = [](std::string const& text) {
    auto m = td::to_metadata(several());
    m["tadp.heads"] = text;
    auto const e = error_of([&] { td::description_of(m, "f"); });
    CHECK(e.where().key.starts_with("tadp.heads"));
    return e.code();
  };
  for (char const* bad : {"[]", "{}", "null", "[3]", R"([{"task":"depth","width":16,"classes":[]}])", R"([{"task":"depth","width":0,"classes":[],"depth":{}}])",
                          R"([{"task":"depth","width":16,"classes":[],"depth":{"filters":8,"deconvs":3,"kernel":2,"max_depth":0}}])",
                          R"([{"task":"depth","width":16,"classes":[],"depth":{"filters":8,"deconvs":3,"kernel":2.5,"max_depth":1}}])",
                          R"([{"task":"detection","width":16,"classes":[],"detection":{"representation":1,"stride":4,"anchor_sizes":[1,2,3],"best_of_level":1,"proposals":1,"detections":1}}])",
                          R"([{"task":"a","width":1,"classes":[]},{"task":"a","width":1,"classes":[]}])", R"([{"task":"a","width":1}])", R"([{"task":"a","width":1,"classes":[{"name":"b"}]}])"}) {
    CAPTURE(bad);
    CHECK(refused(bad) == td::Errc::format);
  }
  std::string many = "[", classes = R"([{"task":"a","width":1,"classes":[)";
  for (int i = 0; i < 17; ++i) many.append(i == 0 ? "" : ",").append(R"({"task":")" + std::to_string(i) + R"(","width":1,"classes":[]})");
  for (int i = 0; i < 5000; ++i) classes.append(i == 0 ? "" : ",").append(R"({"name":"a","colour":[0,0,0]})");
  CHECK(refused(many + "]") == td::Errc::limit);
  CHECK(refused(classes + "]}]") == td::Errc::limit);
}

TEST_CASE("a file of several heads is compared head by head") {
  td::require_model<All>(several(), "f");
  td::require_model<Several<td::Head<Metres>>>(several(), "f");  // some of the file's heads
  td::require_model<Several<td::Head<Metres>>>(several({td::describe_head<Metres>()}), "f");
  auto const lacks = error_of([] { td::require_model<All>(several({labels_head(), boxes_head()}), "m.safetensors"); });
  CHECK(lacks.code() == td::Errc::shape);
  CHECK(lacks.where().expected == "depth");
  CHECK(lacks.where().found == "segmentation + detection");
  auto farther = td::describe_head<Metres>();
  farther.depth.max_depth = 10.0F;
  auto const metres = error_of([&] { td::require_model<All>(several({labels_head(), farther, boxes_head()}), "f"); });
  CHECK(metres.where().key == "depth.max_depth");
  CHECK(metres.where().expected == "80.0");
  auto coarser = boxes_head();
  coarser.detection.stride = 8;
  CHECK(error_of([&] { td::require_model<All>(several({labels_head(), td::describe_head<Metres>(), coarser}), "f"); }).where().key == "detection.stride");
  CHECK(error_of([&] { td::require_model<Several<td::Head<Metres>>>(example(), "f"); }).where().key == "depth.task");
}
