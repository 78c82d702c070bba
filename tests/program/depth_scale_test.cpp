// SPDX-License-Identifier: Apache-2.0
// The numbers under the colours of a depth map.
#include "tadp/draw_depth.hpp"

#include <doctest/doctest.h>

TEST_CASE("the numbers under the scale of depth never touch one another, and its ends are told") {
  for (int const width : {120, 480, 640, 1920}) {
    int const size = program::draw_detail::text_height(width), bar = width - 2 * size;
    for (double const far : {0.02, 1.0, 9.876, 79.9, 950.0, 65535.0, 99999.0, 100000.0, 2.2727e7, 2.2727e9, 3.4e38}) {
      for (double const share : {0.0, 0.01, 0.5, 0.99}) {
        CAPTURE(width);
        CAPTURE(far);
        auto const labels = program::scale_labels({share * far, far}, bar, size);
        REQUIRE(!labels.empty());
        CHECK(labels.front().left == 0);
        for (std::size_t i = 0; i < labels.size(); ++i) {
          CHECK(labels[i].text.ends_with(" m"));
          CHECK(labels[i].width == program::text_width(labels[i].text, size));
          if (width >= 480) CHECK(labels[i].left + labels[i].width <= bar);
          if (i > 0) CHECK(labels[i].left >= labels[i - 1].left + labels[i - 1].width + size);
        }
        if (width >= 480) CHECK(labels.size() >= 2);
        if (width >= 480) CHECK(labels.back().left + labels.back().width >= bar - 1);
      }
    }
  }
  auto const usual = program::scale_labels({2.0, 10.0}, 464, 9);
  REQUIRE(usual.size() == 5);
  CHECK(usual[0].text == "2.00 m");
  CHECK(usual[2].text == "6.00 m");
  CHECK(program::scale_labels({0.0, 2.5e8}, 464, 9).back().text == "2.5e+08 m");
}
