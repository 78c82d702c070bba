// SPDX-License-Identifier: Apache-2.0
#include "tadp/core/windows.hpp"

#include <doctest/doctest.h>

#include <vector>

namespace td = tadp;
using td::index_t;

namespace {

std::vector<index_t> starts(td::WindowAxis const& axis) {
  std::vector<index_t> all;
  for (index_t i = 0; i < axis.count(); ++i) all.push_back(axis.start(i));
  return all;
}

}  // namespace

TEST_CASE("windows lie as those of mmsegmentation") {
  using List = std::vector<index_t>;
  CHECK(td::default_stride(512) == 341);
  CHECK(starts({683, 512, 341}) == List{0, 171});
  CHECK(starts({910, 512, 341}) == List{0, 341, 398});
  CHECK(starts({1024, 512, 341}) == List{0, 341, 512});
  CHECK(starts({512, 512, 341}) == List{0});
  CHECK(starts({1, 512, 341}) == List{0});
  CHECK(starts({513, 512, 341}) == List{0, 1});
}

TEST_CASE("every pixel is covered, whatever the sizes") {
  for (index_t size = 1; size < 60; ++size)
    for (index_t length : {1, 7, 16})
      for (index_t stride = 1; stride <= length; ++stride) {
        td::WindowAxis const axis{size, length, stride};
        std::vector<index_t> count(static_cast<std::size_t>(size));
        for (index_t const start : starts(axis))
          for (index_t p = start; p < std::min(start + length, size); ++p) ++count[static_cast<std::size_t>(p)];
        for (index_t const c : count) REQUIRE(c >= 1);
      }
}

TEST_CASE("windows of a picture go row by row") {
  td::WindowGrid const grid{{160, 128, 85}, {192, 128, 85}};
  CHECK(grid.count() == 4);
  CHECK(grid.top(1) == 0);
  CHECK(grid.left(1) == 64);
  CHECK(grid.top(2) == 32);
  CHECK(grid.left(2) == 0);
}
