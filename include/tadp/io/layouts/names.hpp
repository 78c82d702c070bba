// SPDX-License-Identifier: Apache-2.0
// Tables of names as people read them, with counted parts in braces, and the map of whole names that they make.
// The tables of the layouts (the other files of this folder) are written in this form, CompVis on the left.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tadp {

/// The same parameter or module under two habits of naming.
struct NamePair {
  std::string_view compvis{};
  std::string_view other{};
};

/// How many blocks a network has, which decides what its numbers mean.
struct BlockCounts {
  static constexpr int most = 16;
  int levels = 4;                      ///< resolutions
  int blocks = 2;                      ///< residual blocks of a level on the way down
  std::array<bool, most> attention{};  ///< level -> whether its blocks have transformers; finest first

  friend bool operator==(BlockCounts const&, BlockCounts const&) = default;
};

/// A row of a table. In braces: {b} the level, {l} the block within it, and what follows from both, see numbers_of.
struct NameRow {
  std::string_view compvis{};
  std::string_view other{};
  int more = 0;                         ///< blocks of a level beyond BlockCounts::blocks
  std::span<NamePair const> inner{};    ///< names within the module; others are the same in both
};

namespace layouts_detail {

using Numbers = std::vector<std::pair<std::string_view, int>>;

/// The counted parts for level b and block l of n a level.
inline Numbers numbers_of(BlockCounts const& c, int b, int l) {
  int const n = c.blocks + 1;  // a level's blocks and what leads to the next
  int const mirrored = c.levels - 1 - b;
  bool const attention = mirrored < BlockCounts::most && c.attention[static_cast<std::size_t>(mirrored)];
  return {{"{b}", b},
          {"{l}", l},
          {"{in}", 1 + b * n + l},       // on the way down: the first convolution is number 0
          {"{down}", (b + 1) * n},       // that halves
          {"{out}", b * n + l},          // on the way up, whose levels have one block more
          {"{up}", b * n + c.blocks},    // that doubles, in the level's last block,
          {"{last}", attention ? 2 : 1}, // behind a transformer if there is one
          {"{r}", mirrored}};            // a level counted from the other end
}

inline std::string filled(std::string_view pattern, Numbers const& numbers) {
  std::string text(pattern);
  for (auto const& [mark, number] : numbers)
    for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark)) text.replace(at, mark.size(), std::to_string(number));
  return text;
}

}  // namespace layouts_detail

/// Names of modules in two habits; whole names are turned by the longest module that begins them.
class NameMap {
 public:
  /// Both directions; the first of several pairs with the same name counts.
  void add(std::string const& compvis, std::string const& other) {
    to_other_.emplace(compvis, other);
    to_compvis_.emplace(other, compvis);
  }
  /// A table for these counts.
  void add(std::span<NameRow const> rows, BlockCounts const& counts) {
    for (NameRow const& row : rows) {
      bool const levels = row.compvis.find('{') != std::string_view::npos || row.other.find('{') != std::string_view::npos;
      bool const blocks = row.other.find("{l}") != std::string_view::npos;
      for (int b = 0; b < (levels ? counts.levels : 1); ++b)
        for (int l = 0; l < (blocks ? counts.blocks + row.more : 1); ++l) {
          auto const numbers = layouts_detail::numbers_of(counts, b, l);
          auto const compvis = layouts_detail::filled(row.compvis, numbers), other = layouts_detail::filled(row.other, numbers);
          add(compvis, other);
          for (NamePair const& pair : row.inner) add(compvis + "." + std::string(pair.compvis), other + "." + std::string(pair.other));
        }
    }
  }

  /// The CompVis name, or nothing where the table has no such module.
  std::optional<std::string> to_compvis(std::string_view other) const { return turned(to_compvis_, other); }
  /// And back.
  std::optional<std::string> from_compvis(std::string_view compvis) const { return turned(to_other_, compvis); }

 private:
  using Map = std::map<std::string, std::string, std::less<>>;

  static std::optional<std::string> turned(Map const& map, std::string_view name) {
    for (auto end = name.size(); end != std::string_view::npos && end > 0; end = name.rfind('.', end - 1))
      if (auto const at = map.find(name.substr(0, end)); at != map.end()) return at->second + std::string(name.substr(end));
    return std::nullopt;
  }

  Map to_compvis_{}, to_other_{};
};

namespace layouts_detail {

/// The number in `name` behind `before`, if `after` follows it, below BlockCounts::most; else nothing.
inline std::optional<int> number_in(std::string_view name, std::string_view before, std::string_view after) {
  if (!name.starts_with(before)) return std::nullopt;
  name.remove_prefix(before.size());
  std::size_t digits = 0;
  int number = 0;
  for (; digits < name.size() && digits < 3 && name[digits] >= '0' && name[digits] <= '9'; ++digits) number = 10 * number + (name[digits] - '0');
  bool const good = digits > 0 && name.substr(digits).starts_with(after);
  return good ? std::optional(number) : std::nullopt;
}

/// One more than the largest number there, at most BlockCounts::most.
inline int count_in(std::span<std::string const> names, std::string_view before, std::string_view after) {
  int count = 0;
  for (auto const& name : names)
    if (auto const number = number_in(name, before, after); number && *number < BlockCounts::most) count = std::max(count, *number + 1);
  return count;
}

}  // namespace layouts_detail

}  // namespace tadp
