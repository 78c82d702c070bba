// SPDX-License-Identifier: Apache-2.0
#include "tadp/io/safetensors_write.hpp"

#include "safetensors_files.hpp"
#include "tadp/io/safetensors.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <string>
#include <vector>

using namespace tadp;
namespace fs = std::filesystem;

namespace {

template <class T>
std::span<std::byte const> bytes_of(std::vector<T> const& values) {
  return std::as_bytes(std::span(values));
}

std::vector<float> ramp(std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i) * 0.37f - 5.f;
  return values;
}

/// Writes one U8 tensor of this name.
void write_named(fs::path const& path, std::string const& name) {
  std::vector<std::uint8_t> const byte = {1};
  TensorToWrite const tensor{.name = name, .dtype = Dtype::U8, .shape = {1}, .bytes = bytes_of(byte)};
  write_safetensors(path, {&tensor, 1});
}

std::size_t files_in(fs::path const& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

}  // namespace

TEST_CASE("what is written is what the reference writes") {
  TempDir dir;
  std::vector<std::uint8_t> const bytes = {7};
  std::vector<float> const values = {1.f, 2.f};
  std::vector<std::int64_t> const wide = {3};
  TensorToWrite const tensors[] = {
      {.name = "b", .dtype = Dtype::U8, .shape = {1}, .bytes = bytes_of(bytes)},
      {.name = "z", .dtype = Dtype::F32, .shape = {2, 1}, .values = values},
      {.name = "a\"\xc3\xbc", .dtype = Dtype::U8, .shape = {0, 3}},
      {.name = "scalar", .dtype = Dtype::I64, .shape = {}, .bytes = bytes_of(wide)},
      {.name = "y", .dtype = Dtype::F32, .shape = {2}, .bytes = bytes_of(values)},
  };
  write_safetensors(dir.path / "a.safetensors", tensors, {{"k\t\x01", "v\"\\\x7f/"}});
  std::string header =
      "{\"__metadata__\":{\"k\\t\\u0001\":\"v\\\"\\\\\x7f/\"},"
      "\"scalar\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
      "\"y\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]},"
      "\"z\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[16,24]},"
      "\"a\\\"\xc3\xbc\":{\"dtype\":\"U8\",\"shape\":[0,3],\"data_offsets\":[24,24]},"
      "\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[24,25]}}";
  header.append((8 - header.size() % 8) % 8, ' ');
  auto expected = file_bytes(header);
  expected.append(reinterpret_cast<char const*>(wide.data()), 8);
  for (int i = 0; i < 2; ++i) expected.append(reinterpret_cast<char const*>(values.data()), 8);
  expected += '\x07';
  CHECK(get_file(dir.path / "a.safetensors") == expected);

  SafetensorsFile const file(dir.path / "a.safetensors");
  CHECK(file.metadata().at("k\t\x01") == "v\"\\\x7f/");
  CHECK(file.find("a\"\xc3\xbc")->shape == std::vector<std::uint64_t>{0, 3});
  CHECK(files_in(dir.path) == 1);
}

TEST_CASE("an empty file and an empty map") {
  TempDir dir;
  write_safetensors(dir.path / "a.safetensors", {});
  CHECK(get_file(dir.path / "a.safetensors") == file_bytes("{}      "));
  CHECK(SafetensorsFile(dir.path / "a.safetensors").entries().empty());
}

TEST_CASE("floats are rounded to the wanted format") {
  TempDir dir;
  auto const values = ramp(150'001);  // more than two blocks
  std::vector<TensorToWrite> tensors;
  for (auto const dtype : {Dtype::F16, Dtype::BF16, Dtype::F32, Dtype::F64})
    tensors.push_back({.name = std::string(to_string(dtype)), .dtype = dtype, .shape = {150'001}, .values = values});
  write_safetensors(dir.path / "a.safetensors", tensors);
  SafetensorsFile const file(dir.path / "a.safetensors");
  std::vector<float> out(values.size());
  auto const check = [&](char const* name, auto round) {
    file.read_f32(*file.find(name), out.data());
    CHECK(std::equal(out.begin(), out.end(), values.begin(), [&](float a, float b) { return a == round(b); }));
  };
  check("F16", [](float v) { return f16_to_f32(f32_to_f16(v)); });
  check("BF16", [](float v) { return bf16_to_f32(f32_to_bf16(v)); });
  check("F32", [](float v) { return v; });
  check("F64", [](float v) { return v; });
}

TEST_CASE("every dtype can be written and read") {
  TempDir dir;
  std::vector<std::uint8_t> data(64);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::uint8_t>(i * 37);
  std::vector<TensorToWrite> tensors;
  for (std::size_t i = 0; i < detail::dtype_rows.size(); ++i) {
    auto const dtype = static_cast<Dtype>(i);
    tensors.push_back({.name = std::string(to_string(dtype)),
                       .dtype = dtype,
                       .shape = {2, 4},
                       .bytes = bytes_of(data).first(bits_per_element(dtype))});
  }
  write_safetensors(dir.path / "a.safetensors", tensors);
  SafetensorsFile const file(dir.path / "a.safetensors");
  CHECK(file.entries().size() == tensors.size());
  for (auto const& tensor : tensors) {
    auto const* const entry = file.find(tensor.name);
    REQUIRE(entry != nullptr);
    CHECK(entry->dtype == tensor.dtype);
    CHECK(std::memcmp(file.data(*entry).data(), data.data(), tensor.bytes.size()) == 0);
  }
}

TEST_CASE("what could not be read back is not written") {
  TempDir dir;
  auto const path = dir.path / "a.safetensors";
  std::vector<float> const two = {1.f, 2.f};
  auto const write = [&](TensorToWrite const& tensor) { return [&] { write_safetensors(path, {&tensor, 1}); }; };
  failure(Errc::format, [&] { write_named(path, ""); });
  failure(Errc::format, [&] { write_named(path, "a\nb"); });
  failure(Errc::limit, [&] { write_named(path, std::string(5'000, 'x')); });
  failure(Errc::argument, [&] { write_named(path, "__metadata__"); });
  failure(Errc::argument, [&] { write_named(path, "\xff"); });
  failure(Errc::argument, [&] { write_safetensors(path, {}, {{"a", "\xff"}}); });
  failure(Errc::shape, write({.name = "a", .dtype = Dtype::F32, .shape = {3}, .values = two}));
  failure(Errc::shape, write({.name = "a", .dtype = Dtype::F32, .shape = {2}}));
  failure(Errc::shape, write({.name = "a", .dtype = Dtype::F32, .shape = {2}, .bytes = bytes_of(two), .values = two}));
  failure(Errc::shape, write({.name = "a", .dtype = Dtype::F4, .shape = {3}, .bytes = bytes_of(two).first(1)}));
  failure(Errc::shape, write({.name = "a", .dtype = Dtype::F32, .shape = {1ull << 62, 8}, .bytes = bytes_of(two)}));
  failure(Errc::unsupported, write({.name = "a", .dtype = Dtype::I32, .shape = {2}, .values = two}));
  failure(Errc::argument,
          write({.name = "a", .shape = std::vector<std::uint64_t>(64, 1), .bytes = bytes_of(two).first(4)}));
  TensorToWrite const twins[] = {{.name = "a", .shape = {2}, .values = two},
                                 {.name = "a", .shape = {2}, .values = two}};
  failure(Errc::argument, [&] { write_safetensors(path, twins); });
  CHECK(files_in(dir.path) == 0);
}

TEST_CASE("a failed write leaves nothing and harms nothing") {
  TempDir dir;
  auto const path = dir.path / "a.safetensors";
  write_named(path, "old");
  failure(Errc::shape, [&] {
    TensorToWrite const tensor{.name = "a", .shape = {1}};
    write_safetensors(path, {&tensor, 1});
  });
  CHECK(SafetensorsFile(path).find("old") != nullptr);
  failure(Errc::io, [&] { write_named(dir.path / "absent" / "b.safetensors", "x"); });
  failure(Errc::io, [&] { write_named(path / "b.safetensors", "x"); });
  failure(Errc::io, [&] { write_named(dir.path, "x"); });
  failure(Errc::io, [&] { write_named("/dev/full", "x"); });
  CHECK(files_in(dir.path) == 1);
}

TEST_CASE("a file that is mapped can be replaced") {
  TempDir dir;
  auto const path = dir.path / "a.safetensors";
  write_named(path, "old");
  SafetensorsFile const before(path);
  write_named(path, "new");
  CHECK(before.data(*before.find("old")).size() == 1);
  CHECK(SafetensorsFile(path).find("new") != nullptr);
}
