// SPDX-License-Identifier: Apache-2.0
// Depth to files: millimetres that a reader finds again, floats byte by byte, and what is no depth.
#include "scratch.hpp"
#include "tadp/io/depth_files.hpp"
#include "tadp/io/image.hpp"

#include <doctest/doctest.h>

#include <limits>

namespace td = tadp;

namespace {

constexpr float endless = std::numeric_limits<float>::infinity(), no_number = std::numeric_limits<float>::quiet_NaN();

}  // namespace

TEST_CASE("metres become millimetres") {
  std::vector<float> const metres{0.0F, 1.0F, 2.3456F, 0.0004F, 0.0006F, 65.535F, 70.0F, endless, no_number, -3.0F};
  CHECK(td::millimetres(metres) == std::vector<std::uint16_t>{0, 1000, 2346, 0, 1, 65535, 65535, 65535, 0, 0});
}

TEST_CASE("a PNG of depth is read back") {
  scratch::Folder const folder;
  auto const path = folder / "depth.png";
  std::vector<float> const metres{0.5F, 1.234F, 0.0F, 9.9F, 60.0F, 3.0F};
  td::write_depth_png(path, metres, 3, 2);
  auto const back = td::read_png_samples(path);
  REQUIRE((back.width == 3 && back.height == 2 && back.channels == 1 && back.bit_depth == 16));
  std::vector<int> found;
  for (std::size_t i = 0; i < 6; ++i) found.push_back(back.samples[2 * i] + 256 * back.samples[2 * i + 1]);
  CHECK(found == std::vector<int>{500, 1234, 0, 9900, 60000, 3000});
  CHECK_THROWS_AS(td::encode_depth_png(metres, 3, 3), td::Error);
  CHECK_THROWS_AS(td::encode_depth_png({}, 0, 0), td::Error);
}

TEST_CASE("a .npy of floats has numpy's head and the floats as they are") {
  std::vector<float> const metres{0.5F, no_number, -endless, 1e-30F, 60.0F, 3.0F};
  auto const bytes = td::encode_npy(metres, 3, 2);
  std::string const head(reinterpret_cast<char const*>(bytes.data()), bytes.size() - 24);
  CHECK(head.substr(0, 6) == "\x93NUMPY");
  CHECK((head[6] == 1 && head[7] == 0));
  CHECK(static_cast<unsigned char>(head[8]) + 256U * static_cast<unsigned char>(head[9]) == head.size() - 10);
  CHECK(head.size() % 64 == 0);
  CHECK(head.find("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }") == 10);
  CHECK(head.back() == '\n');
  // 0.5 is 0x3f000000.
  CHECK((bytes[head.size()] == std::byte{0} && bytes[head.size() + 2] == std::byte{0} && bytes[head.size() + 3] == std::byte{0x3f}));
  std::vector<float> back(6);
  std::memcpy(back.data(), bytes.data() + head.size(), 24);
  CHECK(std::memcmp(back.data(), metres.data(), 24) == 0);
  CHECK_THROWS_AS(td::encode_npy(metres, 2, 2), td::Error);
}
