// SPDX-License-Identifier: Apache-2.0
#include "tadp/io/description.hpp"

#include "scratch.hpp"
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
