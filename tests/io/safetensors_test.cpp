// SPDX-License-Identifier: Apache-2.0
#include "tadp/io/safetensors.hpp"

#include "safetensors_files.hpp"
#include "tadp/io/safetensors_set.hpp"
#include "tadp/io/safetensors_write.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

using namespace tadp;
namespace fs = std::filesystem;

namespace {

SafetensorsHeader parse(std::string const& file, SafetensorsLimits const& limits = {}) {
  // A copy of exactly this length on the heap: reading one byte too far is seen by the address sanitizer.
  auto const copy = std::make_unique<std::byte[]>(file.size());
  if (!file.empty()) std::memcpy(copy.get(), file.data(), file.size());
  return parse_safetensors({copy.get(), file.size()}, "test", limits);
}

std::string refuse(Errc code, std::string const& file, SafetensorsLimits const& limits = {}) {
  return failure(code, [&] { parse(file, limits); });
}

/// A file of one tensor "a" of four data bytes, with this text in place of its dtype, shape and data_offsets.
std::string one(std::string const& members) { return file_bytes("{\"a\":{" + members + "}}", 4); }

std::string one(std::string const& dtype, std::string const& shape, std::string const& offsets) {
  return one("\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets);
}

std::string text_of(std::size_t length, std::string const& unit) {
  std::string text;
  while (text.size() < length) text += unit;
  return text;
}

}  // namespace

TEST_CASE("S1 empty file") {
  TempDir dir;
  auto const path = dir.put("a.safetensors", "");
  CHECK(contains(failure(Errc::format, [&] { SafetensorsFile{path}; }), "empty"));
}

TEST_CASE("S2 seven bytes") { CHECK(contains(refuse(Errc::format, std::string("\x02\0\0\0\0\0\0", 7)), "short")); }

TEST_CASE("S3 header length zero") { refuse(Errc::format, length_bytes(0)); }

TEST_CASE("S4 header length past the end") {
  CHECK(contains(refuse(Errc::format, length_bytes(100) + "{}"), "past the end"));
  CHECK(contains(refuse(Errc::format, length_bytes(3) + "{}"), "at byte 0"));
  // The length 0x8b1f reads as a gzip signature; a header that was cut short is still called that.
  CHECK(contains(refuse(Errc::format, length_bytes(0x88b1f) + "{\"a\""), "cut short"));
}

TEST_CASE("S5 header length above the limit") {
  CHECK(contains(refuse(Errc::limit, length_bytes(100'000'001) + "{}"), "100000000"));
  SafetensorsLimits limits;
  limits.max_header = 8;
  refuse(Errc::limit, file_bytes("{       }"), limits);
  CHECK(parse(file_bytes("{      }"), limits).entries.empty());
}

TEST_CASE("S6 header length that wraps") {
  for (std::uint64_t i = 0; i < 16; ++i) refuse(Errc::limit, length_bytes(~i) + "{}");
}

TEST_CASE("S7 header is not UTF-8") {
  for (auto const* bad : {"\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82"}) {
    refuse(Errc::format, file_bytes("{" + member("a" + std::string(bad), "U8", "[1]", 0, 1) + "}", 1));
    refuse(Errc::format, file_bytes("{\"__metadata__\":{\"a\":\"" + std::string(bad) + "\"}}"));
    refuse(Errc::format, file_bytes("{" + std::string(bad) + "}"));
  }
  refuse(Errc::format, file_bytes(R"({"__metadata__":{"a":"\ud800"}})"));
  CHECK(parse(file_bytes(R"({"__metadata__":{"a":"\ud83d\ude00"}})")).metadata.at("a") == "\xf0\x9f\x98\x80");
}

TEST_CASE("S8 truncated JSON") {
  auto const header = "{\"__metadata__\":{\"k\":\"v\"}," + member("a", "F32", "[1]", 0, 4) + "}";
  for (std::size_t length = 0; length < header.size(); ++length)
    refuse(Errc::format, file_bytes(header.substr(0, length), 4));
  CHECK(parse(file_bytes(header, 4)).entries.size() == 1);
}

TEST_CASE("S9 text or NUL after the header") {
  using namespace std::string_literals;
  for (auto const& tail : {"x"s, "{}"s, ","s, "\0"s, "\0\0\0"s, " \0"s, "/* */"s, "//"s})
    refuse(Errc::format, file_bytes("{}" + tail));
  refuse(Errc::format, file_bytes("{\0}"s));
  CHECK(parse(file_bytes("{} \n\t\r ")).entries.empty());
}

TEST_CASE("S10 header is not an object") {
  for (auto const* header : {"[]", "1", "\"x\"", "null", "true", "-1", "nan", "   ", "'"})
    CHECK(contains(refuse(Errc::format, file_bytes(header)), "object"));
}

TEST_CASE("S11 leading white space is fine, a byte order mark is not") {
  CHECK(parse(file_bytes(" \n\t\r{}")).entries.empty());
  CHECK(contains(refuse(Errc::format, file_bytes("\xef\xbb\xbf{}")), "byte order mark"));
  refuse(Errc::format, file_bytes(" \xef\xbb\xbf{}"));
}

TEST_CASE("S12 nesting a million deep") {
  for (auto const* unit : {"[", "{\"a\":"}) {
    auto const deep = text_of(1'000'000, unit);
    CHECK_THROWS_AS(parse(file_bytes("{\"a\":" + deep)), Error);
    refuse(Errc::format, file_bytes("{\"__metadata__\":{\"a\":" + deep));
    refuse(Errc::format, file_bytes("{\"a\":{\"shape\":[" + deep));
    CHECK_THROWS_AS(parse(file_bytes("{\"a\":{\"x\":" + deep)), Error);
    CHECK_THROWS_AS(parse(file_bytes(deep)), Error);
  }
}

TEST_CASE("S13 duplicate tensor name") {
  auto const a = member("a", "U8", "[1]", 0, 1), again = member("a", "U8", "[1]", 1, 2);
  CHECK(contains(refuse(Errc::key, file_bytes("{" + a + "," + again + "}", 2)), "key: a"));
  CHECK(contains(refuse(Errc::key, file_bytes("{" + a + "," + member("\\u0061", "U8", "[1]", 1, 2) + "}", 2)), "same"));
  refuse(Errc::key, file_bytes(R"({"__metadata__":{},"__metadata__":{}})"));
  refuse(Errc::key, file_bytes(R"({"__metadata__":{"a":"1","a":"2"}})"));
}

TEST_CASE("S14 duplicate member of a tensor") {
  refuse(Errc::key, one(R"("dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4])"));
  refuse(Errc::key, one(R"("dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4])"));
  refuse(Errc::key, one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4],"data_offsets":[0,4])"));
}

TEST_CASE("S15 metadata values that are no strings") {
  for (auto const* value : {"1", "null", "{}", "[]", "true", "1.5", "-1"}) {
    refuse(Errc::format, file_bytes("{\"__metadata__\":{\"a\":" + std::string(value) + "}}"));
    if (std::string(value) != "{}") refuse(Errc::format, file_bytes("{\"__metadata__\":" + std::string(value) + "}"));
  }
  refuse(Errc::format, file_bytes(R"({"__metadata__":"a"})"));
}

TEST_CASE("S16 missing member of a tensor") {
  CHECK(contains(refuse(Errc::key, one(R"("shape":[1],"data_offsets":[0,4])")), "dtype"));
  CHECK(contains(refuse(Errc::key, one(R"("dtype":"F32","data_offsets":[0,4])")), "shape"));
  CHECK(contains(refuse(Errc::key, one(R"("dtype":"F32","shape":[1])")), "data_offsets"));
  refuse(Errc::key, one(""));
}

TEST_CASE("S17 unknown member of a tensor") {
  CHECK(
      contains(refuse(Errc::key, one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4],"device":"cuda")")), "device"));
}

TEST_CASE("S18 unknown dtype") {
  for (auto const* dtype : {"\"F128\"", "\"f32\"", "\"\"", "7", "null", "[\"F32\"]", "{}", "true"})
    CHECK(contains(refuse(Errc::format, one(dtype, "[1]", "[0,4]")), "dtype"));
}

TEST_CASE("S19 dimensions that are no counts") {
  for (auto const* dim : {"-1", "1.5", "\"4\"", "1e3", "true", "null", "[1]", "{}", "-0", "1.0"})
    CHECK(contains(refuse(Errc::format, one("\"F32\"", "[" + std::string(dim) + "]", "[0,4]")), "integer"));
  for (auto const* shape : {"1", "null", "\"1\"", "{}"}) refuse(Errc::format, one("\"F32\"", shape, "[0,4]"));
  for (auto const* number : {"01", "+1", "0x1", "1_0", "NaN", ".5", "1."})
    refuse(Errc::format, one("\"F32\"", "[" + std::string(number) + "]", "[0,4]"));
}

TEST_CASE("S20 integers that are too large") {
  for (auto const* number : {"18446744073709551616", "99999999999999999999999999", "9223372036854775808", "1e999"}) {
    refuse(Errc::format, one("\"F32\"", "[" + std::string(number) + "]", "[0,4]"));
    refuse(Errc::format, one("\"F32\"", "[1]", "[0," + std::string(number) + "]"));
  }
}

TEST_CASE("S21 shape whose product overflows") {
  refuse(Errc::format, one("\"F32\"", "[2,18446744073709551614]", "[0,4]"));
  refuse(Errc::shape, one("\"F32\"", "[3,9223372036854775807]", "[0,4]"));
}

TEST_CASE("S22 shape whose size in bytes overflows") {
  refuse(Errc::shape, one("\"F32\"", "[2,9223372036854775807]", "[0,4]"));
  refuse(Errc::shape, one("\"U8\"", "[2305843009213693952]", "[0,0]"));  // 2^61 bytes, 2^64 bits
}

TEST_CASE("S23 shape that overflows before a zero") {
  refuse(Errc::format, one("\"F32\"", "[9223372036854775808,2,0]", "[0,0]"));
  refuse(Errc::shape, one("\"F32\"", "[4611686018427387904,4,0]", "[0,0]"));
}

TEST_CASE("S24 one or three offsets") {
  for (auto const* offsets : {"[]", "[0]", "[0,4,4]", "4", "{}", "null", "\"04\"", "[[0,4]]", "[0,\"4\"]", "[0,-4]"})
    refuse(Errc::format, one("\"F32\"", "[1]", offsets));
}

TEST_CASE("S25 end before begin") {
  CHECK(contains(refuse(Errc::format, one("\"F32\"", "[1]", "[4,0]")), "ends before"));
}

TEST_CASE("S26 end past the file") {
  CHECK(contains(refuse(Errc::format, one("\"F32\"", "[2]", "[0,8]")), "past the end"));
  refuse(Errc::format, one("\"F32\"", "[1]", "[9223372036854775803,9223372036854775807]"));
}

TEST_CASE("S27 first tensor does not begin at zero") {
  CHECK(contains(refuse(Errc::format, file_bytes("{" + member("a", "F32", "[1]", 4, 8) + "}", 8)), "belong to none"));
}

TEST_CASE("S28 hole between tensors") {
  auto const header = "{" + member("a", "F32", "[1]", 0, 4) + "," + member("b", "F32", "[1]", 8, 12) + "}";
  auto const text = refuse(Errc::format, file_bytes(header, 12));
  CHECK(contains(text, "key: b"));
  CHECK(contains(text, "at byte " + std::to_string(8 + header.size() + 4)));
}

TEST_CASE("S29 two tensors share bytes") {
  auto const with = [](std::uint64_t begin) {
    return file_bytes("{" + member("a", "F32", "[2]", 0, 8) + "," + member("b", "F32", "[2]", begin, begin + 8) + "}",
                      16);
  };
  refuse(Errc::format, with(0));
  CHECK(contains(refuse(Errc::format, with(4)), "share"));
  CHECK(parse(with(8)).entries.size() == 2);
}

TEST_CASE("S30 a hundred thousand tensors over the same bytes") {
  std::string header = "{";
  for (int i = 0; i < 100'000; ++i) header += (i > 0 ? "," : "") + member("t" + std::to_string(i), "F32", "[4]", 0, 16);
  auto const file = file_bytes(header + "}", 16);
  CHECK(contains(refuse(Errc::format, file), "share"));
  SafetensorsLimits limits;
  limits.max_tensors = 1'000;
  CHECK(contains(refuse(Errc::limit, file, limits), "1000"));
}

TEST_CASE("S31 trailing bytes") {
  CHECK(contains(refuse(Errc::format, file_bytes("{" + member("a", "F32", "[1]", 0, 4) + "}", 5)), "after the last"));
  refuse(Errc::format, file_bytes("{}", 1));
}

TEST_CASE("S32 file two bytes short") {
  CHECK(contains(refuse(Errc::format, file_bytes("{" + member("a", "F32", "[1]", 0, 4) + "}", 2)), "cut short"));
}

TEST_CASE("S33 size does not fit shape and dtype") {
  CHECK(contains(refuse(Errc::shape, one("\"F32\"", "[2]", "[0,4]")), "F32 [2]"));
  refuse(Errc::shape, one("\"F16\"", "[1]", "[0,4]"));
  refuse(Errc::shape, one("\"F32\"", "[0]", "[0,4]"));
  refuse(Errc::shape, one("\"F32\"", "[1]", "[0,0]"));
}

TEST_CASE("S34 packed elements that do not fill a byte") {
  CHECK(contains(refuse(Errc::shape, file_bytes("{" + member("a", "F4", "[3]", 0, 1) + "}", 1)), "whole bytes"));
  refuse(Errc::shape, file_bytes("{" + member("a", "F6_E2M3", "[2]", 0, 1) + "}", 1));
  CHECK(parse(file_bytes("{" + member("a", "F4", "[4]", 0, 2) + "}", 2)).entries[0].size_bytes() == 2);
  CHECK(parse(file_bytes("{" + member("a", "F6_E3M2", "[4]", 0, 3) + "}", 3)).entries[0].dtype == Dtype::F6_E3M2);
}

TEST_CASE("S35 floats at an odd address") {
  TempDir dir;
  auto const header = "{" + member("a", "U8", "[1]", 0, 1) + "," + member("b", "F32", "[2]", 1, 9) + "}";
  auto bytes = file_bytes(header + (header.size() % 2 == 0 ? "" : " "), 1);
  float const values[] = {1.25f, -3.f};
  bytes.append(reinterpret_cast<char const*>(values), sizeof(values));
  SafetensorsFile const file(dir.put("odd.safetensors", bytes));
  auto const* const b = file.find("b");
  REQUIRE(b != nullptr);
  CHECK(reinterpret_cast<std::uintptr_t>(file.data(*b).data()) % 2 == 1);
  float out[2] = {};
  file.read_f32(*b, out);
  CHECK(out[0] == 1.25f);
  CHECK(out[1] == -3.f);
  CHECK(contains(failure(Errc::unsupported, [&] { file.read_f32(*file.find("a"), out); }), "U8"));
}

TEST_CASE("S36 tensors of no elements and of no dimensions") {
  TempDir dir;
  auto const header = "{" + member("none", "F32", "[3,0,2]", 0, 0) + "," + member("scalar", "F32", "[]", 0, 4) + "," +
                      member("end", "I64", "[0]", 4, 4) + "}";
  SafetensorsFile const file(dir.put("a.safetensors", file_bytes(header, 4)));
  CHECK(file.entries().size() == 3);
  CHECK(file.data(*file.find("none")).empty());
  CHECK(file.data(*file.find("end")).empty());
  float value = 1;
  file.read_f32(*file.find("scalar"), &value);
  file.read_f32(*file.find("none"), nullptr);
  CHECK(value == 0.f);
  for (auto const& entry : file.entries()) file.drop(entry);
  // Nothing may begin inside another tensor, even if it has no bytes.
  refuse(Errc::format,
         file_bytes("{" + member("a", "F32", "[1]", 0, 4) + "," + member("b", "F32", "[0]", 2, 2) + "}", 4));
}

TEST_CASE("S37 rank 64") {
  auto const of_rank = [](int rank) {
    std::string shape = "[1";
    for (int i = 1; i < rank; ++i) shape += ",1";
    return one("\"F32\"", shape + "]", "[0,4]");
  };
  CHECK(contains(refuse(Errc::limit, of_rank(64)), "dimensions"));
  CHECK(parse(of_rank(8)).entries[0].shape.size() == 8);
}

TEST_CASE("S38 names that cannot be shown") {
  auto const named = [](std::string const& name) {
    return file_bytes("{" + member(name, "F32", "[1]", 0, 4) + "}", 4);
  };
  refuse(Errc::format, named(""));
  CHECK(refuse(Errc::limit, named(std::string(1'000'000, 'x'))).size() < 2'000);
  for (auto const* name : {"a\\u0000b", "a\\nb", "a\\u001b[2J", "\\u007f", "\\u009b2J"}) {
    auto const text = refuse(Errc::format, named(name));
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(text.find('\n') == std::string::npos);
  }
  CHECK(parse(named("gr\xc3\xbc\xc3\x9f e/../.")).entries[0].name == "gr\xc3\xbc\xc3\x9f e/../.");
}

TEST_CASE("S39 weights that are not finite load and are counted") {
  TempDir dir;
  auto const infinity = std::numeric_limits<float>::infinity();
  float const values[] = {1.f, infinity, std::nanf(""), -infinity};
  TensorToWrite const tensor{.name = "a", .dtype = Dtype::F16, .shape = {4}, .values = values};
  write_safetensors(dir.path / "a.safetensors", {&tensor, 1});
  SafetensorsFile const file(dir.path / "a.safetensors");
  float out[4] = {};
  file.read_f32(file.entries()[0], out);
  CHECK(out[1] == infinity);
  CHECK(std::isnan(out[2]));
  CHECK(count_nonfinite(Dtype::F16, file.data(file.entries()[0])) == 3);
}

namespace {

/// Two shards, a with x and y, b with z, and whatever index a test needs.
struct Shards {
  TempDir dir{};
  Shards() {
    dir.put("a.safetensors", file_bytes("{\"__metadata__\":{\"from\":\"a\"}," + member("x", "F32", "[1]", 0, 4) + "," +
                                            member("y", "U8", "[4]", 4, 8) + "}",
                                        8));
    dir.put("b.safetensors", file_bytes("{" + member("z", "F32", "[2]", 0, 8) + "}", 8));
  }
  fs::path index(std::string const& text) const { return dir.put("model.safetensors.index.json", text); }
  fs::path map(std::string const& x, std::string const& y, std::string const& z) const {
    return index("{\"metadata\":{\"total_size\":1.6e1,\"more\":[1,{\"a\":null}]},\"weight_map\":{\"x\":\"" + x +
                 "\",\"y\":\"" + y + "\",\"z\":\"" + z + "\"},\"other\":[[],true]}");
  }
};

std::string refuse_set(Errc code, fs::path const& path) {
  return failure(code, [&] { SafetensorsSet{path}; });
}

}  // namespace

TEST_CASE("S40 shard index") {
  Shards const shards;
  SUBCASE("is read as one list") {
    SafetensorsSet const set(shards.map("a.safetensors", "a.safetensors", "b.safetensors"));
    CHECK(set.entries().size() == 3);
    CHECK(set.files().size() == 2);
    CHECK(set.metadata().at("from") == "a");
    CHECK(set.find("w") == nullptr);
    for (auto const* name : {"x", "y", "z"}) REQUIRE(set.find(name) != nullptr);
    CHECK(set.data(*set.find("z")).size() == 8);
    float out[2] = {1, 1};
    set.read_f32(*set.find("z"), out);
    set.drop(*set.find("z"));
    CHECK(out[1] == 0.f);
    TensorEntry foreign = set.entries()[0];
    foreign.file = 2;
    failure(Errc::argument, [&] { set.data(foreign); });
  }
  SUBCASE("one file is a set as well") {
    SafetensorsSet const set(shards.dir.path / "a.safetensors");
    CHECK(set.entries().size() == 2);
    CHECK(set.data(*set.find("y")).size() == 4);
  }
  SUBCASE("with a path instead of a name") {
    auto const absolute = (shards.dir.path / "b.safetensors").string();
    for (auto const& bad : {absolute, std::string("../b.safetensors"), std::string(".."), std::string("."),
                            std::string(""), std::string("sub/b.safetensors"), std::string("..\\\\b.safetensors"),
                            std::string("C:b.safetensors"), std::string("b\\u0000.safetensors")})
      CHECK(contains(refuse_set(Errc::format, shards.map("a.safetensors", "a.safetensors", bad)), "file name"));
  }
  SUBCASE("with a symbolic link, which download caches make") {
    fs::create_symlink("b.safetensors", shards.dir.path / "c.safetensors");
    CHECK(SafetensorsSet(shards.map("a.safetensors", "a.safetensors", "c.safetensors")).entries().size() == 3);
    fs::create_symlink("loop.safetensors", shards.dir.path / "loop.safetensors");
    refuse_set(Errc::io, shards.map("a.safetensors", "a.safetensors", "loop.safetensors"));
    fs::create_symlink("/dev/zero", shards.dir.path / "zero.safetensors");
    refuse_set(Errc::io, shards.map("a.safetensors", "a.safetensors", "zero.safetensors"));
  }
  SUBCASE("with a hard link that gives the same tensors twice") {
    fs::create_hard_link(shards.dir.path / "a.safetensors", shards.dir.path / "c.safetensors");
    refuse_set(Errc::key, shards.map("a.safetensors", "c.safetensors", "b.safetensors"));
  }
  SUBCASE("with a shard that is missing") {
    auto const index = shards.map("a.safetensors", "a.safetensors", "c.safetensors");
    auto const text = refuse_set(Errc::io, index);
    CHECK(contains(text, "a shard is missing; file: " + (shards.dir.path / "c.safetensors").string()));
    CHECK(contains(text, "expected: the file that " + index.string() + " lists for 1 tensors"));
  }
  SUBCASE("with a tensor in two shards") {
    shards.dir.put(
        "b.safetensors",
        file_bytes("{" + member("z", "F32", "[2]", 0, 8) + "," + member("x", "F32", "[1]", 8, 12) + "}", 12));
    refuse_set(Errc::key, shards.map("a.safetensors", "a.safetensors", "b.safetensors"));
    refuse_set(Errc::key, shards.index(R"({"weight_map":{"x":"a.safetensors","y":"a.safetensors",
                                           "z":"b.safetensors","x":"b.safetensors"}})"));
    refuse_set(Errc::key, shards.index(R"({"weight_map":{"x":"a.safetensors","y":"a.safetensors",
                                           "y":"a.safetensors"}})"));
  }
  SUBCASE("with a tensor that is absent from its shard") {
    CHECK(contains(refuse_set(Errc::key, shards.map("a.safetensors", "a.safetensors", "a.safetensors")), "absent"));
  }
  SUBCASE("that does not list a tensor") {
    auto const index = shards.index(R"({"weight_map":{"x":"a.safetensors","z":"b.safetensors"}})");
    CHECK(contains(refuse_set(Errc::key, index), "file: " + index.string() +
                                                     "; key: y; expected: listed for a.safetensors; found: not listed for it"));
  }
  SUBCASE("that is no index") {
    for (auto const* text :
         {"", "[]", "1", "{", R"({"weight_map":[]})", R"({"weight_map":"a"})", R"({"weight_map":null})",
          R"({"weight_map":{"x":1}})", R"({"weight_map":{"x":["a"]}})", "\xef\xbb\xbf{}",
          R"({"weight_map":{"":"a.safetensors"}})", "version https://git-lfs.github.com/spec/v1\n"})
      refuse_set(Errc::format, shards.index(text));
    refuse_set(Errc::key, shards.index("{}"));
    refuse_set(Errc::key, shards.index(R"({"weight_map":{}})"));
    refuse_set(Errc::key, shards.index(R"({"weight_map":{"x":"a.safetensors"},"weight_map":{}})"));
    refuse_set(Errc::limit, shards.index("{\"metadata\":" + text_of(1'000'000, "[")));
    refuse_set(Errc::io, shards.dir.path / "absent.json");
  }
}

TEST_CASE("S41 file truncated or replaced after mapping") {
  TempDir dir;
  auto const path = dir.put("a.safetensors", file_bytes("{" + member("a", "F32", "[1]", 0, 4) + "}", 4));
  SafetensorsFile const file(path);
  float value = 1;
  file.read_f32(file.entries()[0], &value);
  CHECK(value == 0.f);
  SUBCASE("cut short") {
    fs::resize_file(path, 10);
    CHECK(contains(failure(Errc::io, [&] { file.read_f32(file.entries()[0], &value); }), "shorter"));
  }
  SUBCASE("replaced: the old content stays") {
    auto const other = file_bytes("{" + member("b", "F32", "[1]", 0, 4) + "}", 4, '\x01');
    fs::rename(dir.put("b.safetensors", other), path);
    value = 1;
    file.read_f32(file.entries()[0], &value);
    CHECK(value == 0.f);
  }
  SUBCASE("removed: the content stays") {
    fs::remove(path);
    file.read_f32(file.entries()[0], &value);
    CHECK(value == 0.f);
  }
}

TEST_CASE("S42 something else under this name") {
  using namespace std::string_literals;
  struct Case {
    std::string bytes, what, advice;
  };
  Case const cases[] = {
      {"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n", "LFS pointer", "git lfs pull"},
      {"<!DOCTYPE html>\n<html>\n", "web page", "fetch the file again"},
      {"\n\n<HTML><head>", "web page", "fetch the file again"},
      {"<?xml version=\"1.0\"?><Error>", "XML", "fetch the file again"},
      {"\x1f\x8b\x08\0\0\0\0\0\0\x03xyz"s, "gzip", "gunzip"},
      {"\x1f\x8b\x08\x08\x11\x22\x33\x44\0\x03xyz"s, "gzip", "gunzip"},
      {"PK\x03\x04\0\0\x08\x08\0\0archive/data.pkl"s, "zip", ".ckpt"},
      {"GGUF\x03\0\0\0\x01\0\0\0"s, "GGUF", "safetensors"},
      {"\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."s, "pickle", ".ckpt"},
      {"\x80\x02}q\0X\x05\0\0\0model"s, "pickle", "torch.save"},
      {"{\"metadata\": {}, \"weight_map\": {}}", "JSON", "index"},
      {"\x93NUMPY\x01\0v\0{'descr'"s, "NumPy", "safetensors"},
  };
  TempDir dir;
  for (auto const& [bytes, what, advice] : cases) {
    auto const path = dir.put("model.safetensors", bytes);
    auto const text = failure(Errc::format, [&] { SafetensorsFile{path}; });
    CHECK(contains(text, what));
    CHECK(contains(text, advice));
  }
}

TEST_CASE("S43 no regular file") {
  TempDir dir;
  CHECK(contains(failure(Errc::io, [&] { SafetensorsFile{dir.path}; }), "directory"));
  auto const fifo = dir.path / "fifo.safetensors";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  CHECK(contains(failure(Errc::io, [&] { SafetensorsFile{fifo}; }), "FIFO"));
  CHECK(contains(failure(Errc::io, [&] { SafetensorsFile{"/dev/zero"}; }), "device"));
  failure(Errc::io, [&] { SafetensorsFile{dir.path / "absent.safetensors"}; });
}

TEST_CASE("tensors are found by name and listed by offset") {
  TempDir dir;
  auto const header = "{" + member("b", "U8", "[1]", 2, 3) + "," + member("c", "U8", "[2]", 0, 2) + "," +
                      member("a", "U8", "[1]", 3, 4) + "}";
  SafetensorsFile const file(dir.put("a.safetensors", file_bytes(header, 4)));
  REQUIRE(file.entries().size() == 3);
  CHECK(file.entries()[0].name == "c");
  CHECK(file.entries()[2].name == "a");
  for (auto const& entry : file.entries()) CHECK(file.find(entry.name) == &entry);
  for (auto const* name : {"", "aa", "d", "A"}) CHECK(file.find(name) == nullptr);
  auto foreign = file.entries()[0];
  foreign.end = 5;
  failure(Errc::argument, [&] { file.data(foreign); });
  foreign = {.begin = 3, .end = 2};
  failure(Errc::argument, [&] { file.drop(foreign); });
}

TEST_CASE("damaged files are refused or read, never more") {
  auto const header = "{\"__metadata__\":{\"k\":\"v\\n\"}," + member("aa", "F32", "[2,1]", 0, 8) + "," +
                      member("b\xc3\xbc", "F4", "[4]", 8, 10) + "," + member("c", "I64", "[]", 10, 18) + "}";
  auto const good = file_bytes(header, 18, '\x3f');
  std::mt19937 random(1);
  auto const below = [&](std::size_t end) { return static_cast<std::size_t>(random()) % end; };
  int read = 0;
  for (int round = 0; round < 20'000; ++round) {
    auto bytes = good;
    for (auto edits = below(3) + 1; edits > 0 && !bytes.empty(); --edits) {
      auto const at = below(bytes.size());
      auto const kind = below(8);
      if (kind == 0)
        bytes.resize(at);
      else if (kind == 1)
        bytes.insert(at, 1, static_cast<char>(below(256)));
      else if (kind == 2)
        bytes.erase(at, 1 + below(9));
      else if (kind == 3)
        bytes[at] = "0123456789-.eE{}[],:\"\\"[below(22)];
      else if (kind == 4)
        bytes.insert(at, bytes.substr(at, below(40)));
      else
        bytes[at] = static_cast<char>(bytes[at] ^ static_cast<char>(1u << below(8)));
    }
    if (bytes.size() >= 8 && below(2) == 0)  // keep the length right, to get past it
      bytes.replace(0, 8, length_bytes(bytes.size() - std::min<std::size_t>(bytes.size() - 8, 18) - 8));
    try {
      auto const parsed = parse(bytes);
      ++read;
      for (auto const& entry : parsed.entries) REQUIRE(parsed.data_begin + entry.end <= bytes.size());
    } catch (Error const& error) {
      REQUIRE(error.where().file == "test");
    }
  }
  CHECK(read > 100);
}

TEST_CASE("files of the reference writer are read") {
  auto const* const set = std::getenv("TADP_SHARED");
#ifdef TADP_SHARED_DIR
  fs::path const goldens = fs::path(set != nullptr ? set : TADP_SHARED_DIR) / "goldens";
#else
  fs::path const goldens = set != nullptr ? fs::path(set) / "goldens" : fs::path();
#endif
  if (!fs::is_directory(goldens)) {
    MESSAGE("skipped: no goldens");
    return;
  }
  int files = 0;
  for (auto const& item : fs::directory_iterator(goldens)) {
    if (item.path().extension() != ".safetensors") continue;
    ++files;
    SafetensorsFile const file(item.path());
    auto const manifest = nlohmann::json::parse(get_file(fs::path(item.path()).replace_extension(".json")));
    CHECK(file.entries().size() == manifest.at("tensors").size());
    for (auto const& described : manifest.at("tensors").items()) {
      std::string const name = described.key();
      auto const& about = described.value();
      auto const* const entry = file.find(name);
      REQUIRE_MESSAGE(entry != nullptr, name);
      CHECK(element_count(entry->shape) == about.at("count").get<std::uint64_t>());
      auto const shape = about.at("shape").get<std::vector<std::uint64_t>>();
      // A thinned tensor is stored flat, a scalar as one element.
      if (about.at("stride") == 1 && !shape.empty()) CHECK(entry->shape == shape);
      if (!converts_to_f32(entry->dtype)) continue;
      std::vector<float> values(*element_count(entry->shape));
      file.read_f32(*entry, values.data());
      file.drop(*entry);
    }
  }
  CHECK(files > 0);
}
