// SPDX-License-Identifier: Apache-2.0
// The processor's elementwise functions against those of the standard library in double precision.
#include "tadp/kernels/cpu_vector.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <vector>

using namespace tadp;

namespace {

/// Largest error over [from, to], relative to the true value or, where that is below `floor`, to `floor`.
template <class Function>
double largest_error(float from, float to, Function const& function, std::function<double(double)> const& truth, double floor) {
  constexpr int count = 200'000;
  double largest = 0.0;
  bool same = true;
  for (int i = 0; i <= count; ++i) {
    float const x = from + (to - from) * static_cast<float>(i) / static_cast<float>(count);
    Packet const y = function(broadcast(x));
    for (int lane = 1; lane < vector_floats; ++lane) same = same && y[lane] == y[0];
    double const t = truth(static_cast<double>(x));
    largest = std::max(largest, std::abs(static_cast<double>(y[0]) - t) / std::max(std::abs(t), floor));
  }
  CHECK(same);  // all lanes
  return largest;
}

}  // namespace

TEST_CASE("exp, log1p, erf and sigmoid are those of the standard library") {
  auto const exponential = [](double x) { return std::exp(x); };
  auto const logarithm = [](double x) { return std::log1p(x); };
  auto const error = [](double x) { return std::erf(x); };
  CHECK(largest_error(-87.0F, 88.0F, [](Packet x) { return exp(x); }, exponential, 0.0) < 1.5e-7);
  CHECK(largest_error(0.0F, 1.0F, [](Packet x) { return log1p(x); }, logarithm, 1e-30) < 3e-7);
  CHECK(largest_error(0.0F, 1e-6F, [](Packet x) { return log1p(x); }, logarithm, 1e-30) < 3e-7);
  CHECK(largest_error(-6.0F, 6.0F, [](Packet x) { return erf(x); }, error, 1e-30) < 4e-7);
  CHECK(largest_error(-80.0F, 80.0F, [](Packet x) { return sigmoid(x); }, [](double x) { return 1.0 / (1.0 + std::exp(-x)); }, 0.0) < 4e-7);
  CHECK(largest_error(0.0F, 1e6F, [](Packet x) { return sqrt(x); }, [](double x) { return std::sqrt(x); }, 1e-30) < 6e-8);
}

TEST_CASE("beyond their range the functions stay finite") {
  float const infinity = std::numeric_limits<float>::infinity();
  CHECK(exp(broadcast(-infinity))[0] < 2e-38F);
  CHECK(exp(broadcast(-infinity))[0] >= 0.0F);
  CHECK(std::isfinite(exp(broadcast(infinity))[0]));
  CHECK(sigmoid(broadcast(1000.0F))[0] == 1.0F);
  CHECK(sigmoid(broadcast(-1000.0F))[0] < 1e-37F);
  CHECK(erf(broadcast(infinity))[0] == doctest::Approx(1.0).epsilon(4e-7));
  CHECK(erf(broadcast(-infinity))[0] == doctest::Approx(-1.0).epsilon(4e-7));
}

TEST_CASE("what is no number stays none") {
  float const nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isnan(exp(broadcast(nan))[0]));
  CHECK(std::isnan(sigmoid(broadcast(nan))[0]));
  CHECK(std::isnan(erf(broadcast(nan))[0]));
}

TEST_CASE("a row gives the same bytes wherever it begins") {
  std::vector<float> values(67), whole(67), shifted(67);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = 0.37F * static_cast<float>(i) - 9.0F;
  auto const f = [](Packet x) { return erf(exp(x)); };
  map_row(67, whole.data(), f, static_cast<float const*>(values.data()));
  for (index_t first = 1; first < 20; ++first) {
    map_row(67 - first, shifted.data(), f, static_cast<float const*>(values.data() + first));
    CHECK(std::memcmp(shifted.data(), whole.data() + first, static_cast<std::size_t>(67 - first) * sizeof(float)) == 0);
  }
}
