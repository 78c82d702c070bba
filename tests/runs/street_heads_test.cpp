// SPDX-License-Identifier: Apache-2.0
#include "tadp/runs/street_heads.hpp"

#include "tadp/runs/described_model.hpp"

#include <doctest/doctest.h>

namespace {

using namespace tadp;

ModelDescription all_heads() {
  auto d = describe<StreetPerception>();
  set_heads(d, {street_labels_head(), street_depth_head(), street_detection_head()});
  return d;
}

}  // namespace

TEST_CASE("the file of all three street heads stays below 20 MB in half precision") {
  StreetPerception const model(sizes_of<StreetPerception>(all_heads(), "f"));
  CHECK(2 * static_cast<std::uint64_t>(model.parameters()->floats()) < 20'000'000);
}

TEST_CASE("a file of the street heads is the street types' again") {
  auto const d = description_of(to_metadata(all_heads()), "f");
  require_model<StreetPerception>(d, "f");
  require_model<StreetDepth>(d, "f");
  require_model<StreetDetection>(d, "f");
  auto const sizes = sizes_of<StreetPerception>(d, "f");
  CHECK(sizes.classes == 11);
  CHECK(sizes.further_classes == std::vector<index_t>{1, 5});
  CHECK(sizes_of<StreetDetection>(d, "f").classes == 5);
  CHECK(sizes_of<StreetDepth>(d, "f").classes == 1);
  CHECK(session_options_of(d).focal == street_depth.focal);
  // Metres that were learned without focal lengths are of the same network, for no camera.
  auto plain = all_heads();
  for (HeadDescription& head : plain.heads) head.depth.focal = 0.0F;
  auto const read = description_of(to_metadata(plain), "f");
  CHECK_NOTHROW(require_model<StreetDepth>(read, "f"));
  CHECK(session_options_of(read).focal == 0.0F);
  auto const boxes = find_head(d, "detection");
  REQUIRE(boxes);
  CHECK(boxes->classes[0].name == "background");
  CHECK(boxes->classes[2].name == "car");
  CHECK(boxes->classes[2].colour == std::array<std::uint8_t, 3>{64, 0, 128});
  CHECK(boxes->detection.proposals <= 100);
}
