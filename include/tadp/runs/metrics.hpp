// SPDX-License-Identifier: Apache-2.0
// How well labels fit the truth: a confusion matrix that pictures are added to, and the numbers papers print of it.
// The same counts as mmsegmentation and segmentation_models_pytorch (spec 5.3).
#pragma once

#include "tadp/core/error.hpp"
#include "tadp/core/picture.hpp"

#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <string>

namespace tadp {

class SegmentationScore {
 public:
  /// 1 to 254 classes, else Error(argument).
  explicit SegmentationScore(int classes) : classes_(classes) {
    if (classes < 1 || classes >= ignore_label) throw Error(Errc::argument, "a score needs 1 to 254 classes", {.found = std::to_string(classes)});
    counts_.resize(n() * (n() + 1));
  }

  /// Counts a picture: pixels without a label do not count, a prediction of `ignore_label` is wrong. Error(shape) where
  /// the sizes differ, Error(argument) for other values that are no class.
  void add(std::span<std::uint8_t const> predicted, std::span<std::uint8_t const> labels) {
    if (predicted.size() != labels.size())
      throw Error(Errc::shape, "prediction and labels have different sizes", {.expected = std::to_string(labels.size()) + " pixels", .found = std::to_string(predicted.size())});
    for (std::size_t i = 0; i < labels.size(); ++i) {
      if (labels[i] == ignore_label) continue;
      std::size_t const column = predicted[i] == ignore_label ? n() : predicted[i];
      if (labels[i] >= n() || column > n() || (column == n() && predicted[i] != ignore_label))
        throw Error(Errc::argument, labels[i] >= n() ? "a label is no class" : "a prediction is no class",
                    {.expected = "below " + std::to_string(classes_) + ", or 255", .found = std::to_string(labels[i] >= n() ? labels[i] : predicted[i])});
      ++counts_[labels[i] * (n() + 1) + column];
    }
  }
  void add(LabelMap const& predicted, LabelMap const& labels) {
    if (predicted.width != labels.width || predicted.height != labels.height)
      throw Error(Errc::shape, "prediction and labels have different sizes",
                  {.expected = std::to_string(labels.width) + " x " + std::to_string(labels.height), .found = std::to_string(predicted.width) + " x " + std::to_string(predicted.height)});
    add(std::span<std::uint8_t const>(predicted.labels), std::span<std::uint8_t const>(labels.labels));
  }
  /// Adds what another score of the same classes has counted.
  void add(SegmentationScore const& other) {
    if (other.classes_ != classes_) throw Error(Errc::argument, "two scores count different classes", {.expected = std::to_string(classes_), .found = std::to_string(other.classes_)});
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  }

  int classes() const { return classes_; }
  /// Pixels of a class that were predicted as another one, or as itself.
  std::uint64_t count(int label, int predicted) const { return counts_[at(label) * (n() + 1) + at(predicted)]; }
  std::uint64_t intersect(int c) const { return count(c, c); }
  std::uint64_t labelled(int c) const {
    auto const* const row = &counts_[at(c) * (n() + 1)];
    return std::accumulate(row, row + n() + 1, std::uint64_t{0});
  }
  std::uint64_t predicted(int c) const {
    std::uint64_t sum = 0;
    for (int label = 0; label < classes_; ++label) sum += count(label, c);
    return sum;
  }
  std::uint64_t union_of(int c) const { return labelled(c) + predicted(c) - intersect(c); }

  /// Intersection over union; not a number where the class is neither there nor predicted.
  double iou(int c) const { return ratio(intersect(c), union_of(c)); }
  /// Share of a class's pixels that were found; not a number where there are none.
  double accuracy(int c) const { return ratio(intersect(c), labelled(c)); }
  /// Mean over the classes that are there or predicted (mmsegmentation); not a number where there is none.
  double miou() const {
    return mean([&](int c) { return iou(c); });
  }
  /// Mean over all classes, one that is neither there nor predicted counting as 1 (segmentation_models_pytorch).
  double miou_smp() const {
    return mean([&](int c) { return union_of(c) == 0 ? 1.0 : iou(c); });
  }
  double class_accuracy() const {
    return mean([&](int c) { return accuracy(c); });
  }
  double pixel_accuracy() const {
    std::uint64_t right = 0;
    for (int c = 0; c < classes_; ++c) right += intersect(c);
    return ratio(right, pixels());
  }
  /// Pixels that count.
  std::uint64_t pixels() const { return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0}); }

 private:
  std::size_t n() const { return static_cast<std::size_t>(classes_); }
  static std::size_t at(int c) { return static_cast<std::size_t>(c); }
  static double ratio(std::uint64_t a, std::uint64_t b) { return b == 0 ? std::numeric_limits<double>::quiet_NaN() : static_cast<double>(a) / static_cast<double>(b); }
  template <class Value>
  double mean(Value const& value) const {
    double sum = 0.0, counted = 0.0;
    for (int c = 0; c < classes_; ++c)
      if (double const v = value(c); !std::isnan(v)) sum += v, counted += 1.0;
    return counted > 0.0 ? sum / counted : std::numeric_limits<double>::quiet_NaN();
  }

  int classes_;
  std::vector<std::uint64_t> counts_;  // (label, prediction); the last column: predicted as nothing
};

}  // namespace tadp
