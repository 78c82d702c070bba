// SPDX-License-Identifier: Apache-2.0
// Calls both translation units with one pool of threads and compares what they found with the truth.
#include "work.hpp"

#include <cstdio>

namespace {

bool right_product(std::vector<float> const& product) {
  for (tadp::index_t i = 0; i < consumer::rows; ++i)
    for (tadp::index_t j = 0; j < consumer::columns; ++j) {
      float sum = 0;
      for (tadp::index_t k = 0; k < consumer::depth; ++k) sum += consumer::left(i, k) * consumer::right(j, k);
      if (product[static_cast<std::size_t>(i * consumer::columns + j)] != sum) return false;
    }
  return true;
}

bool check(char const* name, bool good) {
  std::printf("%s: %s\n", name, good ? "ok" : "WRONG");
  return good;
}

}  // namespace

int main() {
  tadp::ThreadPool pool(2);
  consumer::Answer const plain = consumer::plain(pool);
  consumer::Answer const wide = consumer::wide(pool);
  std::printf("compiled for AVX2: plain %d, wide %d\n", plain.avx2, wide.avx2);
  bool good = check("error text", plain.text == wide.text && !plain.text.empty());
  good &= check("picture", plain.picture.rgb == wide.picture.rgb);
  good &= check("product of the plain unit", right_product(plain.product));
  good &= check("product of the wide unit", right_product(wide.product));
  return good ? 0 : 1;
}
