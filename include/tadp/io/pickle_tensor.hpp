// SPDX-License-Identifier: Apache-2.0
// Storages and tensors as a pickle gives them: tuples of numbers, checked until they may index a storage.
// Every number is the file's word against ours; only what passes here becomes a PickleTensor.
#pragma once

#include "tadp/core/dtype.hpp"
#include "tadp/core/error.hpp"
#include "tadp/io/pickle_graph.hpp"
#include "tadp/io/tensor_entry.hpp"
#include "tadp/io/torch_limits.hpp"

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tadp::detail {

/// Where a pickle is read: its values, its bounds, and what errors name.
struct PickleContext {
  PickleGraph& graph;
  TorchLimits const& limits;
  std::string const& file;
  std::uint64_t offset = 0;                                 ///< of the opcode that is carried out
  std::unordered_map<std::string, std::uint32_t> by_key{};  ///< storages

  [[noreturn]] void fail(Errc code, std::string message, std::string expected = {}, std::string found = {}) const {
    throw Error(code, std::move(message),
                {.file = file, .expected = std::move(expected), .found = std::move(found), .offset = offset});
  }
};

/// "torch" and "float16" of the name `torch float16`.
inline std::pair<std::string_view, std::string_view> split_name(std::string_view name) {
  auto const space = name.find(' ');
  if (space == std::string_view::npos) return {{}, name};
  return {name.substr(0, space), name.substr(space + 1)};
}

inline std::uint64_t unsigned_of(PickleContext const& at, PickleId id, std::string_view what) {
  if (at.graph.kind(id) != PickleKind::integer) at.fail(Errc::format, std::string(what) + " is not an integer");
  auto const value = at.graph.integer(id);
  if (value < 0) at.fail(Errc::format, std::string(what) + " is negative", "0 or more", std::to_string(value));
  return static_cast<std::uint64_t>(value);
}

inline std::vector<std::uint64_t> sizes_of(PickleContext const& at, PickleId id, std::string_view what) {
  auto const kind = at.graph.kind(id);
  if (kind != PickleKind::tuple && kind != PickleKind::list) at.fail(Errc::format, std::string(what) + " is no tuple");
  auto const items = at.graph.items(id);
  if (items.size() > at.limits.max_dims)
    at.fail(Errc::limit, "a tensor has too many dimensions", "at most " + std::to_string(at.limits.max_dims),
            std::to_string(items.size()));
  std::vector<std::uint64_t> sizes;
  for (auto const item : items) sizes.push_back(unsigned_of(at, item, what));
  return sizes;
}

/// The type that a class such as torch.FloatStorage stands for.
inline std::uint32_t storage_type(PickleContext const& at, PickleId id) {
  if (at.graph.kind(id) == PickleKind::name) {
    auto const [module, name] = split_name(at.graph.text(id));
    if (module == "torch" || module == "torch.cuda" || module == "torch.storage")
      if (auto const type = find_torch_type(name, &TorchType::storage)) return *type;
  }
  auto const is_name = at.graph.kind(id) == PickleKind::name;
  at.fail(Errc::unsupported, "a storage is of an unknown class", "such as torch.FloatStorage",
          is_name ? printable(at.graph.text(id)) : "no class");
}

/// The part of a storage that the older form may name: None, or (key, first element, elements).
inline PickleView view_of(PickleContext const& at, std::uint32_t storage, std::uint64_t count, PickleId part) {
  if (at.graph.kind(part) == PickleKind::none) return {storage, 0, count};
  if (at.graph.kind(part) != PickleKind::tuple || at.graph.items(part).size() != 3)
    at.fail(Errc::format, "a view of a storage is no tuple of three");
  auto const items = at.graph.items(part);
  PickleView const view{storage, unsigned_of(at, items[1], "the offset of a view"),
                        unsigned_of(at, items[2], "the size of a view")};
  if (view.begin > count || view.count > count - view.begin)
    at.fail(Errc::format, "a view reaches past its storage", std::to_string(count) + " elements");
  return view;
}

/// A persistent id: ('storage', class, key, location, elements[, view]).
inline PickleId storage_of(PickleContext& at, PickleId id) {
  auto& graph = at.graph;
  bool const tuple = graph.kind(id) == PickleKind::tuple;
  std::vector<PickleId> parts;
  if (tuple) parts.assign(graph.items(id).begin(), graph.items(id).end());
  if (parts.size() < 2 || graph.kind(parts[0]) != PickleKind::text)
    at.fail(Errc::format, "a persistent id is not one of PyTorch's", "('storage', class, key, location, elements)");
  if (graph.text(parts[0]) == "module") return graph.add_object(parts[1]);  // a class with its source text, very old files
  if (graph.text(parts[0]) != "storage" || (parts.size() != 5 && parts.size() != 6) ||
      graph.kind(parts[2]) != PickleKind::text)
    at.fail(Errc::format, "a persistent id is not one of PyTorch's", "('storage', class, key, location, elements)",
            printable(graph.text(parts[0])));
  PickleStorage storage{std::string(graph.text(parts[2])), storage_type(at, parts[1]),
                        unsigned_of(at, parts[4], "the size of a storage")};
  if (!checked_multiply(storage.count, torch_types[storage.type].bytes * 8))
    at.fail(Errc::shape, "a storage is larger than any memory", {}, std::to_string(storage.count) + " elements");
  auto const found = at.by_key.find(storage.key);
  if (found == at.by_key.end()) {
    if (graph.storages().size() >= at.limits.max_tensors) at.fail(Errc::limit, "the pickle has too many storages");
    graph.spend(64 + storage.key.size());
    auto const key = storage.key;
    auto const count = storage.count;
    auto const added = graph.add_storage(std::move(storage));
    at.by_key.emplace(key, added);
    return graph.add_view(view_of(at, added, count, parts.size() == 6 ? parts[5] : PickleGraph::none));
  }
  auto const& known = graph.storages()[found->second];
  if (known.type != storage.type || known.count != storage.count)
    at.fail(Errc::format, "a storage is named twice with different types or sizes", std::to_string(known.count),
            std::to_string(storage.count));
  return graph.add_view(view_of(at, found->second, known.count, parts.size() == 6 ? parts[5] : PickleGraph::none));
}

/// Whether the strides are those of row-major order; of an axis of size 1 they mean nothing.
inline bool is_row_major(std::span<std::uint64_t const> shape, std::span<std::uint64_t const> strides) {
  std::uint64_t expected = 1;
  for (std::size_t i = shape.size(); i-- > 0;) {
    if (shape[i] != 1 && strides[i] != expected) return false;
    expected *= shape[i];
  }
  return true;
}

/// The number of elements from the first to one past the last that a tensor which is not empty touches, or nothing
/// where that overflows.
inline std::optional<std::uint64_t> strided_reach(std::span<std::uint64_t const> shape,
                                                  std::span<std::uint64_t const> strides) {
  std::uint64_t reach = 1;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    auto const step = checked_multiply(shape[i] - 1, strides[i]);
    if (!step || *step > std::numeric_limits<std::uint64_t>::max() - reach) return std::nullopt;
    reach += *step;
  }
  return reach;
}

/// What a tensor is made from, as it stands in the pickle.
struct TensorParts {
  PickleId storage, offset, shape, strides;
  std::optional<std::uint32_t> type{};  ///< where it is not the storage's
};

inline PickleId tensor_of(PickleContext const& at, TensorParts const& parts) {
  auto& graph = at.graph;
  if (graph.kind(parts.storage) != PickleKind::storage) at.fail(Errc::format, "a tensor is made from no storage");
  auto const view = graph.view(parts.storage);
  auto const& storage = graph.storages()[view.storage];
  PickleTensor tensor{view.storage, parts.type.value_or(storage.type), 0, sizes_of(at, parts.shape, "the size of a tensor"),
                      sizes_of(at, parts.strides, "a stride")};
  auto const described = [&] { return shape_text(tensor.shape) + " by strides " + shape_text(tensor.strides); };
  if (tensor.shape.size() != tensor.strides.size())
    at.fail(Errc::shape, "a tensor has not one stride for each dimension", {}, described());
  auto const item = torch_types[tensor.type].bytes;
  auto const count = element_count(tensor.shape);
  if (!count || !checked_multiply(*count, 8 * item))
    at.fail(Errc::shape, "a tensor is larger than any memory", {}, described());
  // In elements of the tensor, which need not be those of an untyped storage.
  auto const room = view.count * torch_types[storage.type].bytes / item;
  auto const offset = unsigned_of(at, parts.offset, "the offset of a tensor");
  auto const reach = *count == 0 ? 0 : strided_reach(tensor.shape, tensor.strides);
  if (offset > room || !reach || *reach > room - offset)
    at.fail(Errc::format, "a tensor reaches past the end of its storage",
            std::to_string(room) + " elements in storage " + printable(storage.key),
            described() + " from " + std::to_string(offset));
  tensor.begin = view.begin * torch_types[storage.type].bytes + offset * item;
  if (*count == 0 || is_row_major(tensor.shape, tensor.strides)) tensor.strides.clear();
  return graph.add_tensor(std::move(tensor));
}

}  // namespace tadp::detail
