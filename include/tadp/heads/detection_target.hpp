// SPDX-License-Identifier: Apache-2.0
// What detection is to find in a picture: boxes with classes, and a batch of them as the padded lists that a step reads.
// Boxes that cannot be found (no area inside of the picture) are left out here, not in the losses.
#pragma once

#include "tadp/core/boxes.hpp"
#include "tadp/core/error.hpp"

#include <span>
#include <string>
#include <vector>

namespace tadp {

/// An object of a picture. Classes count from 1, 0 being the background.
struct TrueBox {
  Box box{};
  int label = 0;
  bool difficult = false;  ///< neither counted nor held against a detector; learned like any other
  friend constexpr bool operator==(TrueBox const&, TrueBox const&) = default;
};

/// Lists on the device: boxes (batch, most, 4), labels (batch, most) and counts (batch).
struct DetectionTarget {
  float const* boxes = nullptr;
  float const* labels = nullptr;
  float const* counts = nullptr;
  index_t most = 0;
  bool even = false;  ///< rows to learn from are spaced evenly, not drawn: for comparisons
};

/// The same lists on the host.
class PackedBoxes {
 public:
  /// `pictures`: one list a picture, in pixels of a frame of height x width. Boxes are clipped to the frame; those without
  /// an area there are dropped. Error(argument) for a label that is no class or a corner that is no number.
  PackedBoxes(std::span<std::vector<TrueBox> const> pictures, index_t classes, float height, float width) {
    for (auto const& list : pictures) most_ = std::max(most_, static_cast<index_t>(list.size()));
    auto const room = pictures.size() * static_cast<std::size_t>(most_);
    boxes_.resize(4 * room);
    labels_.resize(room);
    counts_.resize(pictures.size());
    for (std::size_t n = 0; n < pictures.size(); ++n)
      for (TrueBox const& one : pictures[n]) {
        require(one, classes);
        Box const b = clipped(one.box, height, width);
        if (!(b.x2 > b.x1 && b.y2 > b.y1)) continue;
        std::size_t const at = n * static_cast<std::size_t>(most_) + static_cast<std::size_t>(counts_[n]);
        put_box(&boxes_[4 * at], b);
        labels_[at] = static_cast<float>(one.label);
        counts_[n] += 1.0F;
      }
  }
  std::span<float const> boxes() const { return boxes_; }
  std::span<float const> labels() const { return labels_; }
  std::span<float const> counts() const { return counts_; }
  index_t most() const { return most_; }
  /// For a device that reads the host's memory.
  DetectionTarget target() const { return {boxes_.data(), labels_.data(), counts_.data(), most_}; }

 private:
  static void require(TrueBox const& one, index_t classes) {
    if (one.label < 1 || one.label >= classes)
      throw Error(Errc::argument, "the label of a box is no class", {.expected = "1 to " + std::to_string(classes - 1), .found = std::to_string(one.label)});
    Box const& b = one.box;
    for (float v : {b.x1, b.y1, b.x2, b.y2})
      if (!std::isfinite(v)) throw Error(Errc::argument, "a corner of a box is no number", {.found = std::to_string(v)});
  }

  std::vector<float> boxes_, labels_, counts_;
  index_t most_ = 1;  // a list has a row even where no picture has a box
};

}  // namespace tadp
