// SPDX-License-Identifier: Apache-2.0
// Bytes as text: how a picture stands in JSON and in a page.
// The way out only; nothing of ours reads it back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace tadp {

/// The bytes in base64 (RFC 4648), with padding and without line ends.
inline std::string base64(std::span<std::byte const> bytes) {
  constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k) bits = bits << 8 | (i + k < bytes.size() ? static_cast<std::uint32_t>(bytes[i + k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k) text += i + k <= bytes.size() ? digits[bits >> (18 - 6 * k) & 63U] : '=';
  }
  return text;
}

}  // namespace tadp
