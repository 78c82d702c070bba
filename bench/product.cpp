// SPDX-License-Identifier: Apache-2.0
// The matrix product beside Eigen's, one thread, over the products of the Stable Diffusion v1.5 UNet at 512x512: turn by
// turn in one run, results compared. Prints GFLOP/s of both and the ratio of their times.
#include "tadp/kernels/cpu_gemm.hpp"

#include <Eigen/Core>

#include <chrono>
#include <cstdio>

namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

struct Size {
  char const* name;
  tadp::index_t rows, columns, depth;
};
/// Pixels x channels out x channels in (and taps of a 3x3 patch).
constexpr Size sizes[] = {{"64x64, 320 from 320", 4096, 320, 320},          {"64x64, 320 from 3x3x320", 4096, 320, 2880},    {"32x32, 640 from 640", 1024, 640, 640},
                          {"32x32, 640 from 3x3x640", 1024, 640, 5760},     {"16x16, 1280 from 1280", 256, 1280, 1280},     {"16x16, 1280 from 3x3x1280", 256, 1280, 11520},
                          {"8x8, 1280 from 3x3x1280", 64, 1280, 11520},     {"64x64, 2560 from 320 (GEGLU)", 4096, 2560, 320}};

template <class Work>
double seconds_of(Work const& work) {
  auto const begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

bool compare(tadp::Cpu& cpu, Size const& s) {
  Matrix const a = Matrix::Random(s.rows, s.depth), b = Matrix::Random(s.columns, s.depth);  // both as rows of k values
  Matrix ours(s.rows, s.columns), theirs(s.rows, s.columns);
  double best[2] = {1e9, 1e9};
  for (int round = 0; round < 7; ++round) {
    best[0] = std::min(best[0], seconds_of([&] {
                         tadp::gemm(cpu.threads(), s.rows, s.columns, s.depth, tadp::RowsOf{a.data(), s.depth}, tadp::RowsOf{b.data(), s.depth},
                                    [&](tadp::index_t i, tadp::index_t j, tadp::index_t n, float const* values) { std::copy(values, values + n, ours.data() + i * s.columns + j); });
                       }));
    best[1] = std::min(best[1], seconds_of([&] { theirs.noalias() = a * b.transpose(); }));
  }
  double const flops = 2.0 * static_cast<double>(s.rows * s.columns * s.depth);
  double const error = static_cast<double>((ours - theirs).cwiseAbs().maxCoeff() / theirs.cwiseAbs().maxCoeff());
  std::printf("%-30s %7.1f GFLOP/s, Eigen %7.1f, time ratio %.2f, largest difference %.1e\n", s.name, flops / best[0] * 1e-9, flops / best[1] * 1e-9, best[0] / best[1], error);
  return error < 1e-4;
}

}  // namespace

int main() {
  tadp::Cpu cpu(1);
  bool same = true;
  for (Size const& s : sizes) same = compare(cpu, s) && same;
  if (!same) std::fprintf(stderr, "the products differ\n");
  return same ? 0 : 1;
}
