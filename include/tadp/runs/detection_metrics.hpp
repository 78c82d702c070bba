// SPDX-License-Identifier: Apache-2.0
// How well boxes fit the truth: average precision as the VOC evaluator of the original counts it, picture by picture.
// Usable on its own; keeps a score and a verdict a detection, nothing of a picture (spec 5.3).
#pragma once

#include "tadp/core/error.hpp"
#include "tadp/heads/detection_result.hpp"
#include "tadp/heads/detection_target.hpp"

#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <vector>

namespace tadp {

/// What the original's evaluator does to numbers before it compares them.
struct VocRules {
  /// Detections, whose pixels count from 0, pass through a text file that counts from 1: 1 is added to x1 and y1 (to these
  /// alone), scores have three decimals and corners one. Truths are taken as a VOC annotation has them.
  bool text_file = true;
  double pixel = 1.0;  ///< added to widths and heights: corners are pixels that belong to the box; 0: corners are lines
};

/// Precision over recall, in the order of falling scores.
struct PrecisionRecall {
  std::vector<double> recall{}, precision{};
};

class DetectionScore {
 public:
  /// Classes count the background: 1 to classes - 1 are scored. `overlaps`: a detection is right strictly above; at most 8
  /// of them. Error(argument).
  explicit DetectionScore(int classes, std::vector<double> overlaps = {0.5}, VocRules rules = {}) : overlaps_(std::move(overlaps)), rules_(rules) {
    if (classes < 2) throw Error(Errc::argument, "a score needs a class beside the background", {.expected = "at least 2", .found = std::to_string(classes)});
    if (overlaps_.empty() || overlaps_.size() > 8) throw Error(Errc::argument, "a score needs 1 to 8 overlaps", {.found = std::to_string(overlaps_.size())});
    classes_.resize(static_cast<std::size_t>(classes));
  }

  /// Counts a picture: what was found in it and what is there, both in its pixels. Error(argument) for a class that there
  /// is not and for numbers that are none.
  void add(std::span<Detected const> found, std::span<TrueBox const> truths) {
    for (TrueBox const& t : truths) {
      require(t.label, t.box, 0.0F);
      if (!t.difficult) ++classes_[static_cast<std::size_t>(t.label)].truths;
    }
    std::vector<Row> rows;
    for (Detected const& d : found) {
      require(d.label, d.box, d.score);
      rows.push_back(row_of(d));
    }
    ++pictures_;
    for (int c = 1; c < classes(); ++c) judge(c, rows, truths);
  }
  void add(DetectionResult const& found, std::span<TrueBox const> truths) { add(found.objects, truths); }
  /// Adds what another score of the same classes and overlaps has counted, behind what this one has.
  void add(DetectionScore const& other) {
    if (other.classes() != classes() || other.overlaps_ != overlaps_) throw Error(Errc::argument, "two scores count different classes or overlaps");
    for (std::size_t c = 0; c < classes_.size(); ++c) {
      classes_[c].truths += other.classes_[c].truths;
      classes_[c].verdicts.insert(classes_[c].verdicts.end(), other.classes_[c].verdicts.begin(), other.classes_[c].verdicts.end());
    }
    pictures_ += other.pictures_;
  }

  int classes() const { return static_cast<int>(classes_.size()); }
  std::uint64_t pictures() const { return pictures_; }
  /// Objects of a class that count.
  std::uint64_t truths(int c) const { return of(c).truths; }
  std::uint64_t detections(int c) const { return of(c).verdicts.size(); }

  PrecisionRecall curve(int c, std::size_t overlap = 0) const {
    if (overlap >= overlaps_.size()) throw Error(Errc::argument, "the score has no such overlap", {.expected = "below " + std::to_string(overlaps_.size()), .found = std::to_string(overlap)});
    std::vector<Verdict> sorted = of(c).verdicts;
    std::stable_sort(sorted.begin(), sorted.end(), [](Verdict const& a, Verdict const& b) { return a.score > b.score; });
    PrecisionRecall curve;
    double right = 0.0, wrong = 0.0;
    for (Verdict const& v : sorted) {
      right += (v.right >> overlap & 1U) != 0 ? 1.0 : 0.0;
      wrong += (v.wrong >> overlap & 1U) != 0 ? 1.0 : 0.0;
      curve.recall.push_back(right / static_cast<double>(of(c).truths));
      curve.precision.push_back(right / std::max(right + wrong, std::numeric_limits<double>::epsilon()));
    }
    return curve;
  }
  /// The mean of the best precision at eleven recalls (VOC 2007); not a number where the class is nowhere.
  double ap_eleven(int c, std::size_t overlap = 0) const {
    if (of(c).truths == 0) return std::numeric_limits<double>::quiet_NaN();
    PrecisionRecall const p = curve(c, overlap);
    double sum = 0.0;
    for (int i = 0; i <= 10; ++i) {
      double best = 0.0;
      for (std::size_t k = 0; k < p.recall.size(); ++k)
        if (p.recall[k] >= i * 0.1) best = std::max(best, p.precision[k]);
      sum += best / 11.0;
    }
    return sum;
  }
  /// The area under the falling envelope of the curve (VOC 2010); not a number where the class is nowhere.
  double ap_area(int c, std::size_t overlap = 0) const {
    if (of(c).truths == 0) return std::numeric_limits<double>::quiet_NaN();
    PrecisionRecall const p = curve(c, overlap);
    double area = 0.0, best = 0.0;
    for (std::size_t k = p.recall.size(); k-- > 0;) {
      best = std::max(best, p.precision[k]);
      area += (p.recall[k] - (k > 0 ? p.recall[k - 1] : 0.0)) * best;
    }
    return area;
  }
  /// Means over the classes that are somewhere; not a number where none is.
  double mean_ap_eleven(std::size_t overlap = 0) const {
    return mean([&](int c) { return ap_eleven(c, overlap); });
  }
  double mean_ap_area(std::size_t overlap = 0) const {
    return mean([&](int c) { return ap_area(c, overlap); });
  }

 private:
  struct Row {
    double score, x1, y1, x2, y2;
    int label;
  };
  /// Bit k: for overlap k. Neither: the object is a difficult one.
  struct Verdict {
    double score = 0.0;
    std::uint8_t right = 0, wrong = 0;
  };
  struct Class {
    std::uint64_t truths = 0;
    std::vector<Verdict> verdicts{};
  };

  Class const& of(int c) const {
    if (c < 1 || c >= classes()) throw Error(Errc::argument, "the score has no such class", {.expected = "1 to " + std::to_string(classes() - 1), .found = std::to_string(c)});
    return classes_[static_cast<std::size_t>(c)];
  }
  void require(int label, Box const& b, float score) const {
    (void)of(label);
    for (float v : {b.x1, b.y1, b.x2, b.y2, score})
      if (!std::isfinite(v)) throw Error(Errc::argument, "a box or its score is no number", {.found = std::to_string(v)});
  }
  /// As a text file would hold it.
  static double rounded(double v, int decimals) {
    char text[400];  // a double of any size
    auto const end = std::to_chars(text, text + sizeof text, v, std::chars_format::fixed, decimals).ptr;
    double back = v;
    std::from_chars(text, end, back);
    return back;
  }
  Row row_of(Detected const& d) const {
    auto const wide = [](float v) { return static_cast<double>(v); };
    Row r{wide(d.score), wide(d.box.x1), wide(d.box.y1), wide(d.box.x2), wide(d.box.y2), d.label};
    if (!rules_.text_file) return r;
    return {rounded(r.score, 3), rounded(r.x1 + 1.0, 1), rounded(r.y1 + 1.0, 1), rounded(r.x2, 1), rounded(r.y2, 1), d.label};
  }
  double overlap_of(Row const& d, Box const& t) const {
    double const x1 = static_cast<double>(t.x1), y1 = static_cast<double>(t.y1), x2 = static_cast<double>(t.x2), y2 = static_cast<double>(t.y2), p = rules_.pixel;
    double const w = std::max(std::min(x2, d.x2) - std::max(x1, d.x1) + p, 0.0), h = std::max(std::min(y2, d.y2) - std::max(y1, d.y1) + p, 0.0);
    double const shared = w * h, all = (d.x2 - d.x1 + p) * (d.y2 - d.y1 + p) + (x2 - x1 + p) * (y2 - y1 + p) - shared;
    return all > 0.0 ? shared / all : 0.0;
  }
  /// Every object is found once, by the detection of the highest score that fits it best.
  void judge(int c, std::span<Row const> rows, std::span<TrueBox const> truths) {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < rows.size(); ++i)
      if (rows[i].label == c) order.push_back(i);
    std::vector<Verdict> verdicts(rows.size());
    std::vector<std::size_t> by_score = order;
    std::stable_sort(by_score.begin(), by_score.end(), [&](std::size_t a, std::size_t b) { return rows[a].score > rows[b].score; });
    std::vector<std::uint8_t> used(truths.size());
    for (std::size_t i : by_score) {
      double best = -1.0;
      std::size_t at = 0;
      for (std::size_t t = 0; t < truths.size(); ++t)
        if (double const o = truths[t].label == c ? overlap_of(rows[i], truths[t].box) : -1.0; o > best) best = o, at = t;
      Verdict& v = verdicts[i];
      v.score = rows[i].score;
      for (std::size_t k = 0; k < overlaps_.size(); ++k) {
        auto const bit = static_cast<std::uint8_t>(1U << k);
        if (!(best > overlaps_[k]))
          v.wrong |= bit;
        else if (!truths[at].difficult)
          (used[at] & bit) != 0 ? v.wrong |= bit : v.right |= bit;
        if (best > overlaps_[k]) used[at] |= bit;
      }
    }
    auto& all = classes_[static_cast<std::size_t>(c)].verdicts;
    for (std::size_t i : order) all.push_back(verdicts[i]);
  }
  template <class Value>
  double mean(Value const& value) const {
    double sum = 0.0, counted = 0.0;
    for (int c = 1; c < classes(); ++c)
      if (double const v = value(c); !std::isnan(v)) sum += v, counted += 1.0;
    return counted > 0.0 ? sum / counted : std::numeric_limits<double>::quiet_NaN();
  }

  std::vector<double> overlaps_;
  VocRules rules_;
  std::vector<Class> classes_;
  std::uint64_t pictures_ = 0;
};

}  // namespace tadp
