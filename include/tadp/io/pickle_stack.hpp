// SPDX-License-Identifier: Apache-2.0
// What a pickle's program works on: its bytes, the stack with marks, and the memo. Every length and reference is checked
// before anything depends on it, and what a program may hold is counted.
#pragma once

#include "tadp/core/error.hpp"
#include "tadp/io/pickle_calls.hpp"
#include "tadp/io/pickle_graph.hpp"
#include "tadp/io/pickle_text.hpp"
#include "tadp/io/torch_limits.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace tadp::detail {

class PickleStack {
 protected:
  PickleStack(std::span<std::byte const> bytes, std::string const& file, std::uint64_t offset, TorchLimits const& limits)
      : text_(reinterpret_cast<char const*>(bytes.data()), bytes.size()), start_(offset), graph_(limits.max_memory, file), context_{graph_, limits, file} {}
  PickleStack(PickleStack const&) = delete;  // context_ refers to graph_
  PickleStack& operator=(PickleStack const&) = delete;
  ~PickleStack() = default;

  [[noreturn]] void fail(Errc code, std::string message, std::string expected = {}, std::string found = {}) const {
    context_.fail(code, std::move(message), std::move(expected), std::move(found));
  }

  // --- bytes ---
  std::string_view take(std::uint64_t count) {
    if (count > text_.size() - at_)
      fail(Errc::format, "the pickle ends in the middle of a value, the file may be cut short",
           std::to_string(count) + " bytes more", std::to_string(text_.size() - at_));
    auto const part = text_.substr(at_, static_cast<std::size_t>(count));
    at_ += static_cast<std::size_t>(count);
    return part;
  }
  std::string_view line() {
    auto const end = text_.find('\n', at_);
    if (end == std::string_view::npos) fail(Errc::format, "the pickle ends in the middle of a line");
    auto const part = text_.substr(at_, end - at_);
    at_ = end + 1;
    return part;
  }
  template <class Number>
  Number number() {
    return number_from<Number>(take(sizeof(Number)));
  }

  // --- stack and memo ---
  void push(PickleId id) {
    graph_.spend(2 * sizeof(PickleId));  // never given back: a pickle of 100 MB may push as many values at most
    stack_.push_back(id);
  }
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  PickleId pop() {
    if (stack_.size() <= floor()) fail(Errc::format, "the pickle takes a value from an empty stack");
    auto const id = stack_.back();
    stack_.pop_back();
    return id;
  }
  PickleId top() {
    auto const id = pop();
    stack_.push_back(id);
    return id;
  }
  /// The values above the last mark; they stay on the stack until drop_mark.
  std::span<PickleId const> above_mark() const {
    if (marks_.empty()) fail(Errc::format, "the pickle ends a group that has no beginning");
    return std::span(stack_).subspan(marks_.back());
  }
  void drop_mark() {
    stack_.resize(marks_.back());
    marks_.pop_back();
  }
  void put(std::uint64_t index) {
    // Python numbers them as they come: a number beyond the bytes read so far only serves to make a huge table.
    if (index > at_)
      fail(Errc::limit, "the pickle remembers a value under a number that is too high",
           "at most " + std::to_string(at_), std::to_string(index));
    auto const needed = static_cast<std::size_t>(index) + 1;
    if (needed > memo_.size()) {
      graph_.spend(2 * sizeof(PickleId) * (needed - memo_.size()));
      memo_.resize(needed, unset);
    }
    memo_[needed - 1] = top();
    next_memo_ = std::max<std::uint64_t>(next_memo_, needed);
  }
  void get(std::uint64_t index) {
    if (index >= memo_.size() || memo_[static_cast<std::size_t>(index)] == unset)
      fail(Errc::format, "the pickle recalls a value that it has not remembered", {}, std::to_string(index));
    push(memo_[static_cast<std::size_t>(index)]);
  }
  std::uint64_t line_number() {
    auto const text = line();
    std::uint64_t value = 0;
    auto const [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || stop != text.data() + text.size())
      fail(Errc::format, "a line of the pickle is no number", {}, printable(text));
    return value;
  }
  void mark() {
    graph_.spend(2 * sizeof(std::size_t));
    marks_.push_back(stack_.size());
  }
  void pop_any() {
    if (!marks_.empty() && stack_.size() == marks_.back())
      marks_.pop_back();
    else
      pop();
  }

  std::string_view text_;
  std::uint64_t start_;
  std::size_t at_ = 0;
  PickleGraph graph_;
  PickleContext context_;
  std::vector<PickleId> stack_{};
  std::vector<std::size_t> marks_{};
  std::vector<PickleId> memo_{};
  std::uint64_t next_memo_ = 0;

 private:
  static constexpr PickleId unset = std::numeric_limits<PickleId>::max();
};

}  // namespace tadp::detail
