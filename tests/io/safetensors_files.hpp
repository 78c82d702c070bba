// SPDX-License-Identifier: Apache-2.0
// Files made for the tests of the safetensors reader and writer, in a folder of their own.
// Nothing of this outlives its test.
#pragma once

#include "tadp/core/error.hpp"

#include <doctest/doctest.h>

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

/// A new folder, removed with all that is in it.
struct TempDir {
  std::filesystem::path path{};

  TempDir() {
    auto name = (std::filesystem::temp_directory_path() / "tadp-test-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  TempDir(TempDir const&) = delete;
  TempDir& operator=(TempDir const&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }

  /// Writes a file of these bytes and returns where.
  std::filesystem::path put(std::string const& name, std::string_view bytes) const {
    auto const file = path / name;
    std::ofstream(file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return file;
  }
};

inline std::string get_file(std::filesystem::path const& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The eight bytes of a header length.
inline std::string length_bytes(std::uint64_t length) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(length >> 8 * i & 0xffu);
  return bytes;
}

/// A safetensors file of this header and this many data bytes, each of them `fill`.
inline std::string file_bytes(std::string_view header, std::size_t data = 0, char fill = '\0') {
  return length_bytes(header.size()).append(header).append(data, fill);
}

/// "name":{...}
inline std::string member(std::string const& name, std::string const& dtype, std::string const& shape,
                          std::uint64_t begin, std::uint64_t end) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":[" +
         std::to_string(begin) + "," + std::to_string(end) + "]}";
}

/// Runs `action`, which must throw Error of this code; returns its message.
template <class Action>
std::string failure(tadp::Errc code, Action&& action) {
  try {
    action();
  } catch (tadp::Error const& error) {
    CHECK_MESSAGE(error.code() == code, std::string(error.what()));
    return error.what();
  }
  FAIL_CHECK("no error");
  return {};
}

inline bool contains(std::string_view text, std::string_view part) {
  bool const found = text.find(part) != std::string_view::npos;
  if (!found) MESSAGE("no '" << std::string(part) << "' in: " << std::string(text));
  return found;
}
