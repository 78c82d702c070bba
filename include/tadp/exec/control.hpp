// SPDX-License-Identifier: Apache-2.0
// How a caller follows a long call and ends it: a stop token that is looked at between operations, and a callback.
// The library itself never prints and never touches signals.
#pragma once

#include "tadp/core/error.hpp"

#include <cstddef>
#include <functional>
#include <stop_token>

namespace tadp {

struct Control {
  std::stop_token stop{};
  std::function<void(std::size_t done, std::size_t total)> progress{};  ///< in operations; called on the caller's thread

  /// Error(cancelled) once a stop was requested.
  void check() const {
    if (stop.stop_requested()) throw Error(Errc::cancelled, "stopped on request");
  }
  /// The same, and tells how far it is.
  void step(std::size_t done, std::size_t total) const {
    check();
    if (progress) progress(done, total);
  }
};

}  // namespace tadp
