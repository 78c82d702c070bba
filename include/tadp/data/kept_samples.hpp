// SPDX-License-Identifier: Apache-2.0
// The keeping of decoded samples: as many as a bound on memory allows, and beyond that the last one.
// What the folders with labels, with boxes and with depth hand their samples out of.
#pragma once

#include "tadp/data/sample.hpp"
#include "tadp/exec/control.hpp"

#include <memory>

namespace tadp {

/// Bytes of pixels and answers.
inline std::uint64_t memory_of(Sample const& s) {
  return s.picture.rgb.size() + s.labels.labels.size() + s.depth.metres.size() * sizeof(float) + s.boxes.size() * sizeof(TrueBox);
}

/// Not for two threads at once.
class KeptSamples {
 public:
  KeptSamples() = default;
  KeptSamples(std::size_t count, std::uint64_t bytes) : kept_(count), room_(bytes) {}

  /// Sample i, from load() where it is not kept; valid until another one is asked for.
  template <class Load>
  Sample const& get(std::size_t i, Load const& load) {
    if (kept_[i]) return *kept_[i];
    if (last_ && last_index_ == i) return *last_;
    auto sample = std::make_unique<Sample>(load());
    std::uint64_t const bytes = memory_of(*sample);
    if (bytes <= room_) {
      room_ -= bytes;
      return *(kept_[i] = std::move(sample));
    }
    last_ = std::move(sample);
    last_index_ = i;
    return *last_;
  }

 private:
  std::vector<std::unique_ptr<Sample>> kept_;
  std::unique_ptr<Sample> last_;
  std::size_t last_index_ = 0;
  std::uint64_t room_ = 0;
};

/// Loads every sample of a set once; the messages of what is wrong, at most `most` of them.
template <class Set>
std::vector<std::string> faults_of(Set const& set, Control const& control, std::size_t most) {
  std::vector<std::string> faults;
  for (std::size_t i = 0; i < set.size() && faults.size() < most; ++i) {
    try {
      set.load(i);
    } catch (Error const& e) {
      faults.emplace_back(e.what());
    }
    control.step(i + 1, set.size());
  }
  return faults;
}

}  // namespace tadp
