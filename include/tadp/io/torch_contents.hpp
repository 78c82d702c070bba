// SPDX-License-Identifier: Apache-2.0
// What a checkpoint's pickle holds, as a flat list of named tensors and, as text, everything else that was understood.
// Names are those that PyTorch's users know: {"state_dict": {"a.b": tensor}} gives "a.b".
#pragma once

#include "tadp/core/dtype.hpp"
#include "tadp/core/error.hpp"
#include "tadp/io/pickle_graph.hpp"
#include "tadp/io/pickle_text.hpp"
#include "tadp/io/tensor_entry.hpp"
#include "tadp/io/torch_limits.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace tadp {

/// The tensors of a PyTorch file, and what stands beside them.
struct TorchContents {
  std::vector<TensorEntry> entries{};      ///< in the order of the pickle
  std::vector<std::uint32_t> by_name{};    ///< indices of `entries`
  std::vector<PickleStorage> storages{};   ///< TensorEntry::file is an index of these
  std::map<std::string, std::string> metadata{};  ///< dotted name -> text, such as "global_step" -> "3"
  std::vector<std::string> skipped{};      ///< what was passed over: classes, and types of tensors, each once
  std::string wrapper{};                   ///< dotted name of the dict whose tensors are listed without it where that is one's alone, or empty
};

namespace detail {

/// Dicts that hold the weights of a file which holds more than weights, the surest first.
inline constexpr std::array<std::string_view, 6> wrapper_names = {"state_dict", "model_state_dict", "model",
                                                                  "module",     "net",              "params"};
/// Where an object of a torch.nn class has its tensors; these names are no part of theirs.
inline constexpr std::array<std::string_view, 3> module_members = {"_parameters", "_buffers", "_modules"};

/// "collections.OrderedDict"
inline std::string dotted(std::string_view name) {
  std::string text = printable(name);
  std::replace(text.begin(), text.end(), ' ', '.');
  return is_utf8(text) ? text : "a class";
}

/// One value that is no container and no tensor, as text.
inline std::string scalar_text(PickleGraph const& graph, PickleId id) {
  switch (graph.kind(id)) {
    case PickleKind::none: return "None";
    case PickleKind::boolean: return graph[id].bits != 0 ? "True" : "False";
    case PickleKind::integer: return std::to_string(graph.integer(id));
    case PickleKind::big_integer: return "an integer of " + std::to_string(graph.text(id).size()) + " bytes";
    case PickleKind::real: {
      std::array<char, 32> digits{};
      auto const end = std::to_chars(digits.data(), digits.data() + digits.size(), std::bit_cast<double>(graph[id].bits));
      return {digits.data(), end.ptr};
    }
    case PickleKind::text: return is_utf8(graph.text(id)) ? std::string(graph.text(id)) : "text that is not UTF-8";
    case PickleKind::bytes: return std::to_string(graph.text(id).size()) + " bytes";
    case PickleKind::name: return dotted(graph.text(id));
    case PickleKind::object: return "an object of " + dotted(graph.text(graph.class_of(id)));
    case PickleKind::list: return "[]";
    case PickleKind::tuple: return "()";
    case PickleKind::dict: return "{}";
    case PickleKind::set: return "a set";
    case PickleKind::storage: return "a storage";
    case PickleKind::tensor: return "a tensor";
  }
  return {};
}

/// Walks the values from the root and writes down what it meets, without recursion.
class ContentsWalk {
 public:
  ContentsWalk(PickleGraph const& graph, std::string const& file, TorchLimits const& limits)
      : graph_(graph), file_(file), limits_(limits), on_path_(graph.size()) {}

  TorchContents run() {
    auto const root = graph_.root();
    if (graph_.kind(root) == PickleKind::tensor)
      add_tensor(root, "tensor");  // torch.save(tensor): it has no name of its own
    else if (graph_.kind(root) == PickleKind::object)
      visit_object(root);
    else if (graph_.is_container(root))
      enter(root);
    while (!frames_.empty()) step();
    finish();
    return std::move(out_);
  }

 private:
  /// A container on the way: its items from `next` on are still to come.
  struct Frame {
    PickleId id;
    bool is_module;  ///< its None are absent parameters, and nothing to tell
    std::size_t next;
    std::size_t name;  ///< length of the name of the container
  };

  void step() {
    auto& frame = frames_.back();
    auto const items = graph_.items(frame.id);
    bool const keyed = graph_.kind(frame.id) == PickleKind::dict || graph_.kind(frame.id) == PickleKind::object;
    name_.resize(frame.name);
    if (frame.next >= items.size()) {
      on_path_[frame.id] = false;
      frames_.pop_back();
      return;
    }
    spend(1);
    auto const index = frame.next;
    frame.next += keyed ? 2 : 1;
    if (keyed && index + 1 >= items.size()) return;
    if (!append_name(keyed ? key_text(items[index]) : std::to_string(index))) return skip("a value under a key that is no text");
    visit(items[keyed ? index + 1 : index], frame.is_module);
  }

  void visit(PickleId id, bool in_module) {
    auto const kind = graph_.kind(id);
    if (kind == PickleKind::tensor) return add_tensor(id, name_);
    if (kind == PickleKind::object) return visit_object(id);
    if (kind == PickleKind::none && in_module) return;
    if (!graph_.is_container(id)) return note(scalar_text(graph_, id));
    if (graph_.items(id).empty() || kind == PickleKind::set) return note(scalar_text(graph_, id));
    if (kind != PickleKind::dict && is_plain(id)) return note(list_text(id));
    enter(id);
  }

  void visit_object(PickleId id) {
    auto const depth = frames_.size();
    enter(id);
    if (frames_.size() == depth) skip(dotted(graph_.text(graph_.class_of(id))));
  }

  /// Begins a container, and for an object what torch.nn keeps inside; does nothing where there is nothing in it.
  void enter(PickleId id) {
    if (frames_.size() >= limits_.max_depth)
      throw Error(Errc::limit, "the file nests dicts and lists too deep",
                  {.file = file_, .key = printable(name_), .expected = "at most " + std::to_string(limits_.max_depth)});
    if (on_path_[id]) return skip("a value that contains itself");
    if (!graph_.items(id).empty()) begin(id, false);
    if (graph_.kind(id) != PickleKind::object || graph_.kind(graph_.state_of(id)) != PickleKind::dict) return;
    auto const state = graph_.items(graph_.state_of(id));
    for (std::size_t i = 0; i + 1 < state.size(); i += 2) {
      spend(1);
      bool const member = graph_.kind(state[i]) == PickleKind::text &&
                          std::find(module_members.begin(), module_members.end(), graph_.text(state[i])) != module_members.end();
      bool const dict = graph_.kind(state[i + 1]) == PickleKind::dict && !graph_.items(state[i + 1]).empty();
      if (member && dict && !on_path_[state[i + 1]]) begin(state[i + 1], true);
    }
  }

  void begin(PickleId id, bool is_module) {
    on_path_[id] = true;
    frames_.push_back({id, is_module, 0, name_.size()});
  }

  void spend(std::size_t visits) {
    visits_ += visits;
    if (visits_ > limits_.max_visits)
      throw Error(Errc::limit, "the file holds too many values, or the same ones too often",
                  {.file = file_, .key = printable(name_), .expected = "at most " + std::to_string(limits_.max_visits)});
  }

  std::optional<std::string> key_text(PickleId key) const {
    auto const kind = graph_.kind(key);
    if (kind != PickleKind::text && kind != PickleKind::integer && kind != PickleKind::boolean) return std::nullopt;
    if (kind == PickleKind::text) return std::string(graph_.text(key).substr(0, limits_.max_name + 1));
    return scalar_text(graph_, key);
  }
  bool append_name(std::optional<std::string> const& part) {
    if (!part) return false;
    if (name_.size() <= limits_.max_name) name_.append(name_.empty() ? "" : ".").append(*part);
    return true;
  }

  bool is_plain(PickleId list) {
    auto const items = graph_.items(list);
    spend(items.size());
    return std::none_of(items.begin(), items.end(), [&](PickleId item) {
      return graph_.kind(item) == PickleKind::tensor || (graph_.is_container(item) && graph_.kind(item) != PickleKind::set);
    });
  }
  std::string list_text(PickleId list) const {
    auto const items = graph_.items(list);
    std::string text;
    for (std::size_t i = 0; i < std::min<std::size_t>(items.size(), 16); ++i)
      text.append(text.empty() ? "" : ", ").append(printable(scalar_text(graph_, items[i]), 80));
    if (items.size() > 16) text += ", ... " + std::to_string(items.size()) + " values";
    return "[" + text + "]";
  }

  void spend_name(std::size_t bytes) {
    names_ += bytes;
    if (names_ > limits_.max_names)
      throw Error(Errc::limit, "the names in the file are too long together",
                  {.file = file_, .expected = "at most " + std::to_string(limits_.max_names) + " bytes"});
  }

  void note(std::string value) {
    if (out_.metadata.size() >= limits_.max_metadata) return skip("values beyond the most that are listed");
    auto name = printable(name_);
    if (!is_utf8(name)) return skip("a value under a name that is not UTF-8");
    value = printable(value);  // which may cut a character in two
    if (!is_utf8(value)) value = "text of " + std::to_string(value.size()) + " bytes";
    spend_name(name.size() + value.size());
    out_.metadata.emplace(std::move(name), std::move(value));
  }

  void skip(std::string what) {
    if (skipped_.size() >= 1'000) return;
    skipped_.emplace(std::move(what), 0).first->second += 1;
  }

  void add_tensor(PickleId id, std::string const& name) {
    auto const& tensor = graph_.tensor(id);
    auto const& type = torch_types[tensor.type];
    if (!type.kind) return skip("a tensor of " + std::string(type.dtype));
    auto const bytes = *bit_count(*type.kind, tensor.shape) / 8;
    if (bytes > graph_.storages()[tensor.storage].bytes() && bytes / type.bytes > limits_.max_expanded)
      return skip("a tensor that repeats its numbers too often, to " + std::to_string(bytes / type.bytes));
    SafetensorsLimits naming;
    naming.max_name = limits_.max_name;
    require_name(name, naming, file_);
    if (!is_utf8(name)) throw Error(Errc::format, "a tensor has a name that is not UTF-8", {.file = file_, .key = printable(name)});
    if (out_.entries.size() >= limits_.max_tensors)
      throw Error(Errc::limit, "the file holds too many tensors",
                  {.file = file_, .expected = "at most " + std::to_string(limits_.max_tensors)});
    spend_name(name.size());
    out_.entries.push_back(
        {name, *type.kind, tensor.shape, tensor.begin, tensor.begin + bytes, tensor.storage, tensor.strides});
  }

  // --- the wrapper ---
  bool holds_tensor(PickleId dict) const {
    auto const items = graph_.items(dict);
    for (std::size_t i = 1; i < items.size(); i += 2)
      if (graph_.kind(items[i]) == PickleKind::tensor) return true;
    return false;
  }
  /// The dict in `outer` that a wrapper's name leads to.
  std::optional<std::pair<std::string, PickleId>> find_wrapper(PickleId outer) const {
    auto const items = graph_.items(outer);
    for (auto const name : wrapper_names)
      for (std::size_t i = 0; i + 1 < items.size(); i += 2)
        if (graph_.kind(items[i]) == PickleKind::text && graph_.text(items[i]) == name &&
            (graph_.kind(items[i + 1]) == PickleKind::dict || graph_.kind(items[i + 1]) == PickleKind::object))
          return std::pair(std::string(name), items[i + 1]);
    return std::nullopt;
  }
  /// The root may have tensors beside its wrapper, such as a best accuracy; a wrapper that has some is the last.
  std::string wrapper_of_root() const {
    std::string path;
    auto at = graph_.root();
    if (graph_.kind(at) != PickleKind::dict && graph_.kind(at) != PickleKind::object) return {};
    for (int depth = 0; depth < 3 && (depth == 0 || !holds_tensor(at)); ++depth) {
      auto const inner = find_wrapper(at);
      if (!inner) break;
      path += (path.empty() ? "" : ".") + inner->first;
      at = inner->second;
    }
    return path;
  }

  /// Takes the wrapper's name from the tensors within, but for one that another tensor has without it.
  void unwrap(std::string const& prefix) {
    auto const inside = [&](TensorEntry const& entry) { return entry.name.size() > prefix.size() && entry.name.starts_with(prefix); };
    if (prefix.size() == 1 || std::none_of(out_.entries.begin(), out_.entries.end(), inside)) return;
    out_.wrapper = prefix.substr(0, prefix.size() - 1);
    std::unordered_set<std::string> beside;
    for (auto const& entry : out_.entries)
      if (!inside(entry)) beside.insert(entry.name);
    for (auto& entry : out_.entries)
      if (inside(entry) && !beside.contains(entry.name.substr(prefix.size()))) entry.name.erase(0, prefix.size());
  }

  void finish() {
    for (auto const& [what, count] : skipped_)
      out_.skipped.push_back(count > 1 ? what + ", " + std::to_string(count) + " times" : what);
    unwrap(wrapper_of_root() + ".");
    out_.storages = graph_.storages();
    if (out_.entries.empty()) refuse_empty();
    out_.by_name = order_by_name(out_.entries, file_);
  }

  [[noreturn]] void refuse_empty() const {
    std::string found = graph_.is_container(graph_.root()) ? "values without tensors" : scalar_text(graph_, graph_.root());
    if (!out_.skipped.empty()) found = out_.skipped.front();
    throw Error(Errc::key, "the file holds no tensors; save the model's state_dict() with torch.save",
                {.file = file_, .expected = "a dict of names and tensors", .found = std::move(found)});
  }

  PickleGraph const& graph_;
  std::string const& file_;
  TorchLimits const& limits_;
  std::vector<bool> on_path_;
  std::vector<Frame> frames_{};
  std::string name_{};
  std::size_t visits_ = 0;
  std::size_t names_ = 0;
  std::map<std::string, std::size_t> skipped_{};
  TorchContents out_{};
};

}  // namespace detail

/// Lists what a graph holds; Error(key) if two tensors have one name or there is none at all, Error(limit or format).
inline TorchContents list_contents(PickleGraph const& graph, std::string const& file, TorchLimits const& limits = {}) {
  return detail::ContentsWalk(graph, file, limits).run();
}

}  // namespace tadp
