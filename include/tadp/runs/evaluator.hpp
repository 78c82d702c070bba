// SPDX-License-Identifier: Apache-2.0
// Runs a session over pictures with labels, depth or boxes and counts how well it does; and what a stride alone would allow.
// A source is anything with size() and operator[] that gives a Sample.
#pragma once

#include "tadp/exec/control.hpp"
#include "tadp/runs/depth_metrics.hpp"
#include "tadp/runs/detection_metrics.hpp"
#include "tadp/runs/metrics.hpp"
#include "tadp/runs/prompt_rule.hpp"

#include <algorithm>
#include <array>
#include <chrono>

namespace tadp {

/// How a run over a source went, whatever it counted.
struct EvaluationRun {
  std::size_t pictures = 0;
  double seconds = 0.0;                     ///< in the session, without reading files
  std::string prompt{};                     ///< the rule's name
  std::vector<std::string> unknown_words{}; ///< of the prompts, each once, in order; the model did not read them
  std::size_t truncated = 0;                ///< prompts that were longer than the text encoder reads
};
struct Evaluation : EvaluationRun {
  SegmentationScore score;
};
struct DepthEvaluation : EvaluationRun {
  DepthScore score;
};
struct DetectionEvaluation : EvaluationRun {
  DetectionScore score;
};

namespace evaluator_detail {

/// Calls count(sample, look(picture, prompt, control)) for every sample.
template <class SessionType, class Source, class Look, class Count>
void run_over(EvaluationRun& run, SessionType& session, Source& source, PromptRule const& rule, Control const& control, Look const& look, Count const& count) {
  using Clock = std::chrono::steady_clock;
  run.prompt = rule.name;
  for (std::size_t i = 0; i < source.size(); ++i) {
    Sample const& sample = source[i];
    Prompt const prompt = rule.prompt(sample);
    auto const begin = Clock::now();
    auto const answer = look(PictureView(sample.picture), prompt, Control{.stop = control.stop});
    run.seconds += std::chrono::duration<double>(Clock::now() - begin).count();
    for (std::string const& word : session.tokens().unknown)
      if (std::find(run.unknown_words.begin(), run.unknown_words.end(), word) == run.unknown_words.end()) run.unknown_words.push_back(word);
    run.truncated += session.tokens().truncated ? 1 : 0;
    count(sample, answer);
    ++run.pictures;
    control.step(i + 1, source.size());
  }
}

}  // namespace evaluator_detail

/// Labels every picture of a source and scores it. progress: pictures done of all. Errors of source and session;
/// Error(cancelled) on request.
template <class SessionType, class Source>
Evaluation evaluate(SessionType& session, Source& source, PromptRule const& rule, Control const& control = {}) {
  Evaluation result{{}, SegmentationScore(static_cast<int>(session.classes()))};
  evaluator_detail::run_over(
      result, session, source, rule, control, [&](auto const&... asked) { return session(asked...); },
      [&](Sample const& sample, LabelMap const& labels) { result.score.add(labels, sample.labels); });
  return result;
}
/// The same for metres, by a protocol; Error(shape) where its rectangle does not lie inside of a picture.
template <class SessionType, class Source>
DepthEvaluation evaluate_depth(SessionType& session, Source& source, PromptRule const& rule, DepthProtocol const& protocol = {}, Control const& control = {}) {
  DepthEvaluation result{{}, DepthScore(protocol)};
  evaluator_detail::run_over(
      result, session, source, rule, control, [&](auto const&... asked) { return session.depth(asked...); },
      [&](Sample const& sample, DepthMap const& metres) { result.score.add(metres, sample.depth); });
  return result;
}
/// The same for boxes. The score says which classes, overlaps and rules; what it has counted before stays in it.
template <class SessionType, class Source>
DetectionEvaluation evaluate_detection(SessionType& session, Source& source, PromptRule const& rule, DetectionScore score, Control const& control = {}) {
  DetectionEvaluation result{{}, std::move(score)};
  evaluator_detail::run_over(
      result, session, source, rule, control, [&](auto const&... asked) { return session.detect(asked...); },
      [&](Sample const& sample, DetectionResult const& found) { result.score.add(found, sample.boxes); });
  return result;
}

namespace ceiling_detail {

/// Sums of each class over cells of stride x stride pixels, (rows, columns, classes), as shares of the labelled pixels.
inline std::vector<float> shares(LabelMap const& labels, std::size_t classes, int stride, int columns, int rows) {
  std::vector<float> cells(static_cast<std::size_t>(columns) * static_cast<std::size_t>(rows) * classes);
  for (int y = 0; y < labels.height; ++y)
    for (int x = 0; x < labels.width; ++x) {
      std::size_t const label = labels.at(x, y), cell = static_cast<std::size_t>(y / stride) * static_cast<std::size_t>(columns) + static_cast<std::size_t>(x / stride);
      if (label < classes) cells[cell * classes + label] += 1.0F;
    }
  for (std::size_t at = 0; at < cells.size(); at += classes) {
    float const total = std::accumulate(&cells[at], &cells[at] + classes, 0.0F);
    if (total > 0.0F)
      for (std::size_t c = 0; c < classes; ++c) cells[at + c] /= total;
  }
  return cells;
}

/// The two cells around a pixel's centre, and the second one's weight.
struct Between {
  std::size_t first, second;
  float weight;
  Between(int pixel, int stride, int cells) {
    float const place = std::clamp((static_cast<float>(pixel) + 0.5F) / static_cast<float>(stride) - 0.5F, 0.0F, static_cast<float>(cells - 1));
    first = static_cast<std::size_t>(place);
    second = std::min(first + 1, static_cast<std::size_t>(cells - 1));
    weight = place - static_cast<float>(first);
  }
};

}  // namespace ceiling_detail

/// The best labels that a model with one answer for each stride x stride pixels can be expected to give: the truth's
/// classes averaged over each cell, enlarged bilinearly, the largest taken. Error(argument) for a stride below 1.
inline LabelMap through_stride(LabelMap const& labels, int classes, int stride) {
  using ceiling_detail::Between;
  if (stride < 1 || classes < 1) throw Error(Errc::argument, "a ceiling needs a stride and classes", {.expected = "at least 1", .found = std::to_string(std::min(stride, classes))});
  int const columns = (labels.width + stride - 1) / stride, rows = (labels.height + stride - 1) / stride;
  auto const count = static_cast<std::size_t>(classes);
  auto const cells = ceiling_detail::shares(labels, count, stride, columns, rows);
  auto const at = [&](std::size_t y, std::size_t x) { return &cells[(y * static_cast<std::size_t>(columns) + x) * count]; };
  LabelMap out(labels.width, labels.height);
  for (int y = 0; y < labels.height; ++y) {
    Between const v(y, stride, rows);
    for (int x = 0; x < labels.width; ++x) {
      Between const u(x, stride, columns);
      std::array<float const*, 4> const corner{at(v.first, u.first), at(v.first, u.second), at(v.second, u.first), at(v.second, u.second)};
      float best = -1.0F;
      for (std::size_t c = 0; c < count; ++c) {
        float const upper = corner[0][c] + u.weight * (corner[1][c] - corner[0][c]), lower = corner[2][c] + u.weight * (corner[3][c] - corner[2][c]);
        float const value = upper + v.weight * (lower - upper);
        if (value > best) best = value, out.at(x, y) = static_cast<std::uint8_t>(c);
      }
    }
  }
  return out;
}

/// The score of `through_stride` over a source.
template <class Source>
SegmentationScore ceiling(Source& source, int classes, int stride, Control const& control = {}) {
  SegmentationScore score(classes);
  for (std::size_t i = 0; i < source.size(); ++i) {
    Sample const& sample = source[i];
    score.add(through_stride(sample.labels, classes, stride), sample.labels);
    control.step(i + 1, source.size());
  }
  return score;
}

}  // namespace tadp
