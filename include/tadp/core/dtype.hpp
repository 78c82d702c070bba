// SPDX-License-Identifier: Apache-2.0
// The number formats that weight files hold: their names and widths, and exact conversion to and from float.
// Weights arrive in any of these formats and are computed with in float.
#pragma once

#include "tadp/core/error.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tadp {

static_assert(std::endian::native == std::endian::little, "weight files are little-endian and are read in place");
static_assert(std::numeric_limits<float>::is_iec559 && std::numeric_limits<double>::is_iec559);

/// The formats of safetensors 0.8, in its order (rising alignment), which also orders the tensors of a written file.
enum class Dtype : std::uint8_t {
  BOOL,
  F4,
  F6_E2M3,
  F6_E3M2,
  U8,
  I8,
  F8_E5M2,
  F8_E4M3,
  F8_E8M0,
  F8_E4M3FNUZ,
  F8_E5M2FNUZ,
  I16,
  U16,
  F16,
  BF16,
  I32,
  U32,
  F32,
  C64,
  F64,
  I64,
  U64,
};

namespace detail {

struct DtypeRow {
  std::string_view name;
  unsigned bits;
};

/// Indexed by Dtype.
inline constexpr std::array<DtypeRow, 22> dtype_rows = {{
    {"BOOL", 8},    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6},     {"U8", 8},          {"I8", 8},
    {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
    {"U16", 16},    {"F16", 16},    {"BF16", 16},   {"I32", 32},        {"U32", 32},        {"F32", 32},
    {"C64", 64},    {"F64", 64},    {"I64", 64},    {"U64", 64},
}};
static_assert(dtype_rows.size() == static_cast<std::size_t>(Dtype::U64) + 1);

/// a * b, or nothing where that is 2^64 or more.
constexpr std::optional<std::uint64_t> checked_multiply(std::uint64_t a, std::uint64_t b) {
  if (a != 0 && b > std::numeric_limits<std::uint64_t>::max() / a) return std::nullopt;
  return a * b;
}

}  // namespace detail

/// The name of a format as safetensors spells it.
constexpr std::string_view to_string(Dtype dtype) { return detail::dtype_rows[static_cast<std::size_t>(dtype)].name; }

/// The format of this exact name, or nothing.
constexpr std::optional<Dtype> dtype_from_name(std::string_view name) {
  for (std::size_t i = 0; i < detail::dtype_rows.size(); ++i)
    if (detail::dtype_rows[i].name == name) return static_cast<Dtype>(i);
  return std::nullopt;
}

/// Bits one element occupies; below 8 the elements are packed.
constexpr unsigned bits_per_element(Dtype dtype) { return detail::dtype_rows[static_cast<std::size_t>(dtype)].bits; }

/// The product of a shape (1 for a scalar), or nothing if it overflows, even where a later zero would make it zero.
constexpr std::optional<std::uint64_t> element_count(std::span<std::uint64_t const> shape) {
  std::optional<std::uint64_t> count = 1;
  for (auto const dim : shape)
    if (count) count = detail::checked_multiply(*count, dim);
  return count;
}

/// Bits a tensor of this shape fills, or nothing if that overflows.
constexpr std::optional<std::uint64_t> bit_count(Dtype dtype, std::span<std::uint64_t const> shape) {
  auto const count = element_count(shape);
  return count ? detail::checked_multiply(*count, bits_per_element(dtype)) : std::nullopt;
}

/// IEEE half to float: exact for every input, NaN payloads kept.
constexpr float f16_to_f32(std::uint16_t half) {
  // Every case is computed and one is picked: without branches a loop over this becomes vector code.
  std::uint32_t const magnitude = half & 0x7fffu;
  auto const subnormal = std::bit_cast<std::uint32_t>(static_cast<float>(static_cast<int>(magnitude)) * 0x1p-24f);
  std::uint32_t const normal = (magnitude << 13) + (112u << 23);
  std::uint32_t const special = normal + (112u << 23);  // the largest exponent means infinity or NaN in both formats
  std::uint32_t const bits = magnitude < 0x400u ? subnormal : magnitude < 0x7c00u ? normal : special;
  return std::bit_cast<float>(bits | (half & 0x8000u) << 16);
}

/// Float to IEEE half: nearest, ties to even; too large becomes infinity; NaN stays NaN.
constexpr std::uint16_t f32_to_f16(float value) {
  auto const bits = std::bit_cast<std::uint32_t>(value);
  std::uint32_t const sign = bits >> 16 & 0x8000u;
  std::uint32_t const magnitude = bits & 0x7fffffffu;
  std::uint32_t out = 0;
  if (magnitude > 0x7f800000u) {  // NaN: a payload that lies only in the lost bits must not turn it into infinity
    out = 0x7c00u | (magnitude >> 13 & 0x3ffu);
    if (out == 0x7c00u) out = 0x7e00u;
  } else if (magnitude >= 0x477ff000u) {  // 65520, half way from the largest half to the next power of two
    out = 0x7c00u;
  } else if (magnitude >= 0x38800000u) {  // 2^-14, the smallest normal half
    out = (magnitude - (112u << 23) + 0xfffu + (magnitude >> 13 & 1u)) >> 13;
  } else if (magnitude >= 0x33000000u) {  // 2^-25, half of the smallest subnormal
    std::uint32_t const mantissa = (magnitude & 0x7fffffu) | 0x800000u;
    std::uint32_t const shift = 126u - (magnitude >> 23);
    std::uint32_t const rest = mantissa & ((1u << shift) - 1u);
    std::uint32_t const tie = 1u << (shift - 1u);
    out = mantissa >> shift;
    out += rest > tie || (rest == tie && (out & 1u) != 0) ? 1u : 0u;
  }
  return static_cast<std::uint16_t>(sign | out);
}

/// bfloat16 to float: exact for every input.
constexpr float bf16_to_f32(std::uint16_t half) { return std::bit_cast<float>(std::uint32_t{half} << 16); }

/// Float to bfloat16: nearest, ties to even; NaN stays NaN.
constexpr std::uint16_t f32_to_bf16(float value) {
  auto const bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) {
    std::uint32_t const top = bits >> 16;
    return static_cast<std::uint16_t>((top & 0x7fu) != 0 ? top : top | 0x40u);
  }
  return static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

namespace detail {

/// Reads each Stored of `bytes`, wherever it is aligned, and puts convert(it) into out[i].
template <class Stored, class Convert>
void unpack(std::span<std::byte const> bytes, float* out, Convert convert) {
  for (std::size_t i = 0; i < bytes.size() / sizeof(Stored); ++i) {
    Stored stored;
    std::memcpy(&stored, bytes.data() + i * sizeof(Stored), sizeof(Stored));
    out[i] = convert(stored);
  }
}

template <class Convert>
void pack(std::span<float const> values, std::byte* out, Convert convert) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    auto const stored = convert(values[i]);
    std::memcpy(out + i * sizeof(stored), &stored, sizeof(stored));
  }
}

[[noreturn]] inline void throw_no_float_format(Dtype dtype) {
  throw Error(Errc::unsupported, "this number format cannot be converted to or from float",
              {.expected = "F32, F16, BF16 or F64", .found = std::string(to_string(dtype))});
}

/// How many elements of this pattern width have all exponent bits set, which is infinity or NaN.
template <class Bits>
std::uint64_t count_exponent(std::span<std::byte const> bytes, Bits exponent) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < bytes.size() / sizeof(Bits); ++i) {
    Bits stored;
    std::memcpy(&stored, bytes.data() + i * sizeof(Bits), sizeof(Bits));
    count += (stored & exponent) == exponent ? 1u : 0u;
  }
  return count;
}

}  // namespace detail

/// Whether convert_to_f32 and convert_from_f32 know this format.
constexpr bool converts_to_f32(Dtype dtype) {
  return dtype == Dtype::F32 || dtype == Dtype::F16 || dtype == Dtype::BF16 || dtype == Dtype::F64;
}

/// Converts the stored elements `bytes` (any alignment) into out[0, bytes / element size);
/// Error(unsupported) for other than F32, F16, BF16, F64; Error(argument) if the bytes hold a part of an element.
inline void convert_to_f32(Dtype dtype, std::span<std::byte const> bytes, float* out) {
  if (!converts_to_f32(dtype)) detail::throw_no_float_format(dtype);
  if (bytes.size() % (bits_per_element(dtype) / 8) != 0)
    throw Error(Errc::argument, "the bytes do not end with a whole element", {.found = std::to_string(bytes.size())});
  if (dtype == Dtype::F16) return detail::unpack<std::uint16_t>(bytes, out, f16_to_f32);
  if (dtype == Dtype::BF16) return detail::unpack<std::uint16_t>(bytes, out, bf16_to_f32);
  if (dtype == Dtype::F64) return detail::unpack<double>(bytes, out, [](double v) { return static_cast<float>(v); });
  if (!bytes.empty()) std::memcpy(out, bytes.data(), bytes.size());
}

/// Converts floats to the stored form, values.size() elements from `out` on (any alignment); errors as above.
inline void convert_from_f32(Dtype dtype, std::span<float const> values, std::byte* out) {
  if (!converts_to_f32(dtype)) detail::throw_no_float_format(dtype);
  if (dtype == Dtype::F16) return detail::pack(values, out, f32_to_f16);
  if (dtype == Dtype::BF16) return detail::pack(values, out, f32_to_bf16);
  if (dtype == Dtype::F64) return detail::pack(values, out, [](float v) { return static_cast<double>(v); });
  if (!values.empty()) std::memcpy(out, values.data(), values.size_bytes());
}

/// How many stored elements are infinite or NaN; 0 for formats other than F32, F16, BF16, F64.
inline std::uint64_t count_nonfinite(Dtype dtype, std::span<std::byte const> bytes) {
  if (dtype == Dtype::F16) return detail::count_exponent<std::uint16_t>(bytes, 0x7c00);
  if (dtype == Dtype::BF16) return detail::count_exponent<std::uint16_t>(bytes, 0x7f80);
  if (dtype == Dtype::F32) return detail::count_exponent<std::uint32_t>(bytes, 0x7f800000u);
  if (dtype == Dtype::F64) return detail::count_exponent<std::uint64_t>(bytes, 0x7ff0000000000000u);
  return 0;
}

}  // namespace tadp
