// SPDX-License-Identifier: Apache-2.0
#include "tadp/io/image.hpp"

#include "picture_bytes.hpp"
#include "scratch.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#ifdef TADP_HAVE_OPENSSL
#include <openssl/sha.h>
#endif

#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace std::string_literals;
using nlohmann::json;
using picture_bytes::big_endian;
using scratch::error_of;
using tadp::Errc;
using tadp::Picture;

Picture decode(std::string const& text, tadp::ImageLimits const& limits = {}) {
  return tadp::decode_image(scratch::bytes_of(text), limits, "test");
}

/// The code of the error that decoding gives; fails the test if it decodes.
Errc refusal(std::string const& text, tadp::ImageLimits const& limits = {}) {
  auto const error = error_of([&] { decode(text, limits); });
  REQUIRE(error);
  CHECK(error->where().file == "test");
  return error->code();
}

std::array<int, 3> colour(Picture const& picture, int x = 0, int y = 0) {
  auto const* p = picture.pixel(x, y);
  return {p[0], p[1], p[2]};
}

bool near(std::array<int, 3> a, std::array<int, 3> b, int distance) {
  return std::abs(a[0] - b[0]) <= distance && std::abs(a[1] - b[1]) <= distance && std::abs(a[2] - b[2]) <= distance;
}

void check_sha256([[maybe_unused]] std::vector<std::uint8_t> const& bytes,
                  [[maybe_unused]] std::string const& expected) {
#ifdef TADP_HAVE_OPENSSL
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest = {};
  SHA256(bytes.data(), bytes.size(), digest.data());
  std::string hex;
  for (int const byte : digest) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  CHECK(hex == expected);
#endif
}

void check_png(std::filesystem::path const& path, json const& expected) {
  auto const samples = tadp::read_png_samples(path);
  auto const picture = tadp::read_image(path);
  CHECK(samples.channels == expected["channels"]);
  CHECK(samples.bit_depth == expected["bit_depth"]);
  CHECK(picture.width == expected["width"]);
  CHECK(picture.height == expected["height"]);
  check_sha256(samples.samples, expected["sha256"]);
  if (expected.contains("indices_sha256")) {
    check_sha256(tadp::decode_png_raw(tadp::read_file(path)).samples, expected["indices_sha256"]);
    CHECK(tadp::read_labels(path).labels == tadp::decode_png_raw(tadp::read_file(path)).samples);
  }
  auto const bytes = static_cast<std::size_t>(samples.bit_depth / 8),
             channels = static_cast<std::size_t>(samples.channels);
  for (auto const& probe : expected["probes"]) {
    int const x = probe["x"], y = probe["y"];
    auto const at = static_cast<std::size_t>(y * samples.width + x) * channels * bytes;
    for (std::size_t c = 0; c < channels; ++c) {
      auto const* sample = &samples.samples[at + c * bytes];
      CHECK((bytes == 2 ? sample[0] | sample[1] << 8 : sample[0]) == probe["v"][c]);
    }
    for (std::size_t c = 0; c < 3; ++c)
      CHECK(picture.pixel(x, y)[c] == probe["v"][channels < 3 ? 0 : c].get<int>() >> (8 * (bytes - 1)));
  }
}

void check_probes(Picture const& picture, json const& probes, int tolerance) {
  for (auto const& probe : probes)
    for (std::size_t c = 0; c < 3; ++c) {
      auto const& v = probe["v"];
      int const difference = picture.pixel(probe["x"], probe["y"])[c] - v[v.size() < 3 ? 0 : c].get<int>();
      CHECK(std::abs(difference) <= tolerance);
    }
}

void check_jpeg(std::filesystem::path const& path, json const& expected) {
  auto const stored = tadp::decode_jpeg(tadp::read_file(path));
  auto const upright = tadp::read_image(path);
  int const tolerance = expected["tolerance"]["probe"];
  bool const turned = expected.contains("exif_orientation");
  REQUIRE(stored.width == expected["width"]);
  REQUIRE(stored.height == expected["height"]);
  REQUIRE(upright.width == expected[turned ? "upright_width" : "width"]);
  REQUIRE(upright.height == expected[turned ? "upright_height" : "height"]);
  check_probes(stored, expected["probes"], tolerance);
  check_probes(upright, expected[turned ? "upright_probes" : "probes"], tolerance);
  if (turned) CHECK(tadp::jpeg_orientation(tadp::read_file(path)) == expected["exif_orientation"]);
  for (std::size_t c = 0; c < 3; ++c) {
    double sum = 0;
    for (std::size_t i = c; i < stored.rgb.size(); i += 3) sum += stored.rgb[i];
    auto const& mean = expected["mean"];
    CHECK(std::abs(3 * sum / static_cast<double>(stored.rgb.size()) - mean[mean.size() < 3 ? 0 : c].get<double>()) <=
          expected["tolerance"]["mean"].get<double>());
  }
}

}  // namespace

TEST_CASE("image: every file of the decoder set as expected.json says") {
  auto const shared = scratch::shared_folder();
  if (!shared) {
    MESSAGE("skipped: no shared data");
    return;
  }
  auto const folder = *shared / "data" / "decoder";
  std::ifstream stream(folder / "expected.json");
  auto const files = json::parse(stream)["files"];
  CHECK(files.size() == 55);
  for (auto const& [name, expected] : files.items()) {
    auto const path = folder / std::string(name);
    CAPTURE(path.string());
    auto const error = error_of([&path] { tadp::read_image(path); });
    if (error) {
      CHECK(error->where().file == path.string());
      CHECK(std::string(error->what()).find(path.string()) != std::string::npos);
    }
    if (expected["outcome"] == "error") CHECK(error);
    if (expected["outcome"] != "decode") continue;
    REQUIRE(!error);
    expected["container"] == "png" ? check_png(path, expected) : check_jpeg(path, expected);
  }
}

TEST_CASE("image: what is written is read again") {
  scratch::Folder const folder;
  auto const path = folder / "x.jpg";  // the name does not matter
  Picture picture(5, 3);
  for (std::size_t i = 0; i < picture.rgb.size(); ++i) picture.rgb[i] = static_cast<std::uint8_t>(i * 17);
  tadp::write_png(path, picture);
  CHECK(tadp::read_image(path).rgb == picture.rgb);

  std::vector<std::uint8_t> bgr(3 * 20, 99);
  for (int y = 0; y < 3; ++y)
    for (int x = 0; x < 5; ++x)
      for (int c = 0; c < 3; ++c) bgr[static_cast<std::size_t>(20 * y + 3 * x + 2 - c)] = picture.pixel(x, y)[c];
  tadp::write_png(path, {bgr.data(), 5, 3, 20, tadp::PixelOrder::bgr});
  CHECK(tadp::read_image(path).rgb == picture.rgb);

  std::vector<std::uint16_t> const depth = {0, 1, 256, 65535, 0x1234, 999};
  tadp::write_gray16_png(path, depth, 3, 2);
  auto const samples = tadp::read_png_samples(path);
  CHECK(samples.bit_depth == 16);
  for (std::size_t i = 0; i < depth.size(); ++i)
    CHECK((samples.samples[2 * i] | samples.samples[2 * i + 1] << 8) == depth[i]);
  CHECK(colour(tadp::read_image(path), 1, 1) == std::array{0x12, 0x12, 0x12});

  std::vector<std::uint8_t> const gray = {1, 2, 3, 4, 5, 6};
  tadp::write_gray_png(path, gray, 2, 3);
  CHECK(tadp::read_png_samples(path).samples == gray);
  CHECK(folder.entries() == 1);
}

TEST_CASE("image: label maps keep their indices, with a palette or without") {
  scratch::Folder const folder;
  auto const path = folder / "labels.png";
  tadp::LabelMap map(3, 2);
  map.labels = {0, 1, 2, 254, tadp::ignore_label, 7};
  for (auto const& palette : {tadp::Palette{}, tadp::Palette{{10, 20, 30}, {255, 0, 0}}}) {
    tadp::write_labels(path, map, palette);
    auto const back = tadp::read_labels(path);
    CHECK(back.width == 3);
    CHECK(back.height == 2);
    CHECK(back.labels == map.labels);
  }
  CHECK(colour(tadp::read_image(path)) == std::array{10, 20, 30});
  CHECK(colour(tadp::read_image(path), 1, 1) == std::array{0, 0, 0});
}

TEST_CASE("image: a label map of another kind is refused in words") {
  scratch::Folder const folder;
  auto const path = folder / "labels.png";
  auto const refused = [&](std::string_view found) {
    auto const error = error_of([&] { tadp::read_labels(path); });
    REQUIRE(error);
    CHECK(error->code() == Errc::format);
    CHECK(error->where().expected == "an 8-bit grayscale or palette PNG of class indices");
    CHECK(error->where().found == found);
  };
  tadp::write_png(path, Picture(2, 2));
  refused("8-bit RGB PNG");
  tadp::write_gray16_png(path, std::vector<std::uint16_t>(4), 2, 2);
  refused("16-bit grayscale PNG");
  tadp::write_file_atomic(path, scratch::bytes_of(picture_bytes::flat_jpeg(8, 8, 1, {9})));
  refused("a JPEG file");
  tadp::write_file_atomic(path, {});
  refused("an empty file");
}

TEST_CASE("image: what cannot be written") {
  scratch::Folder const folder;
  auto const error = error_of([&] { tadp::write_png(folder / "none" / "x.png", Picture(2, 2)); });
  REQUIRE(error);
  CHECK(error->code() == Errc::io);
  CHECK(error_of([&] { tadp::write_png(folder / "x.png", Picture()); })->code() == Errc::argument);
  tadp::LabelMap lying(2, 2);
  lying.width = 3;
  CHECK(error_of([&] { tadp::write_labels(folder / "x.png", lying); })->code() == Errc::shape);
  CHECK(error_of([&] { tadp::encode_labels(lying, tadp::Palette(257)); })->code() == Errc::argument);
  CHECK(folder.entries() == 0);
}

TEST_CASE("image I1 I2 I15: nothing, a signature, another kind of file") {
  CHECK(refusal("") == Errc::format);
  CHECK(refusal(picture_bytes::signature) == Errc::format);
  CHECK(refusal("\xFF\xD8\xFF") == Errc::format);
  auto const error = error_of([] { decode("GIF89a...."); });
  REQUIRE(error);
  CHECK(error->where().found == "a GIF file");
}

TEST_CASE("image I3 I4: sizes that are too large or nothing") {
  using namespace picture_bytes;
  auto const rest = pixels("abc") + end;
  CHECK(refusal(signature + header(30'000, 30'000, 8, 2) + rest) == Errc::limit);
  CHECK(refusal(signature + header(10'000, 10'000, 8, 2) + rest) == Errc::format);  // too short for it
  refusal(signature + header(0x7fffffff, 0x7fffffff, 16, 6) + rest);
  refusal(signature + header(0xffffffff, 1, 8, 0) + rest);
  CHECK(refusal(signature + header(0, 4, 8, 0) + rest) == Errc::format);
  CHECK(refusal(signature + header(4, 0, 8, 0) + rest) == Errc::format);
  auto jpeg = flat_jpeg(8, 8, 3, {1, 2, 3});
  jpeg.replace(marker(jpeg, 0xC0) + 5, 4, big_endian(60'000, 2) + big_endian(60'000, 2));
  CHECK(refusal(jpeg) == Errc::limit);
  jpeg.replace(marker(jpeg, 0xC0) + 5, 4, big_endian(12'000, 2) + big_endian(12'000, 2));
  CHECK(refusal(jpeg) == Errc::format);
  jpeg.replace(marker(jpeg, 0xC0) + 5, 4, big_endian(0, 2) + big_endian(8, 2));
  refusal(jpeg);
  CHECK(refusal(flat_png(11, 10), {.max_pixels = 109}) == Errc::limit);
  CHECK(decode(flat_png(11, 10), {.max_pixels = 110}).width == 11);
  scratch::Folder const folder;
  tadp::write_gray_png(folder / "x", std::vector<std::uint8_t>(4), 2, 2);
  CHECK(error_of([&] { tadp::read_image(folder / "x", {.max_file_bytes = 10}); })->code() == Errc::limit);
}

TEST_CASE("image I5 I10: depths and colour types") {
  using namespace picture_bytes;
  for (int colour_type = 0; colour_type < 8; ++colour_type)
    for (int const depth : {0, 1, 2, 3, 4, 8, 16, 32}) {
      constexpr std::array legal = {0x1F, 0, 0x18, 0x0F, 0x18, 0, 0x18, 0};  // bit n: depth 2^n
      bool const good = depth != 0 && depth != 3 && (legal[static_cast<std::size_t>(colour_type)] & depth) != 0;
      auto const palette = colour_type == 3 ? chunk("PLTE", "abcdef") : ""s;
      auto const file = signature + header(1, 1, depth, colour_type) + palette + pixels(std::string(9, '\0')) + end;
      CAPTURE(colour_type);
      CAPTURE(depth);
      CHECK(error_of([&] { decode(file); }).has_value() != good);
    }
}

TEST_CASE("image I6: bombs") {
  using namespace picture_bytes;
  auto const bomb = deflated(std::string(20'000'000, '\0'));
  auto const rest = pixels("\0a\0b"s) + end;
  // More data than pixels is either skipped or refused; text and profiles are never inflated.
  error_of([&] { decode(signature + header(1, 2, 8, 0) + chunk("IDAT", bomb) + end); });
  for (auto const& extra :
       {chunk("iCCP", "p\0\0"s + bomb), chunk("zTXt", "t\0\0"s + bomb), chunk("iTXt", "t\0\1\0\0\0"s + bomb)})
    CHECK(colour(decode(signature + header(1, 2, 8, 0) + extra + rest), 0, 1)[0] == 'b');
}

TEST_CASE("image I7 I8: checksums, a missing end, bytes after it") {
  using namespace picture_bytes;
  auto const good = signature + header(1, 2, 8, 0) + chunk("tEXt", "k\0v"s) + pixels("\0a\0b"s) + end;
  for (auto const* type : {"IHDR", "tEXt", "IDAT", "IEND"}) {
    auto bad = good;
    auto const at = bad.find(type);
    auto const length = static_cast<unsigned char>(bad[at - 1]);
    bad[at + 4 + length] ^= 1;
    CAPTURE(type);
    CHECK(refusal(bad) == Errc::format);
  }
  for (std::size_t size = 0; size < good.size(); ++size) CHECK(refusal(good.substr(0, size)) == Errc::format);
  CHECK(colour(decode(good + "more"), 0, 1)[0] == 'b');
}

TEST_CASE("image I9: palettes") {
  using namespace picture_bytes;
  auto const file = [](std::string const& index, std::string const& extra = chunk("PLTE", "abcdef")) {
    return signature + header(1, 1, 8, 3) + extra + pixels("\0"s + index) + end;
  };
  CHECK(colour(decode(file("\1"))) == std::array<int, 3>{'d', 'e', 'f'});
  auto const error = error_of([&] { decode(file("\2")); });
  REQUIRE(error);
  CHECK(error->where().found == "2");
  CHECK(refusal(file("\0"s, "")) == Errc::format);
  CHECK(refusal(file("\0"s, chunk("PLTE", "abcd"))) == Errc::format);
}

TEST_CASE("image I12 I14: kinds of JPEG, and damage") {
  using namespace picture_bytes;
  using Info = jpeg_compress_struct;
  std::array const orange = {200, 120, 40};
  auto const make = [](std::function<void(Info&)> const& tune = {}) {
    return flat_jpeg(40, 24, 3, {200, 120, 40}, tune);
  };
  auto const progressive = make([](Info& info) { jpeg_simple_progression(&info); });
  CHECK(near(colour(decode(make()), 39, 23), orange, 4));
  CHECK(near(colour(decode(progressive), 39, 23), orange, 4));
  CHECK(near(colour(decode(make([](Info& info) { jpeg_set_colorspace(&info, JCS_RGB); }))), orange, 4));
  CHECK(colour(decode(flat_jpeg(9, 9, 1, {77})), 8, 8) == std::array{77, 77, 77});
  // Four inks: 255 means none; (200, 120, 40) on white paper without black.
  CHECK(near(colour(decode(flat_jpeg(9, 9, 4, {200, 120, 40, 255}))), orange, 4));
  auto const ycck = flat_jpeg(9, 9, 4, {200, 120, 40, 255}, [](Info& info) { jpeg_set_colorspace(&info, JCS_YCCK); });
  CHECK(near(colour(decode(ycck)), orange, 4));
  error_of([&] { CHECK(near(colour(decode(make([](Info& info) { info.arith_code = TRUE; }))), orange, 4)); });

  auto twelve_bits = make();
  twelve_bits[marker(twelve_bits, 0xC0) + 4] = 12;
  CHECK(refusal(twelve_bits) == Errc::unsupported);
  auto lossless = make();
  lossless[marker(lossless, 0xC0) + 1] = '\xC3';
  CHECK(refusal(lossless) == Errc::unsupported);
  auto table = make();
  table.replace(marker(table, 0xC4) + 5, 16, std::string(16, '\xFF'));
  CHECK(refusal(table) == Errc::format);
  CHECK(refusal(progressive, {.max_scans = 3}) == Errc::limit);
  for (auto const& whole : {make(), progressive})
    for (std::size_t size = 0; size < whole.size(); ++size) CHECK(refusal(whole.substr(0, size)) == Errc::format);
  CHECK(near(colour(decode(make() + "more")), orange, 4));
}

TEST_CASE("image I13 I16: orientation and large blocks") {
  using namespace picture_bytes;
  auto const plain = flat_jpeg(40, 24, 3, {1, 2, 3});
  auto const turned = [&](std::string const& tiff) {
    return tadp::jpeg_orientation(scratch::bytes_of(with_segment(plain, 0xE1, "Exif\0\0"s + tiff)));
  };
  CHECK(tadp::jpeg_orientation(scratch::bytes_of(plain)) == 1);
  for (int value = 1; value <= 8; ++value) CHECK(turned(orientation_block(value)) == value);
  CHECK(turned("II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0"s) == 6);
  CHECK(turned(orientation_block(0)) == 1);
  CHECK(turned(orientation_block(9)) == 1);
  CHECK(turned(orientation_block(6, 4)) == 1);
  for (std::uint32_t const directory : {0U, 4U, 26U, 0x7fffffffU, 0xffffffffU, 0xfffffff0U})
    CHECK(turned(orientation_block(6, 3, directory)) == 1);
  for (std::size_t size = 0; size < 20; ++size) CHECK(turned(orientation_block(6).substr(0, size)) == 1);
  CHECK(turned("MM\0*\0\0\0\x08\xff\xff"s + std::string(100, '\1')) == 1);
  CHECK(turned("ZZ\0*"s) == 1);
  CHECK(decode(with_segment(plain, 0xE1, "Exif\0\0"s + orientation_block(6))).width == 24);

  auto large = plain;
  for (int i = 0; i < 40; ++i) large = with_segment(large, 0xE1 + i % 2, std::string(65'533, '\xFF'));
  CHECK(decode(large).width == 40);
  CHECK(tadp::jpeg_orientation(scratch::bytes_of(large)) == 1);
}

TEST_CASE("image I17: extreme sides") {
  using namespace picture_bytes;
  constexpr std::array<std::array<unsigned, 2>, 6> sizes = {
      {{1, 1}, {1, 10'000}, {10'000, 1}, {65'500, 2}, {65, 63}, {7, 1}}};
  for (auto const& size : sizes) {
    auto const png = decode(flat_png(size[0], size[1]));
    auto const jpeg = decode(flat_jpeg(size[0], size[1], 1, {'x'}));
    for (auto const& picture : {png, jpeg}) {
      CHECK(picture.width == static_cast<int>(size[0]));
      CHECK(picture.height == static_cast<int>(size[1]));
      CHECK(colour(picture, picture.width - 1, picture.height - 1)[2] == 'x');
    }
  }
  CHECK(decode(flat_png(65'535, 2)).width == 65'535);
}

TEST_CASE("image I18 I19: two frame headers, animation") {
  using namespace picture_bytes;
  auto twice = flat_jpeg(8, 8, 3, {1, 2, 3});
  auto const at = marker(twice, 0xC0);
  auto second = twice.substr(at, 19);
  second.replace(5, 4, big_endian(4000, 2) + big_endian(4000, 2));
  CHECK(refusal(twice.insert(at, second)) == Errc::format);
  auto const animated = signature + header(1, 1, 8, 0) + chunk("acTL", big_endian(2) + big_endian(0)) + pixels("\0a"s) +
                        chunk("fdAT", big_endian(1) + deflated("\0b"s)) + end;
  CHECK(colour(decode(animated))[0] == 'a');
}
