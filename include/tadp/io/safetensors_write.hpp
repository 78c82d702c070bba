// SPDX-License-Identifier: Apache-2.0
// Writes safetensors files byte for byte as the reference writer does, whole or not at all.
// Heads that were trained are saved with this, as are files for tests.
#pragma once

#include "tadp/core/dtype.hpp"
#include "tadp/core/error.hpp"
#include "tadp/io/file.hpp"
#include "tadp/io/safetensors_header.hpp"
#include "tadp/io/tensor_entry.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tadp {

/// A tensor to be stored; its elements are given in one of two ways.
struct TensorToWrite {
  std::string name{};
  Dtype dtype = Dtype::F32;
  std::vector<std::uint64_t> shape{};
  std::span<std::byte const> bytes{};  ///< as they shall be stored, or
  std::span<float const> values{};     ///< floats, rounded to `dtype` (F32, F16, BF16 or F64) while they are written
};

namespace detail {

inline std::string json_string(std::string const& text, std::string const& file) try {
  return nlohmann::json(text).dump();
} catch (nlohmann::json::exception const&) {
  throw Error(Errc::argument, "a text to be stored is not UTF-8", {.file = file, .key = printable(text)});
}

inline void require_writable(TensorToWrite const& tensor, std::string const& file, SafetensorsLimits const& limits) {
  require_name(tensor.name, limits, file);
  if (tensor.name == "__metadata__")
    throw Error(Errc::argument, "a tensor cannot have this name", {.file = file, .key = tensor.name});
  if (tensor.shape.size() > limits.max_dims)
    throw Error(Errc::argument, "a tensor has too many dimensions",
                {.file = file, .key = tensor.name, .expected = "at most " + std::to_string(limits.max_dims)});
  auto const size = require_size(tensor.dtype, tensor.shape, tensor.name, file);
  if (!tensor.values.empty() && !converts_to_f32(tensor.dtype)) throw_no_float_format(tensor.dtype);
  auto const given =
      tensor.values.empty() ? tensor.bytes.size() : tensor.values.size() * (bits_per_element(tensor.dtype) / 8);
  if (given != size || (!tensor.values.empty() && !tensor.bytes.empty()))
    throw Error(
        Errc::shape, "the data do not fit dtype and shape",
        {.file = file,
         .key = tensor.name,
         .expected = bytes_text(size) + " for " + std::string(to_string(tensor.dtype)) + " " + shape_text(tensor.shape),
         .found = bytes_text(given)});
}

/// The reference's order, which keeps each tensor aligned: widest format first, then by name.
inline std::vector<TensorToWrite const*> writing_order(std::span<TensorToWrite const> tensors,
                                                       std::string const& file) {
  std::vector<TensorToWrite const*> order;
  for (auto const& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](auto const* a, auto const* b) { return a->name < b->name; });
  for (std::size_t i = 1; i < order.size(); ++i)
    if (order[i - 1]->name == order[i]->name)
      throw Error(Errc::argument, "two tensors to be stored have the same name", {.file = file, .key = order[i]->name});
  std::stable_sort(order.begin(), order.end(), [](auto const* a, auto const* b) { return a->dtype > b->dtype; });
  return order;
}

/// The header's JSON, padded so that the data begin at a multiple of eight.
inline std::string header_json(std::span<TensorToWrite const* const> order,
                               std::map<std::string, std::string> const& metadata, std::string const& file) {
  std::string text = "{";
  auto const open = [&](char const* before) { text += text.back() == '{' ? "" : before; };
  if (!metadata.empty()) {
    text += "\"__metadata__\":{";
    for (auto const& [key, value] : metadata) {
      open(",");
      text.append(json_string(key, file)).append(":").append(json_string(value, file));
    }
    text += "}";
  }
  std::uint64_t at = 0;
  for (auto const* tensor : order) {
    open(",");
    text.append(json_string(tensor->name, file)).append(":{\"dtype\":\"").append(to_string(tensor->dtype));
    text += "\",\"shape\":[";
    for (std::size_t i = 0; i < tensor->shape.size(); ++i)
      text.append(i > 0 ? "," : "").append(std::to_string(tensor->shape[i]));
    auto const size = require_size(tensor->dtype, tensor->shape, tensor->name, file);
    text.append("],\"data_offsets\":[").append(std::to_string(at)).append(",").append(std::to_string(at + size));
    text += "]}";
    at += size;
  }
  text += "}";
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

/// Converts block by block: a model's worth of floats is not held twice.
inline void write_values(AtomicFile& file, TensorToWrite const& tensor) {
  constexpr std::size_t block = 65'536;
  auto const width = bits_per_element(tensor.dtype) / 8;
  std::vector<std::byte> buffer(std::min(block, tensor.values.size()) * width);
  for (std::size_t i = 0; i < tensor.values.size(); i += block) {
    auto const part = tensor.values.subspan(i, std::min(block, tensor.values.size() - i));
    convert_from_f32(tensor.dtype, part, buffer.data());
    file.write(buffer.data(), part.size() * width);
  }
}

}  // namespace detail

/// Writes a safetensors file, replacing `path` only once all of it is on disk; whatever is written can be read back
/// under the default limits. Error(argument, shape, unsupported or limit) before anything is touched, Error(io).
inline void write_safetensors(std::filesystem::path const& path, std::span<TensorToWrite const> tensors,
                              std::map<std::string, std::string> const& metadata = {}) {
  SafetensorsLimits const limits;
  auto const name = path.string();
  for (auto const& tensor : tensors) detail::require_writable(tensor, name, limits);
  auto const order = detail::writing_order(tensors, name);
  auto const header = detail::header_json(order, metadata, name);
  if (header.size() > limits.max_header || tensors.size() > limits.max_tensors || metadata.size() > limits.max_metadata)
    throw Error(Errc::limit, "there are more tensors or metadata than a reader would accept", {.file = name});

  AtomicFile file(path);
  auto const length = static_cast<std::uint64_t>(header.size());
  file.write(&length, sizeof(length));
  file.write(header.data(), header.size());
  for (auto const* tensor : order) {
    if (!tensor->values.empty())
      detail::write_values(file, *tensor);
    else
      file.write(tensor->bytes.data(), tensor->bytes.size());
  }
  file.commit();
}

}  // namespace tadp
