// SPDX-License-Identifier: Apache-2.0
// A line on stderr that says how far the work is: rewritten in place on a terminal, plain lines now and then elsewhere.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>

namespace program {

/// "1 h 05 min", "3 min 20 s" or "7 s".
inline std::string duration_text(double seconds) {
  auto const s = static_cast<long>(seconds + 0.5);
  char text[40];
  if (s >= 3600)
    std::snprintf(text, sizeof text, "%ld h %02ld min", s / 3600, s / 60 % 60);
  else if (s >= 60)
    std::snprintf(text, sizeof text, "%ld min %02ld s", s / 60, s % 60);
  else
    std::snprintf(text, sizeof text, "%ld s", s);
  return text;
}

class ProgressLine {
 public:
  explicit ProgressLine(bool quiet, double plain_every_seconds = 10.0) : quiet_(quiet), terminal_(isatty(STDERR_FILENO) == 1), plain_every_(plain_every_seconds) {}
  ProgressLine(ProgressLine const&) = delete;
  ProgressLine& operator=(ProgressLine const&) = delete;
  ~ProgressLine() { clear(); }

  /// Shows the text unless another was shown a moment ago; `always`: even then.
  void show(std::string const& text, bool always = false) {
    if (quiet_) return;
    auto const now = Clock::now();
    double const pause = terminal_ ? 0.1 : plain_every_;
    if (!always && std::chrono::duration<double>(now - last_).count() < pause) return;
    last_ = now;
    if (terminal_)
      std::fprintf(stderr, "\r\033[K%s", text.c_str());
    else
      std::fprintf(stderr, "%s\n", text.c_str());
    std::fflush(stderr);
    open_ = terminal_;
  }
  /// Takes the line away, before other output.
  void clear() {
    if (open_) std::fprintf(stderr, "\r\033[K");
    open_ = false;
  }
  /// Leaves the line where it is and begins another.
  void keep() {
    if (open_) std::fprintf(stderr, "\n");
    open_ = false;
  }

 private:
  using Clock = std::chrono::steady_clock;
  bool quiet_, terminal_, open_ = false;
  double plain_every_;
  Clock::time_point last_ = Clock::now() - std::chrono::seconds(0);
};

}  // namespace program
