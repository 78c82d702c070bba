// SPDX-License-Identifier: Apache-2.0
// What the fuzzers share: their bytes as a file that lies in memory, and which exceptions are an answer.
#pragma once

#include "tadp/core/error.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace fuzz {

inline std::span<std::byte const> bytes_of(std::uint8_t const* data, std::size_t size) { return {reinterpret_cast<std::byte const*>(data), size}; }
inline std::string_view text_of(std::uint8_t const* data, std::size_t size) { return {reinterpret_cast<char const*>(data), size}; }

/// A file that lies in memory: the readers want a path. `slot`: another file each, of which there are four.
inline std::string put(std::string_view bytes, std::size_t slot = 0) {
  static int files[4] = {-1, -1, -1, -1};
  int& file = files[slot];
  if (file < 0) file = ::memfd_create("fuzz", 0);
  if (::ftruncate(file, 0) != 0 || ::pwrite(file, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) __builtin_trap();
  return "/proc/self/fd/" + std::to_string(file);
}

/// Runs a reader. An Error is an answer, but for one: no input of a few kilobytes may ask for more memory than there is.
template <class Run>
void only_errors(Run const& run) {
  try {
    run();
  } catch (tadp::Error const& error) {
    if (error.code() == tadp::Errc::memory) __builtin_trap();
  }
}

}  // namespace fuzz
