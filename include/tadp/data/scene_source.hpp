// SPDX-License-Identifier: Apache-2.0
// Rendered street scenes as a training run asks for them: by number, with labels and captions, and depth and boxes on demand.
// A source is a function of its number alone, so that a run which resumes sees the same data.
#pragma once

#include "tadp/data/crop.hpp"
#include "tadp/data/street.hpp"
#include "tadp/device/threads.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace tadp {

/// Which answers beyond labels and captions are kept; a depth takes as much memory as picture and labels together.
struct SceneAnswers {
  bool depth = false;
  bool boxes = false;  ///< classes by street_object_names(), from 1
};

/// `count` rendered scenes from `first_seed` on, rendered when first asked for and kept.
class StreetScenes {
 public:
  StreetScenes(std::uint64_t first_seed, std::size_t count, StreetOptions options = {}, SceneAnswers answers = {})
      : first_(first_seed), options_(options), answers_(answers), scenes_(count) {}

  std::size_t size() const { return scenes_.size(); }
  Sample const& operator[](std::size_t i) {
    if (!scenes_[i]) render(i);
    return *scenes_[i];
  }
  /// Renders those that are missing, each on one thread.
  void prepare(std::vector<std::size_t> wanted, ThreadPool& pool) {
    std::sort(wanted.begin(), wanted.end());
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    std::erase_if(wanted, [&](std::size_t i) { return scenes_[i] != nullptr; });
    pool.run(static_cast<index_t>(wanted.size()), [&](index_t task, int) { render(wanted[static_cast<std::size_t>(task)]); });
  }

 private:
  void render(std::size_t i) {
    StreetScene scene = render_street(first_ + i, options_);
    std::string varied = varied_caption(scene, first_ + i);
    auto sample = std::make_unique<Sample>(Sample{std::move(scene.picture), std::move(scene.labels), std::move(scene.caption), std::move(varied)});
    if (answers_.depth) sample->depth = std::move(scene.depth);
    if (answers_.boxes) sample->boxes = true_boxes(scene);
    scenes_[i] = std::move(sample);
  }

  std::uint64_t first_;
  StreetOptions options_;
  SceneAnswers answers_;
  std::vector<std::unique_ptr<Sample>> scenes_;
};

}  // namespace tadp
