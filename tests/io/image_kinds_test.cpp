// SPDX-License-Identifier: Apache-2.0
// Kinds of PNG that are right and rare, put together byte by byte, to the pixels that they hold.
#include "picture_bytes.hpp"
#include "scratch.hpp"
#include "tadp/io/image.hpp"

#include <doctest/doctest.h>

#include <array>
#include <fstream>

namespace {

using namespace picture_bytes;
using namespace std::string_literals;

tadp::Picture decode(std::string const& bytes) { return tadp::decode_image(scratch::bytes_of(bytes), {}, "test"); }

std::array<int, 3> colour(tadp::Picture const& picture, int x = 0, int y = 0) {
  auto const* const p = picture.pixel(x, y);
  return {p[0], p[1], p[2]};
}

/// Three by three, a to i in reading order, in the passes of Adam7: (0,0); (2,0); (0,2) (2,2); (1,0) (1,2); the middle row.
std::string const interlaced = "\0a"s + "\0c"s + "\0gi"s + "\0b"s + "\0h"s + "\0def"s;

}  // namespace

TEST_CASE("image I11: an interlaced picture") {
  auto const picture = decode(signature + header(3, 3, 8, 0, 1) + pixels(interlaced) + end);
  REQUIRE(picture.width == 3);
  REQUIRE(picture.height == 3);
  for (int i = 0; i < 9; ++i) CHECK(colour(picture, i % 3, i / 3) == std::array{'a' + i, 'a' + i, 'a' + i});
}

TEST_CASE("image I11: an interlaced picture that was cut in any pass is refused") {
  for (std::size_t size = 0; size < interlaced.size(); ++size) {
    auto const error = scratch::error_of([&] { decode(signature + header(3, 3, 8, 0, 1) + pixels(interlaced.substr(0, size)) + end); });
    REQUIRE(error);
    CHECK(error->code() == tadp::Errc::format);
  }
}

TEST_CASE("image I11: alpha is dropped, not blended") {
  CHECK(colour(decode(signature + header(1, 1, 8, 6) + pixels("\0\x0a\x14\x1e\0"s) + end)) == std::array{10, 20, 30});
  CHECK(colour(decode(signature + header(1, 1, 16, 6) + pixels("\0\x0a\xff\x14\xff\x1e\xff\0\0"s) + end)) == std::array{10, 20, 30});
  auto const palette = chunk("PLTE", "\x0a\x14\x1e"s) + chunk("tRNS", "\0"s);
  CHECK(colour(decode(signature + header(1, 1, 8, 3) + palette + pixels("\0\0"s) + end)) == std::array{10, 20, 30});
}

TEST_CASE("image I11: gray with alpha is gray") {
  CHECK(colour(decode(signature + header(1, 1, 8, 4) + pixels("\0\x4d\x05"s) + end)) == std::array{77, 77, 77});
  CHECK(colour(decode(signature + header(1, 1, 16, 4) + pixels("\0\x4d\xff\x05\x05"s) + end)) == std::array{77, 77, 77});
}

TEST_CASE("image I15: the content tells the kind of a file, whatever its ending says") {
  scratch::Folder const folder;
  auto const write = [&](char const* name, std::string const& bytes) {
    std::ofstream(folder / name, std::ios::binary) << bytes;
    return folder / name;
  };
  auto const png = write("png.jpg", signature + header(2, 1, 8, 2) + pixels("\0abcdef"s) + end), jpeg = write("jpeg.png", flat_jpeg(16, 8, 3, {200, 100, 50})), text = write("text.png", "a road");
  auto const exact = tadp::read_image(png);
  REQUIRE((exact.width == 2 && exact.height == 1));
  CHECK(colour(exact, 1) == std::array<int, 3>{'d', 'e', 'f'});
  auto const near = tadp::read_image(jpeg);
  REQUIRE((near.width == 16 && near.height == 8));
  for (int c = 0; c < 3; ++c) CHECK(std::abs(colour(near, 15, 7)[static_cast<std::size_t>(c)] - std::array{200, 100, 50}[static_cast<std::size_t>(c)]) <= 3);
  auto const none = scratch::error_of([&] { tadp::read_image(text); }), labels = scratch::error_of([&] { tadp::read_labels(jpeg); });
  REQUIRE((none && labels));
  CHECK(none->code() == tadp::Errc::format);
  CHECK(labels->code() == tadp::Errc::format);
  CHECK(labels->where().found == "a JPEG file");
}
