// SPDX-License-Identifier: Apache-2.0
#include "tadp/io/checkpoint.hpp"

#include "tadp/device/cpu.hpp"
#include "tadp/io/safetensors_write.hpp"
#include "tadp/io/weights.hpp"
#include "torch_bytes.hpp"

#include <doctest/doctest.h>

#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

using namespace tadp;
using namespace torch_bytes;
using namespace std::string_literals;

namespace {

std::string refuse(std::string const& bytes, std::string const& name = "model.ckpt") {
  TempDir dir;
  auto const path = dir.put(name, bytes);
  return failure(Errc::format, [&] { open_checkpoint(path); });
}

std::string bytes_of(Checkpoint const& checkpoint, TensorEntry const& entry) {
  std::string bytes(static_cast<std::size_t>(entry.size_bytes()), '\0');
  checkpoint.read_bytes(entry, reinterpret_cast<std::byte*>(bytes.data()));
  checkpoint.drop(entry);
  return bytes;
}

}  // namespace

TEST_CASE("what PyTorch wrote is read to the last bit") {
  auto const all = expected_tensors();
  REQUIRE(all.size() > 100);
  std::map<std::string, Checkpoint> open;
  for (auto const& wanted : all) {
    CAPTURE(wanted.file);
    CAPTURE(wanted.name);
    auto at = open.find(wanted.file);
    if (at == open.end()) at = open.emplace(wanted.file, open_checkpoint(fixtures() / wanted.file)).first;
    auto const* const entry = at->second.find(wanted.name);
    REQUIRE(entry != nullptr);
    CHECK(to_string(entry->dtype) == wanted.dtype);
    CHECK(entry->shape == wanted.shape);
    CHECK((bytes_of(at->second, *entry) == wanted.bytes));
    if (!converts_to_f32(entry->dtype)) continue;
    std::vector<float> values(wanted.bytes.size() * 8 / bits_per_element(entry->dtype)), expected(values.size());
    at->second.read_f32(*entry, values.data());
    convert_to_f32(entry->dtype, std::as_bytes(std::span(wanted.bytes)), expected.data());
    auto const same = [](float a, float b) { return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b); };
    CHECK(std::equal(values.begin(), values.end(), expected.begin(), same));
  }
  CHECK(open.size() == 21);
  for (auto const& [file, checkpoint] : open)
    CHECK((checkpoint.container() == Container::torch_zip) == (file.find(".zip.") != std::string::npos));
}

TEST_CASE("what stands beside the tensors is kept as text") {
  for (auto const* form : {"zip", "legacy"}) {
    auto const checkpoint = open_checkpoint(fixtures() / ("layouts."s + form + ".pth"));
    CHECK(checkpoint.wrapper() == "model");
    auto const& text = checkpoint.metadata();
    CHECK(text.at("global_step") == "40000");
    CHECK(text.at("arch") == "tadp");
    CHECK(text.at("best") == "None");
    CHECK(text.at("device") == "cuda:1");
    CHECK(text.at("dtype") == "torch.bfloat16");
    CHECK(text.at("shape") == "[4, 5]");
    CHECK(text.at("nested.a.b") == "-5");
    auto const lightning = open_checkpoint(fixtures() / ("lightning."s + form + ".ckpt"));
    CHECK(lightning.metadata().at("score") == "0.5");
    CHECK(lightning.metadata().at("count") == "-7");
    std::string skipped;
    for (auto const& what : lightning.skipped()) skipped += what + "\n";
    for (auto const* what : {"argparse.Namespace", "somebody.callbacks.Checkpointer", "functools.partial", "contains itself"})
      CHECK(contains(skipped, what));
  }
}

TEST_CASE("harmless values beside the weights are passed over, each by its name") {
  for (auto const* form : {"zip", "legacy"}) {
    auto const checkpoint = open_checkpoint(fixtures() / ("beside."s + form + ".ckpt"));
    CHECK(checkpoint.wrapper() == "state_dict");
    CHECK(checkpoint.entries().size() == 4);
    std::vector<std::string> const skipped(checkpoint.skipped().begin(), checkpoint.skipped().end());
    CHECK(skipped == std::vector<std::string>{"a tensor that repeats its numbers too often, to 25000000", "code.models.Config", "http.HTTPStatus", "os.terminal_size", "signal.Signals",
                                              "somebody.trainer.Outer.Inner", "somebody.trainer.Outer.Middle.Last", "torch.bits8", "torch.complex32"});
  }
}

TEST_CASE("tensors that wait for their sign are refused") {
  for (auto const* file : {"negated.zip.pth", "negated.legacy.pth", "conjugated.zip.pth", "conjugated.legacy.pth"})
    CHECK(contains(failure(Errc::unsupported, [&] { open_checkpoint(fixtures() / file); }), "resolve_neg().resolve_conj()"));
}

TEST_CASE("formats that are no weights are not converted") {
  auto const checkpoint = open_checkpoint(fixtures() / "dtypes.zip.pth");
  std::vector<float> out(8);
  CHECK(contains(failure(Errc::unsupported, [&] { checkpoint.read_f32(*checkpoint.find("int32"), out.data()); }), "I32"));
  REQUIRE(checkpoint.skipped().size() == 1);
  CHECK(checkpoint.skipped()[0] == "a tensor of complex128");
}

TEST_CASE("safetensors and shards go through the same door") {
  TempDir dir;
  auto const values = six();
  auto const bytes = std::as_bytes(std::span(values));
  std::vector<TensorToWrite> const tensors{{"a", Dtype::F32, {2, 3}, bytes, {}}};
  write_safetensors(dir.path / "x.ckpt", tensors, {{"made", "here"}});
  auto const one = open_checkpoint(dir.path / "x.ckpt");  // by content, not by name
  CHECK(one.container() == Container::safetensors);
  CHECK(one.metadata().at("made") == "here");
  CHECK(bytes_of(one, *one.find("a")) == values);
  std::vector<float> floats(6);
  one.read_f32(*one.find("a"), floats.data());
  CHECK(floats[5] == 5.0f);
  write_safetensors(dir.path / "s-1.safetensors", tensors, {});
  auto const index = dir.put("s.safetensors.index.json", R"({"weight_map":{"a":"s-1.safetensors"}})");
  CHECK(open_checkpoint(index).container() == Container::safetensors_shards);
  CHECK(open_checkpoint(index).entries().size() == 1);
  CHECK(open_checkpoint(dir.put("t.safetensors", legacy())).container() == Container::torch_legacy);
  CHECK(open_checkpoint(dir.put("u.safetensors", zip(checkpoint()).bytes)).container() == Container::torch_zip);
}

TEST_CASE("parameters are loaded from a PyTorch file") {
  auto list = std::make_shared<ParameterList>();
  list->add("weight", {2, 3}, Init::fan_in, true);
  list->add("bias", {2}, Init::zero, true);
  auto const all = expected_tensors();
  for (auto const* file : {"lightning.zip.ckpt", "lightning.legacy.ckpt"}) {
    Weights<Cpu> weights(Cpu(1), list);
    auto const checkpoint = open_checkpoint(fixtures() / file);
    load_weights_from(weights, std::span<Checkpoint const>(&checkpoint, 1), file);
    auto const wanted = std::find_if(all.begin(), all.end(), [&](Expected const& e) { return e.file == file && e.name == "weight"; });
    REQUIRE(wanted != all.end());
    std::vector<float> values(6);
    convert_to_f32(Dtype::F32, std::as_bytes(std::span(wanted->bytes)), values.data());
    CHECK(std::equal(values.begin(), values.end(), weights.data(ParameterId{0})));
  }
}

TEST_CASE("Z16 pickles that torch.save did not write") {
  CHECK(contains(refuse(pickle(dict({{"a", "K\x01"}})), "pytorch_model.bin"), "torch.save"));
  CHECK(contains(refuse("\x80\x04\x95\x0b\0\0\0\0\0\0\0}\x94."s), "pickle"));
}

TEST_CASE("what is no model is told by its content") {
  CHECK(contains(refuse(""), "empty"));
  CHECK(contains(refuse("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4265380512\n"), "git lfs pull"));
  CHECK(contains(refuse("<!DOCTYPE html><html><body>Sign in</body></html>"), "web page"));
  CHECK(contains(refuse("\n <html>"), "web page"));
  CHECK(contains(refuse("PK\x05\x06" + std::string(18, '\0')), "an empty zip archive"));
  CHECK(contains(refuse("abc"), "a file of a few bytes"));
  CHECK(contains(refuse("\x01\x02\x03", "model.safetensors"), "not finished"));
  CHECK(contains(refuse("GGUF\x03\0\0\0"s + std::string(64, '\1')), "GGUF"));
  CHECK(contains(refuse("\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"s), "picture"));
  CHECK(contains(refuse("\xff\xd8\xff\xe0\0\x10JFIF"s), "picture"));
  CHECK(contains(refuse("\x1f\x8b\x08\0\0\0\0\0"s), "gzip"));
  CHECK(contains(refuse(std::string("storages") + std::string(249, '\0') + "ustar\0"s + std::string(300, '\0')), "tar archive"));
  CHECK(contains(refuse("{\"error\":\"not found\"}"), "JSON"));
  CHECK(contains(refuse("Invalid username or password.\n"), "text"));
  CHECK(contains(refuse("Too many requests\n"), "text"));
  CHECK(contains(refuse(std::string(4096, '\0')), "not finished"));
  CHECK(contains(refuse("\x08\x07\x12\x07pytorch\x1a\x03"s + std::string(64, '\0')), "unknown kind"));
  CHECK(contains(refuse(zip({{"word/document.xml", "x"}}).bytes), "without a pickle"));
  CHECK(contains(refuse("#!/bin/sh\n" + zip(checkpoint()).bytes), "in front of it"));
  CHECK(contains(refuse(zip(checkpoint()).bytes.substr(0, 200)), "cut short"));
  CHECK(contains(refuse(legacy().substr(0, legacy().size() - 5)), "cut short"));
  TempDir dir;
  failure(Errc::io, [&] { open_checkpoint(dir.path); });
  failure(Errc::io, [&] { open_checkpoint(dir.path / "absent.ckpt"); });
  REQUIRE(::mkfifo((dir.path / "fifo").c_str(), 0600) == 0);
  failure(Errc::io, [&] { open_checkpoint(dir.path / "fifo"); });
}
