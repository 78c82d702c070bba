// SPDX-License-Identifier: Apache-2.0
// A restricted reader of Python pickles, protocols 0 to 5: it describes what the pickle says and runs none of it.
// Enough for every file of torch.save; lengths, numbers and references are checked before anything depends on them.
#pragma once

#include "tadp/core/error.hpp"
#include "tadp/io/pickle_calls.hpp"
#include "tadp/io/pickle_graph.hpp"
#include "tadp/io/pickle_names.hpp"
#include "tadp/io/pickle_stack.hpp"
#include "tadp/io/pickle_tensor.hpp"
#include "tadp/io/pickle_text.hpp"
#include "tadp/io/torch_limits.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace tadp {

/// A pickle that was read, and how many bytes it took.
struct Pickle {
  PickleGraph graph;
  std::size_t length = 0;  ///< bytes, with the STOP
};

namespace detail {

/// The stack machine that a pickle is a program for.
class Unpickler : private PickleStack {
 public:
  Unpickler(std::span<std::byte const> bytes, std::string const& file, std::uint64_t offset, TorchLimits const& limits) : PickleStack(bytes, file, offset, limits) {}

  Pickle run() {
    while (!stopped_) {
      context_.offset = start_ + at_;
      auto const opcode = static_cast<unsigned char>(take(1)[0]);
      auto const handler = handlers()[opcode];
      if (handler == nullptr)
        fail(Errc::format, "the pickle has an instruction that does not exist or is not read here",
             "those that torch.save writes", "byte " + std::to_string(opcode));
      (this->*handler)();
    }
    graph_.set_root(pop());
    if (!stack_.empty() || !marks_.empty()) fail(Errc::format, "the pickle ends with more than one value");
    return {std::move(graph_), at_};
  }

 private:
  using Handler = void (Unpickler::*)();

  // --- values ---
  void push_text(PickleKind kind, std::uint64_t length) { push(graph_.add_text(kind, take(length))); }
  void push_owned(std::optional<std::string> text) {
    if (!text) fail(Errc::format, "a text of the pickle is not quoted or escaped as it must be");
    push(graph_.add_owned(PickleKind::text, std::move(*text)));
  }
  /// A two's complement integer of any length.
  void push_long(std::string_view bytes) {
    if (bytes.size() > 8) return push(graph_.add_text(PickleKind::big_integer, bytes));
    std::uint64_t bits = !bytes.empty() && (static_cast<unsigned char>(bytes.back()) & 0x80u) != 0 ? ~std::uint64_t{0} : 0;
    std::memcpy(&bits, bytes.data(), bytes.size());
    push(graph_.add_integer(static_cast<std::int64_t>(bits)));
  }
  /// A line of digits, which may end in L; 00 and 01 are what old protocols have for false and true.
  void decimal_line() {
    auto text = line();
    if (text == "00" || text == "01") return push(text == "01" ? PickleGraph::yes : PickleGraph::no);
    if (text.ends_with('L')) text.remove_suffix(1);
    std::int64_t value = 0;
    auto const [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    bool const all = stop == text.data() + text.size() && !text.empty();
    if (all && error == std::errc::result_out_of_range) return push(graph_.add_text(PickleKind::big_integer, text));
    if (!all || error != std::errc{}) fail(Errc::format, "a line of the pickle is no integer", {}, printable(text));
    push(graph_.add_integer(value));
  }
  void real_line() {
    auto const text = line();
    double value = 0;
    auto const [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (stop != text.data() + text.size() || error != std::errc{})
      fail(Errc::format, "a line of the pickle is no number", {}, printable(text));
    push_real(value);
  }
  void push_real(double value) { push(graph_.add_real(std::bit_cast<std::uint64_t>(value))); }
  void big_endian_real() {
    auto const bytes = take(8);
    std::uint64_t bits = 0;
    for (char const c : bytes) bits = bits << 8 | static_cast<unsigned char>(c);
    push(graph_.add_real(bits));
  }
  void tuple(std::size_t count) {
    if (stack_.size() - floor() < count) fail(Errc::format, "the pickle takes a value from an empty stack");
    auto const id = graph_.add_container(PickleKind::tuple, std::span(stack_).last(count));
    stack_.resize(stack_.size() - count);
    push(id);
  }
  void group(PickleKind kind) {
    auto const items = above_mark();
    if (kind == PickleKind::dict && items.size() % 2 != 0) fail(Errc::format, "a dict has a key without a value");
    auto const id = graph_.add_container(kind, items);
    drop_mark();
    push(id);
  }

  // --- filling ---
  void require_kind(PickleId id, PickleKind kind, std::string_view what) const {
    // An object may be a list or dict of a class that is not known here.
    if (graph_.kind(id) != kind && graph_.kind(id) != PickleKind::object)
      fail(Errc::format, "the pickle puts values into something that is no " + std::string(what));
  }
  void fill(PickleKind kind, std::string_view what, std::size_t step) {
    auto const items = above_mark();
    if (marks_.back() == 0 || marks_.back() <= (marks_.size() > 1 ? marks_[marks_.size() - 2] : 0))
      fail(Errc::format, "the pickle takes a value from an empty stack");
    auto const target = stack_[marks_.back() - 1];
    require_kind(target, kind, what);
    if (items.size() % step != 0) fail(Errc::format, "a dict has a key without a value");
    // What is appended to an opaque object is kept by pairs only, so that its items are always keys and values.
    if (graph_.kind(target) == kind || step == 2) graph_.append(target, items);
    drop_mark();
  }
  void fill_one(PickleKind kind, std::string_view what, std::size_t step) {
    std::array<PickleId, 2> items{};
    for (std::size_t i = step; i-- > 0;) items[i] = pop();
    auto const target = top();
    require_kind(target, kind, what);
    if (graph_.kind(target) == kind || step == 2) graph_.append(target, std::span(items).first(step));
  }

  // --- names and calls ---
  void push_name(std::string_view module, std::string_view name) {
    require_harmless(module, name, context_.file, context_.offset);
    push(graph_.add_owned(PickleKind::name, std::string(module) + " " + std::string(name)));
  }
  void global() {
    auto const module = line();
    push_name(module, line());
  }
  void stack_global() {
    auto const name = pop(), module = pop();
    if (graph_.kind(name) != PickleKind::text || graph_.kind(module) != PickleKind::text)
      fail(Errc::format, "the pickle names a class by something that is no text");
    push_name(graph_.text(module), graph_.text(name));
  }
  void reduce() {
    auto const args = pop(), callee = pop();
    if (graph_.kind(args) != PickleKind::tuple) fail(Errc::format, "a call of the pickle has no tuple of arguments");
    if (graph_.kind(callee) == PickleKind::object) return push(graph_.add_object(callee));
    if (graph_.kind(callee) != PickleKind::name) fail(Errc::format, "the pickle calls what is no function");
    push(call_name(context_, callee, graph_.items(args)));
  }
  void new_object(bool keywords) {
    if (keywords) pop();
    pop();
    auto const type = pop();
    if (graph_.kind(type) == PickleKind::name && graph_.text(type) == "collections OrderedDict")
      return push(graph_.add_container(PickleKind::dict, {}, true));
    push(graph_.add_object(type));
  }
  void build() {
    auto const state = pop(), target = top();
    auto const kind = graph_.kind(target);
    if (kind == PickleKind::object) return graph_.set_state(target, state);
    // The attributes of an OrderedDict (versions of modules) and of old parameters are nothing to us.
    bool const attributes = kind == PickleKind::tensor || (kind == PickleKind::dict && graph_[target].ordered);
    if (!attributes) fail(Errc::format, "the pickle gives attributes to a value that has none");
  }
  void persistent() { push(storage_of(context_, pop())); }
  void protocol() {
    auto const version = static_cast<unsigned char>(take(1)[0]);
    if (version > 5) fail(Errc::unsupported, "the pickle is of a newer protocol", "0 to 5", std::to_string(version));
    if (at_ != 2) fail(Errc::format, "the pickle names its protocol a second time");
  }
  void frame() {
    auto const length = number<std::uint64_t>();
    if (length > text_.size() - at_) fail(Errc::format, "a frame reaches past the end of the pickle");
  }
  static std::array<Handler, 256> const& handlers();  ///< by opcode, null where there is none
  static constexpr std::array<Handler, 256> make_handlers();

  bool stopped_ = false;

  // --- one function for each instruction, as the table wants it ---
  template <class Number>
  void integer_of() {
    push(graph_.add_integer(static_cast<std::int64_t>(number<Number>())));
  }
  template <class Length>
  void long_of() {
    auto const length = number<Length>();
    if (std::is_signed_v<Length> && length < 0) fail(Errc::format, "an integer of the pickle has a negative length");
    push_long(take(static_cast<std::uint64_t>(length)));
  }
  template <PickleKind Kind, class Length>
  void text_of() {
    push_text(Kind, number<Length>());
  }
  template <PickleId Id>
  void constant() {
    push(Id);
  }
  template <PickleKind Kind>
  void empty() {
    push(graph_.add_container(Kind));
  }
  template <std::size_t Count>
  void tuple_of() {
    tuple(Count);
  }
  template <PickleKind Kind>
  void group_of() {
    group(Kind);
  }
  template <class Index>
  void put_of() {
    put(number<Index>());
  }
  template <class Index>
  void get_of() {
    get(number<Index>());
  }
  void put_line() { put(line_number()); }
  void get_line() { get(line_number()); }
  void memoize() { put(next_memo_); }
  void append() { fill_one(PickleKind::list, "list", 1); }
  void appends() { fill(PickleKind::list, "list", 1); }
  void set_item() { fill_one(PickleKind::dict, "dict", 2); }
  void set_items() { fill(PickleKind::dict, "dict", 2); }
  void add_items() { fill(PickleKind::set, "set", 1); }
  void make() { new_object(false); }
  void make_with_keywords() { new_object(true); }
  void string_line() { push_owned(unquote(line())); }
  void unicode_line() { push_owned(unescape(line(), unicode_escapes)); }
  void duplicate() { push(top()); }
  void pop_mark() {
    above_mark();
    drop_mark();
  }
  void stop() { stopped_ = true; }
};

constexpr std::array<Unpickler::Handler, 256> Unpickler::make_handlers() {
  using U = Unpickler;
  using K = PickleKind;
  struct Row {
    unsigned char opcode;
    Handler handler;
  };
  constexpr Row rows[] = {
      {0x80, &U::protocol}, {0x95, &U::frame}, {'.', &U::stop}, {'(', &U::mark}, {'0', &U::pop_any}, {'1', &U::pop_mark},
      {'2', &U::duplicate},
      {'N', &U::constant<PickleGraph::none>}, {0x88, &U::constant<PickleGraph::yes>}, {0x89, &U::constant<PickleGraph::no>},
      {'I', &U::decimal_line}, {'L', &U::decimal_line}, {'F', &U::real_line}, {'G', &U::big_endian_real},
      {'J', &U::integer_of<std::int32_t>}, {'K', &U::integer_of<std::uint8_t>}, {'M', &U::integer_of<std::uint16_t>},
      {0x8a, &U::long_of<std::uint8_t>}, {0x8b, &U::long_of<std::int32_t>},
      {'S', &U::string_line}, {'V', &U::unicode_line},
      {'T', &U::text_of<K::text, std::uint32_t>}, {'U', &U::text_of<K::text, std::uint8_t>},
      {'X', &U::text_of<K::text, std::uint32_t>}, {0x8c, &U::text_of<K::text, std::uint8_t>},
      {0x8d, &U::text_of<K::text, std::uint64_t>},
      {'B', &U::text_of<K::bytes, std::uint32_t>}, {'C', &U::text_of<K::bytes, std::uint8_t>},
      {0x8e, &U::text_of<K::bytes, std::uint64_t>}, {0x96, &U::text_of<K::bytes, std::uint64_t>},
      {']', &U::empty<K::list>}, {'}', &U::empty<K::dict>}, {')', &U::empty<K::tuple>}, {0x8f, &U::empty<K::set>},
      {'l', &U::group_of<K::list>}, {'d', &U::group_of<K::dict>}, {'t', &U::group_of<K::tuple>}, {0x91, &U::group_of<K::set>},
      {0x85, &U::tuple_of<1>}, {0x86, &U::tuple_of<2>}, {0x87, &U::tuple_of<3>},
      {'a', &U::append}, {'e', &U::appends}, {'s', &U::set_item}, {'u', &U::set_items}, {0x90, &U::add_items},
      {'p', &U::put_line}, {'q', &U::put_of<std::uint8_t>}, {'r', &U::put_of<std::uint32_t>}, {0x94, &U::memoize},
      {'g', &U::get_line}, {'h', &U::get_of<std::uint8_t>}, {'j', &U::get_of<std::uint32_t>},
      {'c', &U::global}, {0x93, &U::stack_global}, {'R', &U::reduce}, {0x81, &U::make}, {0x92, &U::make_with_keywords},
      {'b', &U::build}, {'Q', &U::persistent}};
  std::array<Handler, 256> table{};
  for (auto const& row : rows) table[row.opcode] = row.handler;
  return table;
}

inline std::array<Unpickler::Handler, 256> const& Unpickler::handlers() {
  static constexpr std::array<Handler, 256> table = make_handlers();
  return table;
}

}  // namespace detail

/// Reads the pickle that `bytes` begin with. Its texts are views of `bytes`. `file` and `offset`, where the pickle lies
/// in it, are named in errors: Error(format, limit, shape, unsupported or memory).
inline Pickle read_pickle(std::span<std::byte const> bytes, std::string const& file, std::uint64_t offset = 0,
                          TorchLimits const& limits = {}) try {
  if (bytes.empty()) throw Error(Errc::format, "the pickle is empty", {.file = file, .offset = offset});
  auto const most = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), limits.max_pickle));
  return detail::Unpickler(bytes.first(most), file, offset, limits).run();
} catch (std::bad_alloc const&) {
  throw Error(Errc::memory, "not enough memory for the pickle", {.file = file});
}

}  // namespace tadp
