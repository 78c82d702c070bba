// SPDX-License-Identifier: Apache-2.0
// What is wrong with a data set's folder, collected while it is opened and said at once: kinds of faults, each with its files.
// Holds a bounded number of them and counts the rest.
#pragma once

#include "tadp/core/error.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace tadp {

/// Kinds of faults; those from object_unnamed to box_outside concern one box, the others a picture.
enum class FolderFault : std::uint8_t {
  list_line,
  listed_twice,
  twin_names,
  picture_missing,
  annotation_missing,
  depth_missing,
  unusable_file,
  damaged_picture,
  damaged_annotation,
  damaged_depth,
  unhandled_depth,
  size_missing,
  sizes_differ,
  no_valid_depth,
  object_unnamed,
  unknown_class,
  box_no_number,
  box_inverted,
  box_empty,
  box_outside,
};
inline constexpr std::size_t folder_fault_kinds = 20;

namespace detail {
struct FolderFaultRow {
  std::string_view text;
  Errc code;
};
inline constexpr std::array<FolderFaultRow, folder_fault_kinds> folder_faults = {{
    {"list lines that cannot be read", Errc::format},
    {"pictures listed twice", Errc::key},
    {"files that differ only in case or ending", Errc::key},
    {"pictures missing", Errc::key},
    {"annotations missing", Errc::key},
    {"depth files missing", Errc::key},
    {"files that cannot be used", Errc::io},
    {"damaged pictures", Errc::format},
    {"damaged annotations", Errc::format},
    {"damaged depth files", Errc::format},
    {"depth files of a kind that is not handled", Errc::unsupported},
    {"annotations without the picture's size", Errc::format},
    {"sizes that differ from the picture's", Errc::shape},
    {"depth files without a measured pixel", Errc::format},
    {"objects without a usable name", Errc::format},
    {"objects of an unknown class", Errc::key},
    {"boxes that are no numbers", Errc::format},
    {"inverted boxes", Errc::format},
    {"boxes without an area", Errc::format},
    {"boxes outside of the picture", Errc::format},
}};
}  // namespace detail

constexpr std::string_view to_string(FolderFault fault) { return detail::folder_faults[static_cast<std::size_t>(fault)].text; }
constexpr bool concerns_box(FolderFault fault) { return fault >= FolderFault::object_unnamed; }

/// What an error says without its file, for a report that names that already.
inline std::string reason_of(Error const& e) {
  std::string const text = e.what();
  auto const& found = e.where().found;
  return text.substr(0, text.find("; file: ")) + (found.empty() ? "" : ", found " + printable(found));
}

/// One fault: the file, relative to the folder, and the place in it with what stands there.
struct FolderFinding {
  FolderFault fault{};
  std::string file{};
  std::string where{};
};
/// What is allowed but worth a look.
struct FolderRemark {
  std::string file{};
  std::string text{};
};

class FolderReport {
 public:
  static constexpr std::size_t most_kept = 10'000;

  void add(FolderFault fault, std::string file, std::string where = {}) {
    ++counts_[static_cast<std::size_t>(fault)];
    if (findings_.size() < most_kept) findings_.push_back({fault, std::move(file), std::move(where)});
  }
  void remark(std::string file, std::string text) {
    ++remark_count_;
    if (remarks_.size() < most_kept) remarks_.push_back({std::move(file), std::move(text)});
  }

  bool complete() const { return count() == 0; }
  std::size_t count() const {
    std::size_t sum = 0;
    for (std::size_t const n : counts_) sum += n;
    return sum;
  }
  std::size_t count(FolderFault fault) const { return counts_[static_cast<std::size_t>(fault)]; }
  /// In the order in which they were found, the first `most_kept`.
  std::vector<FolderFinding> const& findings() const { return findings_; }
  std::vector<FolderRemark> const& remarks() const { return remarks_; }
  std::size_t remark_count() const { return remark_count_; }

  /// One line: every kind with its count and the first `most` of its places; empty where nothing is wrong.
  std::string text(std::size_t most = 3) const {
    std::string all;
    for (std::size_t kind = 0; kind < counts_.size(); ++kind)
      if (counts_[kind] > 0) all += (all.empty() ? "" : "; ") + line(kind, most);
    return all;
  }
  /// Error with all faults, of the code of the first kind, where there is one that is refused.
  void require_none(std::filesystem::path const& folder, bool files = true, bool boxes = true) const {
    for (std::size_t kind = 0; kind < counts_.size(); ++kind) {
      if (counts_[kind] == 0 || !(concerns_box(static_cast<FolderFault>(kind)) ? boxes : files)) continue;
      throw Error(detail::folder_faults[kind].code, "the data set is not whole: " + text(), {.file = folder.string(), .expected = "no faults", .found = std::to_string(count())});
    }
  }

 private:
  std::string line(std::size_t kind, std::size_t most) const {
    std::string out = std::to_string(counts_[kind]) + " " + std::string(detail::folder_faults[kind].text);
    std::size_t named = 0;
    for (FolderFinding const& f : findings_) {
      if (static_cast<std::size_t>(f.fault) != kind) continue;
      if (named == most) break;
      out += (named++ == 0 ? " (" : ", ") + printable(f.file) + (f.where.empty() ? "" : " " + printable(f.where));
    }
    if (named == 0) return out;
    return out + (counts_[kind] > named ? ", ...)" : ")");
  }

  std::array<std::size_t, folder_fault_kinds> counts_{};
  std::vector<FolderFinding> findings_;
  std::vector<FolderRemark> remarks_;
  std::size_t remark_count_ = 0;
};

}  // namespace tadp
