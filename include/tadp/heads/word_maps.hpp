// SPDX-License-Identifier: Apache-2.0
// Attention maps of words: the mean over the tokens of each at every level that has maps, joined over windows as logits
// are. Which tokens a word has is the caller's to say.
#pragma once

#include "tadp/heads/window_join.hpp"

#include <span>

namespace tadp {

/// Error(argument) for a group without tokens or with one that the context does not have, or where there are no maps.
inline void require_groups(std::span<std::vector<int> const> groups, index_t context_length, bool has_maps) {
  for (auto const& group : groups) {
    if (group.empty()) throw Error(Errc::argument, "a map of no token was asked for");
    for (int const token : group)
      if (token < 0 || token >= context_length)
        throw Error(Errc::argument, "a map of a token that the context does not have was asked for", {.expected = "below " + std::to_string(context_length), .found = std::to_string(token)});
  }
  if (!groups.empty() && !has_maps) throw Error(Errc::argument, "this network has no attention maps at the levels that are averaged");
}

template <class Device>
class WordMaps {
 public:
  void begin(Device& device, PictureWindows<Device> const& windows, std::span<std::vector<int> const> groups) { join_.begin(device, windows, static_cast<index_t>(groups.size())); }
  /// levels: one window's maps (1, h, w, tokens), without those that the network does not have.
  void add(Device& device, PictureWindows<Device> const& windows, Look look, std::span<ConstFeatures<Device> const> levels, std::span<std::vector<int> const> groups) {
    look.weight /= static_cast<float>(levels.size());
    for (ConstFeatures<Device> const& tokens : levels) {
      FeatureShape const shape = FeatureShape(tokens.shape).with_channels(static_cast<index_t>(groups.size()));
      Floats<Device> const grouped{groups_.at_least(device, shape.count()), shape};
      for (std::size_t g = 0; g < groups.size(); ++g) {
        auto const count = static_cast<index_t>(groups[g].size());
        std::int32_t* const channels = channels_.at_least(device, count);
        device.copy_from_host(channels, groups[g].data(), groups[g].size() * sizeof(std::int32_t));
        mean_of_channels(device, tokens, channels, count, grouped.channels(static_cast<index_t>(g), 1));
      }
      join_.add(device, windows, look, grouped);
    }
  }
  /// Sums become means at the picture's own size, (1, height, width, groups).
  Floats<Device> finish(Device& device, PictureWindows<Device>& windows, index_t height, index_t width) { return join_.finish(device, windows, height, width); }

 private:
  MapJoin<Device> join_;
  GrowingBuffer<float, Device> groups_;
  GrowingBuffer<std::int32_t, Device> channels_;
};

}  // namespace tadp
