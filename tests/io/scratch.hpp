// SPDX-License-Identifier: Apache-2.0
// What the tests of io/ share: a folder that vanishes, the place of the shared data, and errors as values.
#pragma once

#include "tadp/core/error.hpp"

#include <stdlib.h>  // mkdtemp

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace scratch {

/// An empty folder, removed with all it holds.
class Folder {
 public:
  Folder() {
    auto name = (std::filesystem::temp_directory_path() / "tadp-test-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  Folder(Folder const&) = delete;
  Folder& operator=(Folder const&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }
  std::ptrdiff_t entries() const {
    return std::distance(std::filesystem::directory_iterator(path_), std::filesystem::directory_iterator());
  }

 private:
  std::filesystem::path path_;
};

/// The folder of shared data, or nothing where it is not at hand.
inline std::optional<std::filesystem::path> shared_folder() {
  std::filesystem::path path;
  if (auto const* named = std::getenv("TADP_SHARED")) path = named;
#ifdef TADP_SHARED_DIR
  if (path.empty()) path = TADP_SHARED_DIR;
#endif
  if (path.empty() || !std::filesystem::is_directory(path)) return std::nullopt;
  return path;
}

/// The error that `run` throws, or nothing.
template <class Run>
std::optional<tadp::Error> error_of(Run&& run) {
  try {
    run();
  } catch (tadp::Error const& error) {
    return error;
  }
  return std::nullopt;
}

inline std::vector<std::byte> bytes_of(std::string_view text) {
  auto const* data = reinterpret_cast<std::byte const*>(text.data());
  return {data, data + text.size()};
}

}  // namespace scratch
