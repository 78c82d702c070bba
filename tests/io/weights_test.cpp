// SPDX-License-Identifier: Apache-2.0
#include "tadp/io/weights.hpp"

#include "scratch.hpp"
#include "tadp/device/cpu.hpp"
#include "tadp/io/hash_rule.hpp"

#include <doctest/doctest.h>

#include <algorithm>

namespace td = tadp;
namespace fs = std::filesystem;

namespace {

std::shared_ptr<td::ParameterList const> some_parameters() {
  auto list = std::make_shared<td::ParameterList>();
  list->add("net.conv.weight", {4, 3, 3, 3}, td::Init::fan_in, true);
  list->add("net.conv.bias", {4}, td::Init::zero, true);
  list->add("net.linear.weight", {5, 4}, td::Init::fan_in, true);
  list->add("net.point.weight", {5, 4, 1, 1}, td::Init::fan_in, true);
  list->add("head.weight", {2, 5}, td::Init::fan_in, true);
  return list;
}
td::Weights<td::Cpu> weights_of(std::shared_ptr<td::ParameterList const> list, int seed = -1) {
  td::Weights<td::Cpu> w(td::Cpu(1), std::move(list));
  if (seed >= 0) td::fill_by_hash(w, static_cast<std::uint64_t>(seed));
  return w;
}
bool same(td::Weights<td::Cpu> const& a, td::Weights<td::Cpu> const& b) { return std::equal(a.flat(), a.flat() + a.list().floats(), b.flat()); }

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
bool says(td::Error const& e, std::string_view text) { return std::string_view(e.what()).find(text) != std::string_view::npos; }

}  // namespace

TEST_CASE("weights return as they were saved") {
  scratch::Folder const folder;
  auto const list = some_parameters();
  auto const saved = weights_of(list, 1);
  td::save_weights(saved, folder / "w.safetensors", td::Dtype::F32, {{"note", "x"}});
  auto loaded = weights_of(list);
  td::load_weights(loaded, {folder / "w.safetensors"});
  CHECK(same(loaded, saved));

  // The file holds the checkpoint's order: (out, in, row, column).
  td::SafetensorsFile const file(folder / "w.safetensors");
  CHECK(file.metadata().at("note") == "x");
  std::vector<float> stored(108), rule(108);
  file.read_f32(*file.find("net.conv.weight"), stored.data());
  td::hash_values(list->specs()[0], 1, rule.data());
  CHECK(stored == rule);
  CHECK(saved.data(list->find("net.conv.weight"))[1] == rule[9]);  // channel 1 of the first kernel position
}

TEST_CASE("half formats round and nothing more") {
  scratch::Folder const folder;
  auto const list = some_parameters();
  auto const saved = weights_of(list, 2);
  for (auto const& [dtype, bound] : {std::pair{td::Dtype::F16, 1e-3}, std::pair{td::Dtype::BF16, 8e-3}, std::pair{td::Dtype::F64, 0.0}}) {
    td::save_weights(saved, folder / "w.safetensors", dtype);
    auto loaded = weights_of(list);
    td::load_weights(loaded, {folder / "w.safetensors"});
    for (td::index_t i = 0; i < list->floats(); ++i)
      REQUIRE(std::abs(double(loaded.flat()[i]) - double(saved.flat()[i])) <= bound * std::max(1.0, std::abs(double(saved.flat()[i]))));
  }
}

TEST_CASE("later files override, filters select") {
  scratch::Folder const folder;
  auto const list = some_parameters();
  auto const first = weights_of(list, 1), second = weights_of(list, 2);
  td::save_weights(first, folder / "all.safetensors");
  td::save_weights(second, folder / "head.safetensors", td::Dtype::F32, {}, td::with_prefixes({"head."}));
  CHECK(td::SafetensorsFile(folder / "head.safetensors").entries().size() == 1);

  auto both = weights_of(list);
  td::load_weights(both, {folder / "all.safetensors", folder / "head.safetensors"});
  auto const head = list->find("head.weight"), conv = list->find("net.conv.weight");
  CHECK(std::equal(both.data(head), both.data(head) + 10, second.data(head)));
  CHECK(std::equal(both.data(conv), both.data(conv) + 108, first.data(conv)));

  auto part = weights_of(list);
  td::load_weights(part, {folder / "head.safetensors"}, {.wanted = td::with_prefixes({"head."}), .extra = td::ExtraKeys::refuse});
  CHECK(std::equal(part.data(head), part.data(head) + 10, second.data(head)));
  CHECK(part.data(conv)[0] == 0.0F);
  // What the model knows and nobody asked for is not extra.
  td::load_weights(part, {folder / "all.safetensors"}, {.wanted = td::with_prefixes({"head."}), .extra = td::ExtraKeys::refuse});
  CHECK(std::equal(part.data(head), part.data(head) + 10, first.data(head)));
  CHECK(part.data(conv)[0] == 0.0F);
}

TEST_CASE("a matrix and a convolution of one by one are the same") {
  scratch::Folder const folder;
  std::vector<float> values(20);
  for (std::size_t i = 0; i < 20; ++i) values[i] = static_cast<float>(i);
  td::TensorToWrite const tensors[] = {{"net.linear.weight", td::Dtype::F32, {5, 4, 1, 1}, {}, values}, {"net.point.weight", td::Dtype::F32, {5, 4}, {}, values}};
  td::write_safetensors(folder / "w.safetensors", tensors);
  auto w = weights_of(some_parameters());
  td::load_weights(w, {folder / "w.safetensors"}, {.wanted = td::with_prefixes({"net.linear", "net.point"})});
  for (char const* name : {"net.linear.weight", "net.point.weight"}) CHECK(std::equal(values.begin(), values.end(), w.data(w.list().find(name))));
}

TEST_CASE("one table tells all that does not fit, and nothing is changed") {
  scratch::Folder const folder;
  std::vector<float> values(200, 1.0F);
  auto const some = [&](std::size_t n) { return std::span<float const>(values).first(n); };
  td::TensorToWrite const tensors[] = {{"net.conv.wieght", td::Dtype::F32, {4, 3, 3, 3}, {}, some(108)},
                                       {"net.conv.bias", td::Dtype::F32, {3}, {}, some(3)},
                                       {"net.linear.weight", td::Dtype::F32, {4, 5}, {}, some(20)},
                                       {"net.point.weight", td::Dtype::F32, {5, 4, 1, 1}, {}, some(20)},
                                       {"stray", td::Dtype::F32, {2}, {}, some(2)}};
  auto const path = folder / "w.safetensors";
  td::write_safetensors(path, tensors);
  auto w = weights_of(some_parameters());
  auto const e = error_of([&] { td::load_weights(w, {path}); });
  CHECK(e.code() == td::Errc::key);
  CHECK(e.where().file == path.string());
  for (char const* text : {"2 missing, 2 of another shape", "net.conv.weight", "net.conv.wieght", "head.weight", "wants [4], the file has [3]", "wants [5, 4], the file has [4, 5]"})
    CHECK_MESSAGE(says(e, text), text << " in " << e.what());
  CHECK(std::all_of(w.flat(), w.flat() + w.list().floats(), [](float v) { return v == 0.0F; }));
}

TEST_CASE("parts that a pass does not read do not bury a misspelt name") {
  scratch::Folder const folder;
  auto list = std::make_shared<td::ParameterList>();
  list->add("first_stage_model.encoder.conv_in.weight", {2}, td::Init::zero, true);
  list->add("cond_stage_model.transformer.text_model.final_layer_norm.weight", {2}, td::Init::zero, true);
  std::vector<float> const two(2, 1.0F);
  std::vector<td::TensorToWrite> tensors;
  for (char const* const name : {"first_stage_model.encoder.conv_in.wieght", "first_stage_model.decoder.conv_in.weight", "first_stage_model.post_quant_conv.bias", "decode_head.conv_seg.bias", "model.diffusion_model.out.0.bias", "stray",
                                 "cond_stage_model.transformer.text_model.final_layer_norm.weight"})
    tensors.push_back({name, td::Dtype::F32, {2}, {}, two});
  td::write_safetensors(folder / "w.safetensors", tensors);
  td::Weights<td::Cpu> w(td::Cpu(1), list);
  auto const e = error_of([&] { td::load_weights(w, {folder / "w.safetensors"}); });
  CHECK(says(e, "1 missing, 0 of another shape, 2 extra"));
  CHECK(says(e, "the file has first_stage_model.encoder.conv_in.wieght"));
  CHECK_FALSE(says(e, "decoder"));
  // Where extra names are refused, every one is told.
  CHECK(says(error_of([&] { td::load_weights(w, {folder / "w.safetensors"}, {.extra = td::ExtraKeys::refuse}); }), "6 extra"));
}

TEST_CASE("extra names, other formats, files that are not there") {
  scratch::Folder const folder;
  auto const list = some_parameters();
  auto const saved = weights_of(list, 1);
  std::vector<float> const one(1, 1.0F);
  td::TensorToWrite const extra[] = {{"num_batches_tracked", td::Dtype::F32, {1}, {}, one}};
  td::save_weights(saved, folder / "w.safetensors");
  td::write_safetensors(folder / "extra.safetensors", extra);
  auto w = weights_of(list);
  td::load_weights(w, {folder / "w.safetensors", folder / "extra.safetensors"});
  CHECK(same(w, saved));
  auto const e = error_of([&] { td::load_weights(w, {folder / "w.safetensors", folder / "extra.safetensors"}, {.extra = td::ExtraKeys::refuse}); });
  CHECK(e.code() == td::Errc::key);
  CHECK(says(e, "num_batches_tracked"));

  std::vector<std::byte> const bytes(10);
  td::TensorToWrite const integers[] = {{"head.weight", td::Dtype::I8, {2, 5}, bytes, {}}};
  td::write_safetensors(folder / "i8.safetensors", integers);
  auto const i8 = error_of([&] { td::load_weights(w, {folder / "i8.safetensors"}, {.wanted = td::with_prefixes({"head"})}); });
  CHECK(i8.code() == td::Errc::unsupported);
  CHECK(i8.where().key == "head.weight");
  CHECK(error_of([&] { td::load_weights(w, {folder / "none.safetensors"}); }).code() == td::Errc::io);
  CHECK(error_of([&] { td::save_weights(saved, folder / "no" / "w.safetensors"); }).code() == td::Errc::io);
  CHECK(error_of([&] { td::save_weights(saved, folder / "x.safetensors", td::Dtype::I8); }).code() == td::Errc::unsupported);
  CHECK_FALSE(fs::exists(folder / "x.safetensors"));
}

TEST_CASE("a number beyond F16 keeps its parameter in F32, and does not become infinite") {
  scratch::Folder const folder;
  auto const list = some_parameters();
  auto saved = weights_of(list, 1);
  saved.data(td::ParameterId{0})[1] = 70000.0F;
  auto const path = folder / "w.safetensors";
  td::save_weights(saved, path, td::Dtype::F16);
  auto w = weights_of(list);
  td::load_weights(w, {path});
  CHECK(w.data(td::ParameterId{0})[1] == 70000.0F);
  td::SafetensorsFile const file(path);
  int full = 0, half = 0;
  for (auto const& entry : file.entries()) (entry.dtype == td::Dtype::F32 ? full : half) += 1;
  CHECK(full == 1);
  CHECK(half >= 1);
}
