// SPDX-License-Identifier: Apache-2.0
// What both translation units do with the library; each compiles its own copy for its own processor.
#pragma once

#include <tadp/kernels/cpu_gemm.hpp>
#include <tadp/tadp.hpp>

#include <string>
#include <vector>

namespace consumer {

inline constexpr tadp::index_t rows = 61, columns = 45, depth = 300;

/// What one translation unit found.
struct Answer {
  std::string text{};            ///< the sentence of an error that the library threw
  tadp::Picture picture;         ///< handed to the other side
  std::vector<float> product{};  ///< (rows, columns)
  bool avx2 = false;             ///< whether the unit was compiled for it
};

Answer plain(tadp::ThreadPool& pool);  ///< compiled without flags
Answer wide(tadp::ThreadPool& pool);   ///< compiled for AVX2 where the machine has it

/// The factors of the product: small numbers, exact in float and so in every order of the sum.
inline float left(tadp::index_t i, tadp::index_t k) { return static_cast<float>((i * 7 + k * 3) % 11 - 5); }
inline float right(tadp::index_t j, tadp::index_t k) { return static_cast<float>((j * 5 + k * 2) % 13 - 6) / 4; }

namespace {

std::vector<float> multiply(tadp::ThreadPool& pool) {
  std::vector<float> a, b, c(static_cast<std::size_t>(rows * columns));
  for (tadp::index_t i = 0; i < rows; ++i)
    for (tadp::index_t k = 0; k < depth; ++k) a.push_back(left(i, k));
  for (tadp::index_t j = 0; j < columns; ++j)
    for (tadp::index_t k = 0; k < depth; ++k) b.push_back(right(j, k));
  auto const store = [&c](tadp::index_t i, tadp::index_t j, tadp::index_t count, float const* values) {
    std::copy(values, values + count, c.begin() + i * columns + j);
  };
  tadp::gemm(pool, rows, columns, depth, tadp::RowsOf{a.data(), depth}, tadp::RowsOf{b.data(), depth}, store);
  return c;
}

Answer work(tadp::ThreadPool& pool) {
  Answer answer;
  try {
    throw tadp::Error(tadp::Errc::shape, "sizes differ", {.expected = "64", .found = "65"});
  } catch (tadp::Error const& error) {
    answer.text = error.what();
  }
  answer.picture = tadp::Picture(37, 23);
  for (int y = 0; y < 23; ++y)
    for (int x = 0; x < 37; ++x) answer.picture.pixel(x, y)[x % 3] = static_cast<unsigned char>(x * 5 + y);
  answer.product = multiply(pool);
#ifdef __AVX2__
  answer.avx2 = true;
#endif
  return answer;
}

}  // namespace
}  // namespace consumer
