// SPDX-License-Identifier: Apache-2.0
// The merging of byte pairs: a word's bytes become tokens, the merge of highest precedence first, everywhere in the word.
// In n log n of the word's length, so that a megabyte without a blank takes a moment and not an hour.
#pragma once

#include "tadp/core/error.hpp"
#include "tadp/io/bpe_tables.hpp"

#include <cstddef>
#include <functional>
#include <limits>
#include <queue>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace tadp {

class BpeMerger {
 public:
  explicit BpeMerger(BpeVocabulary const& vocabulary) : inner_(vocabulary.inner), last_(vocabulary.last) {
    ranks_.reserve(vocabulary.merges.size());
    results_.reserve(vocabulary.merges.size());
    for (BpeMerge const& merge : vocabulary.merges) {
      ranks_.emplace(pair_key(merge.first, merge.second), static_cast<std::uint32_t>(results_.size()));
      results_.push_back(merge.result);
    }
  }

  /// Appends the tokens of a word (at least a byte, less than 2^32) to `ids`.
  void operator()(std::string_view word, std::vector<std::int32_t>& ids) const {
    Work work;
    work.parts.reserve(word.size());
    auto const count = static_cast<std::uint32_t>(word.size());
    for (std::uint32_t i = 0; i < count; ++i) {
      auto const byte = static_cast<unsigned char>(word[i]);
      work.parts.push_back({i + 1 < count ? inner_[byte] : last_[byte], i == 0 ? none : i - 1, i + 1 < count ? i + 1 : none, none});
    }
    for (std::uint32_t i = 0; i + 1 < count; ++i) look_at(work, i);
    while (!work.candidates.empty()) merge_all(work, work.candidates.top().first);
    for (std::uint32_t i = 0; i != none; i = work.parts[i].next) ids.push_back(work.parts[i].id);
  }

 private:
  static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();

  /// A token of the word so far, in a list by index.
  struct Part {
    std::int32_t id;
    std::uint32_t before, next;
    std::uint32_t rank;  ///< of this and the next part; none: they do not merge, or this part is gone
  };
  using Candidate = std::pair<std::uint32_t, std::uint32_t>;  ///< rank and left part; stale where the part has another rank by now
  struct Work {
    std::vector<Part> parts{};
    std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> candidates{};
    std::vector<std::uint32_t> grown{};
  };

  static std::uint64_t pair_key(std::int32_t first, std::int32_t second) { return static_cast<std::uint64_t>(first) << 32 | static_cast<std::uint32_t>(second); }

  /// Notes whether a part merges with the next one.
  void look_at(Work& work, std::uint32_t at) const {
    Part& part = work.parts[at];
    part.rank = none;
    if (part.next == none) return;
    auto const found = ranks_.find(pair_key(part.id, work.parts[part.next].id));
    if (found == ranks_.end()) return;
    part.rank = found->second;
    work.candidates.emplace(part.rank, at);
  }

  /// Does one merge from left to right; what it makes possible comes into play only afterwards, as in the reference.
  void merge_all(Work& work, std::uint32_t rank) const {
    work.grown.clear();
    while (!work.candidates.empty() && work.candidates.top().first == rank) {
      std::uint32_t const at = work.candidates.top().second;
      work.candidates.pop();
      Part& part = work.parts[at];
      if (part.rank != rank) continue;
      Part& eaten = work.parts[part.next];
      part.id = results_[rank];
      part.rank = eaten.rank = none;
      part.next = eaten.next;
      if (part.next != none) work.parts[part.next].before = at;
      work.grown.push_back(at);
    }
    for (std::uint32_t const at : work.grown) {
      if (work.parts[at].before != none) look_at(work, work.parts[at].before);
      look_at(work, at);
    }
  }

  std::array<std::int32_t, 256> inner_, last_;
  std::unordered_map<std::uint64_t, std::uint32_t> ranks_{};
  std::vector<std::int32_t> results_{};  ///< by rank
};

}  // namespace tadp
