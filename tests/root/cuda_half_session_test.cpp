// SPDX-License-Identifier: Apache-2.0
// Both policies over all heads in half and in bfloat16 on the CUDA kernels, run on the host, against the same in float.
#include "all_heads.hpp"

using namespace all_heads;

namespace {

/// The length of the difference over the length of b.
double distance(std::vector<float> const& a, std::vector<float> const& b) {
  REQUIRE(a.size() == b.size());
  double off = 0.0, length = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    double const d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    off += d * d;
    length += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return std::sqrt(off / length);
}

/// Maps by their distance. Which boxes stay is decided by scores that nearly tie: there have to be some.
void near_answers(Numbers const& a, Numbers const& b, double tolerance) {
  for (std::size_t i = 0; i < b.size(); ++i) {
    CHECK(!a[i].second.empty());
    if (b[i].first == "boxes") continue;
    double const d = distance(a[i].second, b[i].second);
    INFO(b[i].first << " departs by " << d);
    CHECK(d <= tolerance);
  }
}

struct LessonLimits {
  double losses, gradients;
};
void near_lessons(Numbers const& a, Numbers const& b, LessonLimits const& limits) {
  double const losses = distance(a[0].second, b[0].second), gradients = distance(a[1].second, b[1].second);
  INFO("losses depart by " << losses << ", gradients by " << gradients);
  CHECK(losses <= limits.losses);
  CHECK(gradients <= limits.gradients);
}

using Device = host_cuda::WithLibraries;

}  // namespace

TEST_CASE("all heads answer in half and in bfloat16 what they answer in float") {
  Numbers const in_float = answers<>(Device{});
  near_answers(answers<fp16>(Device{}), in_float, 0.003);
  near_answers(answers<bf16>(Device{}), in_float, 0.03);
}

TEST_CASE("all heads learn in half and in bfloat16 what they learn in float") {
  Numbers const in_float = lessons<>(Device{});
  near_lessons(lessons<fp16>(Device{}, {.exponent = 8}), in_float, {0.001, 0.015});
  near_lessons(lessons<bf16>(Device{}), in_float, {0.005, 0.2});
}
