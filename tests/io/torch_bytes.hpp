// SPDX-License-Identifier: Apache-2.0
// Pickles, zip archives and older PyTorch files put together byte by byte, so that the tests can make them wrong;
// and the right ones that PyTorch made (make_torch_fixtures.py).
#pragma once

#include "safetensors_files.hpp"

#include <doctest/doctest.h>

#include <zlib.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <initializer_list>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace torch_bytes {

/// A number of `size` bytes, the lowest first.
inline std::string le(std::uint64_t value, int size) {
  std::string bytes;
  for (int i = 0; i < size; ++i) bytes += static_cast<char>(value >> 8 * i & 0xffu);
  return bytes;
}

// --- pieces of a pickle: each pushes one value ---
inline std::string text(std::string_view s) { return "X" + le(s.size(), 4) + std::string(s); }
inline std::string global(std::string const& module, std::string const& name) { return "c" + module + "\n" + name + "\n"; }
inline std::string integer(std::int64_t value) { return "\x8a\x08" + le(static_cast<std::uint64_t>(value), 8); }
inline std::string tuple(std::vector<std::int64_t> const& values) {
  std::string s = "(";
  for (auto const v : values) s += integer(v);
  return s + "t";
}
inline std::string storage(std::string const& key, std::int64_t count, std::string const& type = "FloatStorage", std::string const& view = "") {
  return "(" + text("storage") + global("torch", type) + text(key) + text("cpu") + integer(count) + view + "tQ";
}
inline std::string tensor_of(std::string const& storage, std::int64_t offset, std::vector<std::int64_t> const& shape,
                             std::vector<std::int64_t> const& strides) {
  return global("torch._utils", "_rebuild_tensor_v2") + "(" + storage + integer(offset) + tuple(shape) + tuple(strides) +
         "\x89" + global("collections", "OrderedDict") + ")RtR";
}
inline std::string tensor(std::string const& key = "0", std::int64_t count = 6) { return tensor_of(storage(key, count), 0, {count}, {1}); }
/// Names and values.
inline std::string dict(std::vector<std::pair<std::string, std::string>> const& items) {
  std::string s = "}(";
  for (auto const& [name, value] : items) s += text(name) + value;
  return s + "u";
}
inline std::string pickle(std::string const& value) { return "\x80\x02" + value + "."; }

// --- zip ---
struct Record {
  std::string name{}, content{};
  bool deflate = false;
};

/// An archive and where its parts are.
struct Zip {
  std::string bytes{};
  std::vector<std::size_t> local{}, central{};
  std::size_t end = 0;

  Zip& set(std::size_t at, std::uint64_t value, int size) {
    bytes.replace(at, static_cast<std::size_t>(size), le(value, size));
    return *this;
  }
};

inline std::string deflated(std::string const& content) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(content.size() + 1024, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(::deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

inline Zip zip(std::vector<Record> const& records, std::string const& comment = {}) {
  Zip z;
  std::string directory;
  std::vector<std::size_t> rows;
  for (auto const& r : records) {
    auto const packed = r.deflate ? deflated(r.content) : r.content;
    auto const crc = ::crc32(0, reinterpret_cast<Bytef const*>(r.content.data()), static_cast<uInt>(r.content.size()));
    auto const common = le(0, 2) + le(r.deflate ? 8 : 0, 2) + le(0, 4) + le(crc, 4) + le(packed.size(), 4) + le(r.content.size(), 4) + le(r.name.size(), 2);
    rows.push_back(directory.size());
    directory += "PK\x01\x02" + le(20, 2) + le(20, 2) + common + le(0, 2) + le(0, 2) + le(0, 2) + le(0, 2) + le(0, 4) + le(z.bytes.size(), 4) + r.name;
    z.local.push_back(z.bytes.size());
    z.bytes += "PK\x03\x04" + le(20, 2) + common + le(0, 2) + r.name + packed;
  }
  auto const start = z.bytes.size();
  for (auto const row : rows) z.central.push_back(start + row);
  z.bytes += directory;
  z.end = z.bytes.size();
  z.bytes += "PK\x05\x06" + le(0, 4) + le(records.size(), 2) + le(records.size(), 2) + le(directory.size(), 4) + le(start, 4) + le(comment.size(), 2) + comment;
  return z;
}

inline std::string floats(std::initializer_list<float> values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.begin(), bytes.size());
  return bytes;
}

/// The six floats 0 to 5.
inline std::string six() { return floats({0, 1, 2, 3, 4, 5}); }

/// A checkpoint of this pickle and one storage "0".
inline std::vector<Record> checkpoint(std::string const& data = pickle(dict({{"a", tensor()}})), std::string const& content = six()) {
  return {{"archive/data.pkl", data}, {"archive/byteorder", "little"}, {"archive/data/0", content}, {"archive/version", "3\n"}};
}

// --- the older form ---
inline std::string legacy_head(bool little_endian = true) {
  return pickle("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19") + pickle("M\xe9\x03") +
         pickle(dict({{"protocol_version", "M\xe9\x03"}, {"little_endian", little_endian ? "\x88" : "\x89"}}));
}
inline std::string legacy(std::string const& data = pickle(dict({{"a", tensor()}})), std::string const& content = six()) {
  return legacy_head() + data + pickle("](" + text("0") + "e") + le(6, 8) + content;
}

// --- what PyTorch made ---
inline std::filesystem::path fixtures() { return std::filesystem::path(__FILE__).parent_path() / "torch_fixtures"; }

struct Expected {
  std::string file{}, name{}, dtype{};
  std::vector<std::uint64_t> shape{};
  std::string bytes{};
};

inline std::vector<Expected> expected_tensors() {
  std::istringstream lines(get_file(fixtures() / "expected.txt"));
  std::vector<Expected> all;
  std::string shape, hex;
  for (Expected e; lines >> e.file >> e.name >> e.dtype >> shape >> hex; all.push_back(e)) {
    e.shape.clear();
    e.bytes.clear();
    std::istringstream dims(shape == "-" ? "" : shape);
    for (std::string dim; std::getline(dims, dim, ',');) e.shape.push_back(std::stoull(dim));
    for (std::size_t i = 0; hex != "-" && i + 1 < hex.size(); i += 2) e.bytes += static_cast<char>(std::stoul(hex.substr(i, 2), nullptr, 16));
  }
  return all;
}

}  // namespace torch_bytes
