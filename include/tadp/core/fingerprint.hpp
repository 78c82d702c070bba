// SPDX-License-Identifier: Apache-2.0
// A short name for many bytes: what tells a cache that the weights or the data it was made from are not those at hand.
// Against mistakes, not against forgers.
#pragma once

#include "tadp/core/random.hpp"

#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace tadp {

/// Collects bytes and texts; the order counts, and so do the borders between them.
class Fingerprint {
 public:
  Fingerprint& add(std::span<std::byte const> bytes) {
    step(bytes.size());
    std::uint64_t word = 0;
    std::size_t at = 0;
    for (; at + sizeof word <= bytes.size(); at += sizeof word) {
      std::memcpy(&word, bytes.data() + at, sizeof word);
      step(word);
    }
    if (at < bytes.size()) {
      word = 0;
      std::memcpy(&word, bytes.data() + at, bytes.size() - at);
      step(word);
    }
    return *this;
  }
  Fingerprint& add(std::string_view text) { return add(std::as_bytes(std::span(text.data(), text.size()))); }

  /// 16 hexadecimal digits.
  std::string hex() const {
    constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (int shift = 60; shift >= 0; shift -= 4) text += digits[(state_ >> shift) & 15U];
    return text;
  }

 private:
  void step(std::uint64_t word) { state_ = mix_bits((state_ ^ word) + golden_gamma); }
  std::uint64_t state_ = golden_gamma;
};

}  // namespace tadp
