// SPDX-License-Identifier: Apache-2.0
// What a pickle describes, as values in one table that refer to each other by number.
// Numbers instead of pointers: a value may be shared, or contain itself, and nothing is copied, leaked or freed in depth.
#pragma once

#include "tadp/core/error.hpp"
#include "tadp/io/torch_types.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tadp {

/// Number of a value in its graph.
using PickleId = std::uint32_t;

enum class PickleKind : std::uint8_t {
  none,
  boolean,
  integer,
  big_integer,  ///< of more than 64 bits; its bytes are kept
  real,
  text,
  bytes,
  list,
  tuple,
  dict,  ///< items: key, value, key, value ...
  set,
  name,     ///< of a class or function; nothing is ever imported or called
  object,   ///< of a class that means nothing here: its class, what was put into it, and its state
  storage,
  tensor,
};

/// One value; which members mean something depends on its kind, and PickleGraph knows.
struct PickleValue {
  PickleKind kind = PickleKind::none;
  bool ordered = false;    ///< a dict that came from OrderedDict and its like, which may carry attributes
  std::uint32_t at = 0;    ///< row in the graph's table of this kind
  std::uint64_t bits = 0;  ///< number, or class and state of an object
};

/// Bytes that tensors lie in, by the key that names them in the file.
struct PickleStorage {
  std::string key{};
  std::uint32_t type = 0;   ///< in torch_types
  std::uint64_t count = 0;  ///< elements
  std::uint64_t bytes() const { return count * torch_types[type].bytes; }  // checked when it was read
};

/// A part of a storage.
struct PickleView {
  std::uint32_t storage = 0;
  std::uint64_t begin = 0;  ///< elements
  std::uint64_t count = 0;  ///< elements
};

/// A tensor that is known to lie within the declared size of its storage.
struct PickleTensor {
  std::uint32_t storage = 0;
  std::uint32_t type = 0;   ///< in torch_types
  std::uint64_t begin = 0;  ///< bytes from the start of the storage
  std::vector<std::uint64_t> shape{};
  std::vector<std::uint64_t> strides{};  ///< elements; empty where row-major
};

/// The values of one pickle. Texts are views of the pickle's bytes, which must outlive this.
class PickleGraph {
 public:
  static constexpr PickleId none = 0, yes = 1, no = 2, small = 3, small_count = 256;

  /// `memory`: how many bytes of values may be made; `file` names the file in Error(limit).
  PickleGraph(std::size_t memory, std::string file) : room_(memory), file_(std::move(file)) {
    values_.reserve(small + small_count);
    values_.push_back({});
    for (std::uint64_t i : {1u, 0u}) values_.push_back({.kind = PickleKind::boolean, .bits = i});
    for (std::uint64_t i = 0; i < small_count; ++i) values_.push_back({.kind = PickleKind::integer, .bits = i});
  }
  PickleGraph(PickleGraph&&) = default;
  PickleGraph& operator=(PickleGraph&&) = default;

  PickleValue const& operator[](PickleId id) const { return values_[id]; }
  PickleKind kind(PickleId id) const { return values_[id].kind; }
  std::size_t size() const noexcept { return values_.size(); }
  PickleId root() const noexcept { return root_; }
  void set_root(PickleId id) noexcept { root_ = id; }

  std::string_view text(PickleId id) const { return texts_[values_[id].at]; }  ///< of text, bytes, big_integer and name
  std::int64_t integer(PickleId id) const { return static_cast<std::int64_t>(values_[id].bits); }
  std::span<PickleId const> items(PickleId id) const { return items_[values_[id].at]; }  ///< of containers and objects
  PickleId class_of(PickleId object) const { return static_cast<PickleId>(values_[object].bits >> 32); }
  PickleId state_of(PickleId object) const { return static_cast<PickleId>(values_[object].bits & 0xffffffffu); }
  PickleView const& view(PickleId id) const { return views_[values_[id].at]; }
  PickleTensor const& tensor(PickleId id) const { return tensors_[values_[id].at]; }
  std::vector<PickleStorage> const& storages() const noexcept { return storages_; }

  bool is_container(PickleId id) const {
    auto const k = kind(id);
    return k == PickleKind::list || k == PickleKind::tuple || k == PickleKind::dict || k == PickleKind::set ||
           k == PickleKind::object;
  }

  PickleId add_integer(std::int64_t value) {
    if (value >= 0 && value < small_count) return small + static_cast<PickleId>(value);
    return add({.kind = PickleKind::integer, .bits = static_cast<std::uint64_t>(value)});
  }
  PickleId add_real(std::uint64_t bits) { return add({.kind = PickleKind::real, .bits = bits}); }
  /// A text, bytes, big_integer or name that the pickle's bytes hold as it is.
  PickleId add_text(PickleKind kind, std::string_view text) {
    return add_row(texts_, text, {.kind = kind});
  }
  /// The same for one that had to be composed.
  PickleId add_owned(PickleKind kind, std::string text) {
    spend(64 + text.size());
    return add_text(kind, owned_.emplace_back(std::move(text)));
  }
  PickleId add_container(PickleKind kind, std::span<PickleId const> items = {}, bool ordered = false) {
    spend(items.size() * sizeof(PickleId) + 32);  // as much as an allocation takes at least
    return add_row(items_, std::vector<PickleId>(items.begin(), items.end()), {.kind = kind, .ordered = ordered});
  }
  /// An object of a class that has a name, or of the class that another object is of; Error(format) for anything else,
  /// so that class_of is always a name.
  PickleId add_object(PickleId named, std::span<PickleId const> items = {}) {
    auto const type = kind(named) == PickleKind::object ? class_of(named) : named;
    if (kind(type) != PickleKind::name) throw Error(Errc::format, "the pickle makes an object of what is no class", {.file = file_});
    auto const id = add_container(PickleKind::object, items);
    values_[id].bits = std::uint64_t{type} << 32;
    return id;
  }
  PickleId add_view(PickleView view) { return add_row(views_, view, {.kind = PickleKind::storage}); }
  PickleId add_tensor(PickleTensor tensor) {
    spend(32 * tensor.shape.size());
    return add_row(tensors_, std::move(tensor), {.kind = PickleKind::tensor});
  }
  std::uint32_t add_storage(PickleStorage storage) {
    spend(2 * sizeof(PickleStorage) + storage.key.size());
    storages_.push_back(std::move(storage));
    return static_cast<std::uint32_t>(storages_.size() - 1);
  }

  void append(PickleId container, std::span<PickleId const> more) {
    spend(2 * more.size() * sizeof(PickleId));
    auto& items = items_[values_[container].at];
    items.insert(items.end(), more.begin(), more.end());
  }
  void set_state(PickleId object, PickleId state) {
    values_[object].bits = (values_[object].bits & ~std::uint64_t{0xffffffffu}) | state;
  }

  /// Counts memory that is about to be used.
  void spend(std::size_t bytes) {
    if (bytes > room_)
      throw Error(Errc::limit, "the pickle describes more values than are allowed",
                  {.file = file_, .found = std::to_string(values_.size()) + " values"});
    room_ -= bytes;
  }

 private:
  // Tables double as they grow: the old and the new one are there at once, so each row costs twice its size.
  PickleId add(PickleValue value) {
    spend(2 * sizeof(PickleValue));
    values_.push_back(value);
    return static_cast<PickleId>(values_.size() - 1);
  }
  template <class Row>
  PickleId add_row(std::vector<Row>& table, Row row, PickleValue value) {
    spend(2 * sizeof(Row));
    value.at = static_cast<std::uint32_t>(table.size());
    table.push_back(std::move(row));
    return add(value);
  }

  std::size_t room_;
  std::string file_;
  PickleId root_ = none;
  std::vector<PickleValue> values_{};
  std::vector<std::string_view> texts_{};
  std::deque<std::string> owned_{};
  std::vector<std::vector<PickleId>> items_{};
  std::vector<PickleView> views_{};
  std::vector<PickleTensor> tensors_{};
  std::vector<PickleStorage> storages_{};
};

}  // namespace tadp
