// SPDX-License-Identifier: Apache-2.0
// What a file really is when it is not what its name says: the usual accidents of downloading weights.
// Readers ask this once they are about to refuse a file, to say what to do instead of "bad header".
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace tadp {

/// A guess at a file's format, and what its owner can do about it.
struct ContentKind {
  std::string_view what{};
  std::string_view advice{};
};

namespace detail {

struct Signature {
  std::string_view start;
  ContentKind kind;
};

inline constexpr std::string_view web_page_advice =
    "the download was answered with a page (sign-in, licence or error): fetch the file again and check its size";
inline constexpr std::string_view torch_advice =
    "name it .ckpt, .pt or .bin to have it read as a PyTorch checkpoint, or convert it to safetensors";
inline constexpr std::string_view json_advice =
    "if it is a shard index, keep its name, which ends in .json, and its shards beside it";

inline constexpr std::string_view picture_advice = "give the model's file here, and the picture as the picture";
inline constexpr std::string_view unpack_advice = "unpack it first";

inline constexpr std::array<Signature, 24> signatures = {{
    {"version https://git-lfs", {"a Git LFS pointer", "the weights were not downloaded: run `git lfs pull`"}},
    {"\x1f\x8b", {"a gzip archive", "unpack it with gunzip"}},
    {"PK\x03\x04", {"a zip archive, such as a PyTorch checkpoint", torch_advice}},
    {"PK\x05\x06", {"an empty zip archive", "fetch the model again"}},
    {"GGUF", {"a GGUF model", "use the safetensors file of the same model"}},
    {"\x28\xb5\x2f\xfd", {"a zstd archive", "unpack it with zstd -d"}},
    {"\x93NUMPY", {"a NumPy array", "store it with safetensors"}},
    {"\x89HDF", {"an HDF5 file", "convert it to safetensors"}},
    {"\x89PNG\r", {"a picture (PNG)", picture_advice}},
    {"\xff\xd8\xff", {"a picture (JPEG)", picture_advice}},
    {"GIF8", {"a picture (GIF)", picture_advice}},
    {"RIFF", {"a picture (WebP), a sound or a film", picture_advice}},
    {"%PDF-", {"a PDF document", "give the model's file instead"}},
    {"7z\xbc\xaf\x27\x1c", {"a 7-Zip archive", unpack_advice}},
    {"Rar!", {"a RAR archive", unpack_advice}},
    {"BZh", {"a bzip2 archive", "unpack it with bunzip2"}},
    {"\xfd\x37zXZ", {"an xz archive", "unpack it with unxz"}},
    {"<?xml", {"an XML document", web_page_advice}},
    {"<!doctype", {"a web page", web_page_advice}},
    {"<html", {"a web page", web_page_advice}},
    {"{\"", {"JSON text", json_advice}},
    {"{\n", {"JSON text", json_advice}},
    {"{\r", {"JSON text", json_advice}},
    {"{ ", {"JSON text", json_advice}},
}};

/// The number that every PyTorch file of the older form begins with, within its first pickle.
inline constexpr std::string_view torch_magic("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);

/// Whether `text` begins with `start`, letters compared without case.
inline bool starts_with_any_case(std::string_view text, std::string_view start) {
  auto const lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return text.size() >= start.size() &&
         std::equal(start.begin(), start.end(), text.begin(), [&](char a, char b) { return lower(a) == lower(b); });
}

}  // namespace detail

/// Whether these bytes are the beginning of a PyTorch file of the form before version 1.6.
inline bool is_torch_legacy(std::span<std::byte const> bytes) {
  std::string_view const start(reinterpret_cast<char const*>(bytes.data()), std::min<std::size_t>(bytes.size(), 32));
  return start.starts_with('\x80') && start.find(detail::torch_magic) != std::string_view::npos;
}

/// Recognises the first bytes of a file (some hundred suffice), or nothing.
inline std::optional<ContentKind> sniff_content(std::span<std::byte const> bytes) {
  std::string_view text(reinterpret_cast<char const*>(bytes.data()), std::min<std::size_t>(bytes.size(), 512));
  // A pickle names its protocol; the opcode after it is never zero, unlike the third byte of a header length.
  if (text.size() > 2 && text[0] == '\x80' && text[1] >= 2 && text[1] <= 5 && text[2] != 0) {
    if (is_torch_legacy(bytes)) return ContentKind{"an old PyTorch checkpoint (a Python pickle)", detail::torch_advice};
    return ContentKind{"a Python pickle that torch.save did not write",
                       "load it with the program that made it and save the model's state_dict() with torch.save"};
  }
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  for (auto const& row : detail::signatures)
    if (detail::starts_with_any_case(text, row.start)) return row.kind;
  if (text.size() > 262 && text.substr(257, 5) == "ustar")
    return ContentKind{"a tar archive", "unpack it; if it is a PyTorch checkpoint of 2016, load and save it with PyTorch"};
  return std::nullopt;
}

}  // namespace tadp
