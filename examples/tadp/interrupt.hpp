// SPDX-License-Identifier: Apache-2.0
// Ctrl-C as a stop token: the first asks the running work to save and end, the second ends the program at once.
// The library never sees a signal.
#pragma once

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <ctime>
#include <stop_token>
#include <thread>

namespace program {

/// Made before any other thread is, so that all threads leave the signals to the one that waits here.
class Interrupt {
 public:
  Interrupt() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals_, &before_);
    waiter_ = std::jthread([this](std::stop_token const& end) { wait(end); });
  }
  Interrupt(Interrupt const&) = delete;
  Interrupt& operator=(Interrupt const&) = delete;
  ~Interrupt() {
    waiter_.request_stop();
    waiter_.join();
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

  std::stop_token token() const { return source_.get_token(); }

 private:
  void wait(std::stop_token const& end) {
    timespec const moment{0, 100'000'000};
    while (!end.stop_requested()) {
      if (sigtimedwait(&signals_, nullptr, &moment) < 0) continue;
      if (source_.stop_requested()) _exit(130);
      source_.request_stop();
    }
  }

  sigset_t signals_{}, before_{};
  std::stop_source source_{};
  std::jthread waiter_{};
};

}  // namespace program
