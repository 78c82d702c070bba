// SPDX-License-Identifier: Apache-2.0
// What the ways to resize differ in: which pixels of a line an output pixel takes, how much of each, and how it rounds.
// A method offers taps(in, out) for rows and columns alike, and the arithmetic of both passes; resize.hpp runs them.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <vector>

namespace tadp::detail {

/// For each place of an output line: `width` input places and what each contributes (0 for those not used).
template <class Weight>
struct Taps {
  std::size_t width;
  std::vector<int> from{};
  std::vector<Weight> weight{};

  Taps(int out, std::size_t taps)
      : width(taps), from(static_cast<std::size_t>(out) * taps), weight(static_cast<std::size_t>(out) * taps) {}

  void set(int out, std::size_t tap, int place, Weight value) {
    from[static_cast<std::size_t>(out) * width + tap] = place;
    weight[static_cast<std::size_t>(out) * width + tap] = value;
  }
};

inline std::uint8_t to_byte(int value) { return static_cast<std::uint8_t>(std::clamp(value, 0, 255)); }

/// OpenCV rounds its weights to 1/2048 and computes in whole numbers.
inline std::int16_t cv2_weight(float weight) { return static_cast<std::int16_t>(std::lrint(weight * 2048.0F)); }

/// Where the centre of output pixel `out` lies among the input pixels, as OpenCV rounds it.
struct Cv2Place {
  int floor;
  float fraction;

  Cv2Place(int out, int in_size, int out_size) {
    auto const scale = 1.0 / (static_cast<double>(out_size) / in_size);
    auto const place = static_cast<float>((out + 0.5) * scale - 0.5);
    floor = static_cast<int>(std::floor(place));
    fraction = place - static_cast<float>(floor);
  }
};

struct Cv2Bilinear {
  using Weight = std::int16_t;
  using Middle = int;
  using Sum = int;
  static Taps<Weight> taps(int in, int out) {
    Taps<Weight> all(out, 2);
    for (int i = 0; i < out; ++i) {
      Cv2Place const place(i, in, out);
      all.set(i, 0, std::clamp(place.floor, 0, in - 1), cv2_weight(1 - place.fraction));
      all.set(i, 1, std::clamp(place.floor + 1, 0, in - 1), cv2_weight(place.fraction));
    }
    return all;
  }
  static Middle middle(Sum sum) { return sum; }
  static Sum term(Weight weight, Middle value) { return (weight * (value >> 4)) >> 16; }  // OpenCV drops these bits
  static std::uint8_t last(Sum sum) { return to_byte((sum + 2) >> 2); }
};

struct Cv2Cubic {
  using Weight = std::int16_t;
  using Middle = int;
  using Sum = int;
  static std::array<float, 4> weights(float x) {
    constexpr float a = -0.75F;
    auto const near = [](float t) { return ((a + 2) * t - (a + 3)) * t * t + 1; };
    std::array<float, 4> w = {((a * (x + 1) - 5 * a) * (x + 1) + 8 * a) * (x + 1) - 4 * a, near(x), near(1 - x), 0};
    w[3] = 1 - w[0] - w[1] - w[2];
    return w;
  }
  static Taps<Weight> taps(int in, int out) {
    Taps<Weight> all(out, 4);
    for (int i = 0; i < out; ++i) {
      Cv2Place const place(i, in, out);
      auto const w = weights(place.fraction);
      for (int k = 0; k < 4; ++k)
        all.set(i, static_cast<std::size_t>(k), std::clamp(place.floor - 1 + k, 0, in - 1),
                cv2_weight(w[static_cast<std::size_t>(k)]));
    }
    return all;
  }
  static Middle middle(Sum sum) { return sum; }
  static Sum term(Weight weight, Middle value) { return weight * value; }
  static std::uint8_t last(Sum sum) { return to_byte((sum + (1 << 21)) >> 22); }
};

/// What both methods of torch share: floats throughout, rounded once at the end.
struct TorchFloat {
  using Weight = float;
  using Middle = float;
  using Sum = float;
  static Middle middle(Sum sum) { return sum; }
  static Sum term(Weight weight, Middle value) { return weight * value; }
  static std::uint8_t last(Sum sum) { return to_byte(static_cast<int>(std::nearbyint(sum))); }
};

struct TorchBilinear : TorchFloat {
  static Taps<Weight> taps(int in, int out) {
    Taps<Weight> all(out, 2);
    auto const scale = static_cast<float>(in) / static_cast<float>(out);
    for (int i = 0; i < out; ++i) {
      auto const place = std::max(scale * (static_cast<float>(i) + 0.5F) - 0.5F, 0.0F);
      auto const floor = std::min(static_cast<int>(place), in - 1);
      auto const fraction = std::min(place - static_cast<float>(floor), 1.0F);
      all.set(i, 0, floor, 1 - fraction);
      all.set(i, 1, std::min(floor + 1, in - 1), fraction);
    }
    return all;
  }
};

/// Weights of a filter that grows with the reduction, which sum to 1; Pillow began it and torch followed.
template <class Real, class Filter, class Store>
void filter_taps(int in, int out, double support, Filter filter, Store store) {
  auto const scale = static_cast<Real>(in) / static_cast<Real>(out);
  auto const stretch = std::max(scale, Real{1});
  auto const reach = static_cast<Real>(support) * stretch;
  std::vector<Real> weights;
  for (int i = 0; i < out; ++i) {
    auto const centre = scale * (static_cast<Real>(i) + Real{0.5});
    int const first = std::max(static_cast<int>(centre - reach + Real{0.5}), 0);
    int const end = std::min(static_cast<int>(centre + reach + Real{0.5}), in);
    weights.clear();
    Real total = 0;
    for (int place = first; place < end; ++place) {
      weights.push_back(filter((static_cast<Real>(place) - centre + Real{0.5}) / stretch));
      total += weights.back();
    }
    for (std::size_t k = 0; k < weights.size(); ++k)
      store(i, k, first + static_cast<int>(k), total != 0 ? weights[k] / total : weights[k]);
  }
}

inline std::size_t filter_width(int in, int out, double support) {
  return static_cast<std::size_t>(std::ceil(support * std::max(static_cast<double>(in) / out, 1.0))) * 2 + 1;
}

struct TorchBilinearAntialias : TorchFloat {
  static Taps<Weight> taps(int in, int out) {
    Taps<Weight> all(out, filter_width(in, out, 1));
    auto const triangle = [](float x) { return std::max(1 - std::abs(x), 0.0F); };
    filter_taps<float>(in, out, 1, triangle, [&](int i, std::size_t k, int from, float w) { all.set(i, k, from, w); });
    return all;
  }
};

/// Pillow rounds its weights to 2^-22 and the picture to bytes between the two passes.
struct PillowLanczos {
  using Weight = std::int32_t;
  using Middle = std::uint8_t;
  using Sum = std::int64_t;  // some sums of weights at the rim exceed what 32 bits surely hold
  static constexpr int bits = 22;
  static double lanczos(double x) {
    auto const sinc = [](double t) { return t == 0 ? 1.0 : std::sin(t * std::numbers::pi) / (t * std::numbers::pi); };
    return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0.0;
  }
  static Taps<Weight> taps(int in, int out) {
    Taps<Weight> all(out, filter_width(in, out, 3));
    filter_taps<double>(in, out, 3, lanczos, [&](int i, std::size_t k, int from, double w) {
      all.set(i, k, from, static_cast<Weight>(std::trunc(w * (1 << bits) + (w < 0 ? -0.5 : 0.5))));
    });
    return all;
  }
  static Middle middle(Sum sum) { return last(sum); }
  static Sum term(Weight weight, Middle value) { return Sum{weight} * value; }
  static std::uint8_t last(Sum sum) { return to_byte(static_cast<int>((sum + (1 << (bits - 1))) >> bits)); }
};

}  // namespace tadp::detail
