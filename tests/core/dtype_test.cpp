// SPDX-License-Identifier: Apache-2.0
#include "tadp/core/dtype.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

using namespace tadp;

namespace {

/// What the bits of a float format mean by definition, in double.
double decode(unsigned bits, int exponent_bits, int mantissa_bits) {
  auto const mantissa = bits & ((1u << mantissa_bits) - 1u);
  auto const exponent = static_cast<int>(bits >> mantissa_bits & ((1u << exponent_bits) - 1u));
  auto const sign = (bits >> (exponent_bits + mantissa_bits) & 1u) != 0 ? -1.0 : 1.0;
  auto const bias = (1 << (exponent_bits - 1)) - 1;
  if (exponent == (1 << exponent_bits) - 1)
    return mantissa == 0 ? sign * std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  auto const fraction = std::ldexp(static_cast<double>(mantissa), -mantissa_bits);
  return sign * (exponent == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1.0 + fraction, exponent - bias));
}

bool same(float value, double expected) {
  if (std::isnan(expected)) return std::isnan(value);
  return static_cast<double>(value) == expected && std::signbit(value) == std::signbit(expected);
}

/// The nearest of the format's values by search: bit patterns of positive floats are in the order of their values.
unsigned nearest(double magnitude, int exponent_bits, int mantissa_bits) {
  auto const infinity = ((1u << exponent_bits) - 1u) << mantissa_bits;
  unsigned low = 0, high = infinity;
  while (high - low > 1) {
    auto const middle = (low + high) / 2;
    (decode(middle, exponent_bits, mantissa_bits) <= magnitude ? low : high) = middle;
  }
  auto const below = decode(low, exponent_bits, mantissa_bits);
  // Infinity stands in for the power of two that would come next.
  auto const above =
      high == infinity ? std::ldexp(1.0, 1 << (exponent_bits - 1)) : decode(high, exponent_bits, mantissa_bits);
  if (magnitude >= above) return high;
  auto const up = above - magnitude, down = magnitude - below;
  return up < down || (up == down && (low & 1u) != 0) ? high : low;
}

/// Floats of every exponent, every pattern near a tie among them.
std::vector<float> hard_floats() {
  std::vector<float> values;
  std::mt19937 random(7);
  for (std::uint32_t exponent = 0; exponent < 255; ++exponent)
    for (std::uint32_t top = 0; top < 256; top += 5)
      for (std::uint32_t rest : {0x0u, 0x1u, 0xfffu, 0x1000u, 0x1001u, 0x1fffu, 0x2000u, 0x3000u, 0x7fffu})
        values.push_back(std::bit_cast<float>(exponent << 23 | top << 15 | rest));
  for (int i = 0; i < 50'000; ++i) {
    auto const value = std::bit_cast<float>(static_cast<std::uint32_t>(random()) & 0x7fffffffu);
    if (std::isfinite(value)) values.push_back(value);
  }
  return values;
}

template <class T>
std::span<std::byte const> bytes_of(std::vector<T> const& values) {
  return std::as_bytes(std::span(values));
}

}  // namespace

TEST_CASE("dtype names and widths") {
  for (std::size_t i = 0; i < detail::dtype_rows.size(); ++i) {
    auto const dtype = static_cast<Dtype>(i);
    CHECK(dtype_from_name(to_string(dtype)) == dtype);
  }
  CHECK(to_string(Dtype::F8_E4M3FNUZ) == "F8_E4M3FNUZ");
  CHECK(to_string(Dtype::BF16) == "BF16");
  CHECK(to_string(Dtype::U64) == "U64");
  CHECK(bits_per_element(Dtype::F4) == 4);
  CHECK(bits_per_element(Dtype::F6_E3M2) == 6);
  CHECK(bits_per_element(Dtype::C64) == 64);
  for (auto const* name : {"", "f32", "F128", "F32 ", "BFLOAT16"}) CHECK_FALSE(dtype_from_name(name));
}

TEST_CASE("sizes are checked for overflow") {
  using Shape = std::vector<std::uint64_t>;
  CHECK(element_count(Shape{}) == 1u);
  CHECK(element_count(Shape{2, 3, 0}) == 0u);
  CHECK_FALSE(element_count(Shape{1ull << 63, 2, 0}));
  CHECK(bit_count(Dtype::F4, Shape{3}) == 12u);
  CHECK_FALSE(bit_count(Dtype::F32, Shape{2, (1ull << 63) - 1}));
}

TEST_CASE("every f16 and bf16 value becomes the right float and comes back") {
  for (std::uint32_t i = 0; i < 65'536; ++i) {
    auto const bits = static_cast<std::uint16_t>(i);
    auto const wide = f16_to_f32(bits);
    auto const brain = bf16_to_f32(bits);
    if (!same(wide, decode(i, 5, 10)) || !same(brain, decode(i, 8, 7)) || f32_to_f16(wide) != bits ||
        f32_to_bf16(brain) != bits)
      FAIL("bits " << i);
  }
  CHECK(f16_to_f32(0x0001) == 0x1p-24f);
  CHECK(f16_to_f32(0x7bff) == 65504.f);
}

TEST_CASE("floats are rounded to the nearest, ties to even") {
  for (auto const value : hard_floats()) {
    auto const wide = static_cast<double>(value);
    auto const half = nearest(wide, 5, 10);
    auto const brain = nearest(wide, 8, 7);
    if (f32_to_f16(value) != half || f32_to_f16(-value) != (half | 0x8000u) || f32_to_bf16(value) != brain ||
        f32_to_bf16(-value) != (brain | 0x8000u))
      FAIL("float bits " << std::bit_cast<std::uint32_t>(value));
  }
  auto const infinity = std::numeric_limits<float>::infinity();
  CHECK(f32_to_f16(infinity) == 0x7c00);
  CHECK(f32_to_f16(-infinity) == 0xfc00);
  CHECK(f32_to_bf16(infinity) == 0x7f80);
  // NaN whose payload lies only in the bits that are lost
  CHECK(f32_to_f16(std::bit_cast<float>(0x7f800001u)) == 0x7e00);
  CHECK(f32_to_bf16(std::bit_cast<float>(0xff800001u)) == 0xffc0);
}

TEST_CASE("spans are converted at any alignment") {
  std::vector<float> const values = {0.f, -1.5f, 3.14159f, 65504.f, 1e-7f};
  for (auto const dtype : {Dtype::F32, Dtype::F16, Dtype::BF16, Dtype::F64}) {
    auto const width = bits_per_element(dtype) / 8;
    std::vector<std::byte> stored(values.size() * width + 1);
    convert_from_f32(dtype, values, stored.data() + 1);
    std::vector<float> back(values.size());
    convert_to_f32(dtype, std::span(stored).subspan(1), back.data());
    for (std::size_t i = 0; i < values.size(); ++i) {
      auto const expected = dtype == Dtype::F16    ? f16_to_f32(f32_to_f16(values[i]))
                            : dtype == Dtype::BF16 ? bf16_to_f32(f32_to_bf16(values[i]))
                                                   : values[i];
      CHECK(back[i] == expected);
    }
  }
  float out[4] = {};
  convert_to_f32(Dtype::F32, {}, nullptr);
  convert_to_f32(Dtype::F64, bytes_of(std::vector<double>{1e300}), out);
  CHECK(std::isinf(out[0]));
  CHECK_THROWS_AS(convert_to_f32(Dtype::I32, bytes_of(values), out), Error);
  CHECK_THROWS_AS(convert_to_f32(Dtype::F32, bytes_of(values).first(3), out), Error);
  CHECK_THROWS_AS(convert_from_f32(Dtype::C64, values, nullptr), Error);
}

TEST_CASE("infinite and NaN elements are counted") {
  auto const infinity = std::numeric_limits<float>::infinity();
  auto const nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> const values = {1.f, infinity, -infinity, nan, 3e38f, 0.f};
  for (auto const dtype : {Dtype::F32, Dtype::BF16, Dtype::F64}) {
    std::vector<std::byte> stored(values.size() * bits_per_element(dtype) / 8);
    convert_from_f32(dtype, values, stored.data());
    CHECK(count_nonfinite(dtype, stored) == 3);
  }
  std::vector<std::byte> stored(values.size() * 2);
  convert_from_f32(Dtype::F16, values, stored.data());
  CHECK(count_nonfinite(Dtype::F16, stored) == 4);  // 3e38 is none of the halves
  CHECK(count_nonfinite(Dtype::I32, bytes_of(values)) == 0);
}
