// SPDX-License-Identifier: Apache-2.0
// How well metres fit the truth: the nine measures that depth papers print, of each picture, and their mean over a set.
// The protocol (caps, Eigen's rectangle) is the NYUv2 test's (spec 5.3); nothing of a set is kept but sums.
#pragma once

#include "tadp/core/error.hpp"
#include "tadp/heads/depth_result.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tadp {

/// Of one picture, or the means over a set. rmse in metres, sq_rel in metres, the logarithms natural but for log10.
struct DepthMeasures {
  double d1 = 0.0, d2 = 0.0, d3 = 0.0;  ///< shares of pixels whose ratio to the truth is below 1.25, 1.25^2, 1.25^3
  double abs_rel = 0.0, sq_rel = 0.0, rmse = 0.0, rmse_log = 0.0, log10 = 0.0, silog = 0.0;

  struct Field {
    std::string_view name;
    double DepthMeasures::*value;
  };
  static constexpr std::array<Field, 9> fields() {
    using M = DepthMeasures;
    return {{{"d1", &M::d1}, {"d2", &M::d2}, {"d3", &M::d3}, {"abs_rel", &M::abs_rel}, {"sq_rel", &M::sq_rel}, {"rmse", &M::rmse}, {"rmse_log", &M::rmse_log}, {"log10", &M::log10}, {"silog", &M::silog}}};
  }
};

/// Rows [top, bottom) and columns [left, right) of a picture.
struct DepthRectangle {
  int top = 0, bottom = 0, left = 0, right = 0;

  /// Eigen's, for the 640 x 480 pictures of NYUv2.
  static constexpr DepthRectangle eigen() { return {45, 471, 41, 601}; }
};

/// Which pixels count: the truth strictly between the caps, inside the rectangle where there is one.
struct DepthProtocol {
  float min_depth = 1e-3F, max_depth = 10.0F;
  std::optional<DepthRectangle> rectangle{};

  static DepthProtocol nyu() { return {.rectangle = DepthRectangle::eigen()}; }
};

namespace depth_metrics_detail {

struct Sums {
  std::uint64_t pixels = 0, within[3] = {};
  double relative = 0.0, square_relative = 0.0, square = 0.0, log = 0.0, log_square = 0.0, log10 = 0.0;

  void add(double predicted, double truth) {
    double const ratio = std::max(truth / predicted, predicted / truth), d = predicted - truth, l = std::log(predicted) - std::log(truth);
    ++pixels;
    double limit = 1.25;
    for (std::uint64_t& count : within) {
      count += ratio < limit ? 1 : 0;
      limit *= 1.25;
    }
    relative += std::abs(d) / truth;
    square_relative += d * d / truth;
    square += d * d;
    log += l;
    log_square += l * l;
    log10 += std::abs(std::log10(predicted) - std::log10(truth));
  }
  DepthMeasures measures() const {
    auto const mean = [&](double sum) { return sum / static_cast<double>(pixels); };
    auto const share = [&](int i) { return mean(static_cast<double>(within[i])); };
    // Of equal logarithms rounding may leave less than nothing.
    double const spread = std::max(0.0, mean(log_square) - 0.5 * mean(log) * mean(log));
    return {share(0), share(1), share(2), mean(relative), mean(square_relative), std::sqrt(mean(square)), std::sqrt(mean(log_square)), mean(log10), std::sqrt(spread)};
  }
};

}  // namespace depth_metrics_detail

/// Pictures are added one by one; the answer is the mean of their measures.
class DepthScore {
 public:
  /// Error(argument) for caps or a rectangle that no pixel can lie in.
  explicit DepthScore(DepthProtocol protocol = {}) : protocol_(protocol) {
    bool const caps = protocol.min_depth > 0.0F && protocol.max_depth > protocol.min_depth;
    auto const& r = protocol.rectangle;
    if (!caps || (r && (r->top < 0 || r->left < 0 || r->bottom <= r->top || r->right <= r->left)))
      throw Error(Errc::argument, caps ? "the rectangle of a depth protocol holds no pixel" : "the caps of a depth protocol exclude every depth",
                  {.found = std::to_string(protocol.min_depth) + " to " + std::to_string(protocol.max_depth) + " m"});
  }

  /// Measures of a picture, (height, width) metres each; nothing where no pixel counts, and the picture is then only
  /// counted as empty. A prediction that is not a number or not above zero counts as the lower cap, an infinite one as
  /// the upper. Error(shape) where sizes differ or the rectangle is not inside the picture.
  std::optional<DepthMeasures> add(std::span<float const> predicted, std::span<float const> truth, int width, int height) {
    require(predicted.size(), truth.size(), width, height);
    DepthRectangle const r = protocol_.rectangle.value_or(DepthRectangle{0, height, 0, width});
    depth_metrics_detail::Sums sums;
    for (int y = r.top; y < r.bottom; ++y)
      for (int x = r.left; x < r.right; ++x) {
        auto const i = static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x);
        if (truth[i] > protocol_.min_depth && truth[i] < protocol_.max_depth) sums.add(static_cast<double>(usable(predicted[i])), static_cast<double>(truth[i]));
      }
    if (sums.pixels == 0) {
      ++empty_;
      return {};
    }
    DepthMeasures const measures = sums.measures();
    for (auto const& field : DepthMeasures::fields()) total_.*field.value += measures.*field.value;
    pixels_ += sums.pixels;
    ++pictures_;
    return measures;
  }
  std::optional<DepthMeasures> add(DepthMap const& predicted, DepthMap const& truth) {
    if (predicted.width != truth.width || predicted.height != truth.height)
      throw Error(Errc::shape, "prediction and truth have different sizes", {.expected = size(truth.width, truth.height), .found = size(predicted.width, predicted.height)});
    return add(predicted.metres, truth.metres, truth.width, truth.height);
  }

  /// Means over the pictures; every one not a number where there was none.
  DepthMeasures measures() const {
    DepthMeasures mean;
    for (auto const& field : DepthMeasures::fields())
      mean.*field.value = pictures_ == 0 ? std::numeric_limits<double>::quiet_NaN() : total_.*field.value / static_cast<double>(pictures_);
    return mean;
  }
  std::uint64_t pictures() const { return pictures_; }
  std::uint64_t pixels() const { return pixels_; }  ///< that counted
  std::uint64_t empty() const { return empty_; }    ///< pictures without a pixel that counts

 private:
  static std::string size(int width, int height) { return std::to_string(width) + " x " + std::to_string(height); }
  float usable(float v) const {
    if (std::isinf(v) && v > 0.0F) return protocol_.max_depth;
    return v > 0.0F ? v : protocol_.min_depth;
  }
  void require(std::size_t predicted, std::size_t truth, int width, int height) const {
    auto const pixels = width > 0 && height > 0 ? static_cast<std::size_t>(width) * static_cast<std::size_t>(height) : 0;
    if (pixels == 0 || predicted != pixels || truth != pixels)
      throw Error(Errc::shape, "depths do not fit the size of the picture", {.expected = size(width, height), .found = std::to_string(predicted) + " and " + std::to_string(truth) + " numbers"});
    auto const& r = protocol_.rectangle;
    if (r && (r->bottom > height || r->right > width))
      throw Error(Errc::shape, "the rectangle that is scored does not lie inside the picture",
                  {.expected = "at least " + size(r->right, r->bottom), .found = size(width, height)});
  }

  DepthProtocol protocol_;
  DepthMeasures total_{};
  std::uint64_t pictures_ = 0, pixels_ = 0, empty_ = 0;
};

}  // namespace tadp
