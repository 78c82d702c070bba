// SPDX-License-Identifier: Apache-2.0
// A captioner that asks a server with a vision model, over cpp-httplib: the one header of the library that needs it.
// Retries what may pass, waits as long as the server asks, and ends within moments of a stop.
#pragma once

#if !__has_include(<httplib.h>)
#error "tadp/text/vision_client.hpp needs cpp-httplib: install libcpp-httplib-dev (vcpkg: cpp-httplib) and link tadp::http"
#endif

#include "tadp/core/random.hpp"
#include "tadp/text/vision_request.hpp"

#include <httplib.h>
#include <pthread.h>
#include <signal.h>

#include <cmath>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace tadp {

/// How often and how long to try, in seconds.
struct RetryRule {
  int retries = 5;             ///< after the first attempt
  double first_pause = 1.0;    ///< doubles from try to try
  double longest_pause = 60.0;
  double longest_asked = 600.0;  ///< a Retry-After above it ends the attempts
};

struct VisionOptions {
  std::string endpoint{};  ///< as vision_endpoint() takes it
  std::string api_key{};   ///< sent to this endpoint alone, and never part of a message
  VisionQuestion question{};
  RetryRule retry{};
  double connect_seconds = 10.0;
  double answer_seconds = 120.0;             ///< from the request to the end of the answer
  std::size_t max_answer_bytes = 4U << 20U;
};

namespace detail {

/// Keeps a server that hangs up from killing the process: SIGPIPE stays blocked on this thread, and one that came is
/// taken away. No handler, no state of the process; httplib has no flag for it in its compiled form.
class NoBrokenPipe {
 public:
  NoBrokenPipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  NoBrokenPipe(NoBrokenPipe const&) = delete;
  NoBrokenPipe& operator=(NoBrokenPipe const&) = delete;
  ~NoBrokenPipe() {
    timespec const at_once{};
    if (!was_pending_) sigtimedwait(&pipe_, nullptr, &at_once);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t pipe_{}, before_{};
  bool was_pending_ = false;
};

/// Ends a request when a stop is asked for or its time is over, also while nothing comes from the server. It stops the
/// client again and again, for a stop that comes before the socket is open has no effect.
class RequestWatch {
 public:
  RequestWatch(httplib::Client& client, std::stop_token stop, double seconds) : end_(Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds))) {
    thread_ = std::jthread([this, &client, stop = std::move(stop)] {
      std::unique_lock lock(mutex_);
      changed_.wait_until(lock, stop, end_, [&] { return done_; });
      while (!done_) {
        client.stop();
        changed_.wait_for(lock, std::chrono::milliseconds(50), [&] { return done_; });
      }
    });
  }
  RequestWatch(RequestWatch const&) = delete;
  RequestWatch& operator=(RequestWatch const&) = delete;
  ~RequestWatch() {
    {
      std::lock_guard const lock(mutex_);
      done_ = true;
    }
    changed_.notify_all();
  }

  bool over() const { return Clock::now() >= end_; }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point end_;
  std::mutex mutex_{};
  std::condition_variable_any changed_{};
  bool done_ = false;
  std::jthread thread_{};  // last: joined before the rest goes
};

}  // namespace detail

/// May be asked by several threads at a time: each request has a connection of its own.
class VisionCaptioner {
 public:
  /// Error(argument) for an address or a key that cannot be one, Error(unsupported) for https without OpenSSL.
  explicit VisionCaptioner(VisionOptions options) : options_(std::move(options)), endpoint_(vision_endpoint(options_.endpoint)) {
    for (char const c : options_.api_key)
      if (c <= ' ' || c >= 0x7f) throw Error(Errc::argument, "the key of the endpoint holds blanks or control characters", {.file = endpoint_.text()});
#ifndef CPPHTTPLIB_OPENSSL_SUPPORT
    if (endpoint_.server.starts_with("https:")) throw Error(Errc::unsupported, "this build has no OpenSSL for https", {.file = endpoint_.text(), .expected = "http://..."});
#endif
  }

  /// Error(io) where the endpoint cannot be reached or refuses everybody; Error(format) where it refuses this picture, its
  /// answer has no caption, is too long, breaks off or does not end; Error(cancelled). Each names endpoint and picture.
  std::vector<std::string> operator()(PictureFile const& picture, Control const& control = {}) const {
    std::string const body = vision_request(options_.question, picture);
    for (int tried = 0;; ++tried) {
      control.check();
      Answer const answer = send(body, control);
      control.check();
      HttpNext const next = answer.status == 0 ? HttpNext::again : next_of_status(answer.status);
      if (next == HttpNext::take) return vision_captions(answer.body, options_.question, endpoint_.text(), picture.path.string());
      if (next != HttpNext::again || answer.hopeless || tried >= options_.retry.retries) refuse(answer, picture, tried + 1);
      wait(pause(answer, picture, tried), control);
    }
  }

  VisionEndpoint const& endpoint() const { return endpoint_; }

 private:
  struct Answer {
    int status = 0;  ///< 0: there was none, or not all of it
    std::string body{};
    std::string fault{};        ///< why
    bool begun = false;         ///< there was one: a fault is that of this picture, not of the server
    std::string retry_after{};
    std::string location{};
    bool hopeless = false;      ///< another attempt would end alike
  };

  Answer send(std::string const& body, Control const& control) const {
    detail::NoBrokenPipe const quiet;
    httplib::Client client(endpoint_.server);
    Answer answer;
    if (!client.is_valid()) return {.fault = "the address cannot be used", .hopeless = true};
    auto const time = [](double seconds) { return std::chrono::microseconds(static_cast<std::int64_t>(seconds * 1e6)); };
    client.set_connection_timeout(time(options_.connect_seconds));
    client.set_read_timeout(time(options_.answer_seconds));
    client.set_write_timeout(time(options_.answer_seconds));
    client.set_follow_location(false);  // the key must not go elsewhere
    httplib::Request request;
    request.method = "POST";
    request.path = endpoint_.path;
    request.headers = {{"Content-Type", "application/json"}, {"Accept", "application/json"}};
    if (!options_.api_key.empty()) request.headers.emplace("Authorization", "Bearer " + options_.api_key);
    request.body = body;
    int begun_with = 0;
    request.response_handler = [&](httplib::Response const& response) {
      begun_with = response.status;
      return true;
    };
    bool too_long = false;
    request.content_receiver = [&](char const* data, std::size_t size, std::uint64_t, std::uint64_t) {
      too_long = answer.body.size() + size > options_.max_answer_bytes;
      if (!too_long) answer.body.append(data, size);
      return !too_long && !control.stop.stop_requested();
    };
    auto const begin = std::chrono::steady_clock::now();
    detail::RequestWatch const watch(client, control.stop, options_.connect_seconds + options_.answer_seconds);
    auto const result = client.send(request);
    bool const too_slow = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() >= options_.answer_seconds;
    if (result) {
      answer.status = vision_status(result->status, answer.body);
      answer.retry_after = result->get_header_value("Retry-After");
      answer.location = result->get_header_value("Location");
    } else if (begun_with != 0) {
      // A refusal is one however it ends. What is too long or too slow would be so again, what breaks off may pass.
      if (next_of_status(begun_with) != HttpNext::take) answer.status = begun_with;
      answer.begun = true;
      answer.hopeless = answer.status == 0 && (too_long || too_slow);
      answer.fault = too_long ? "is longer than allowed" : too_slow ? "does not end" : "breaks off";
    } else {
      answer.hopeless = is_hopeless(result.error());
      answer.fault = watch.over() ? "it took longer than allowed" : httplib::to_string(result.error());
    }
    return answer;
  }
  static bool is_hopeless(httplib::Error error) { return error == httplib::Error::SSLServerVerification || error == httplib::Error::SSLLoadingCerts; }

  [[noreturn]] void refuse(Answer const& answer, PictureFile const& picture, int attempts) const {
    std::string const tries = " (" + std::to_string(attempts) + (attempts == 1 ? " attempt)" : " attempts)");
    if (answer.status == 0 && answer.begun)
      throw Error(Errc::format, "the answer of the vision endpoint " + answer.fault + tries,
                  {.file = endpoint_.text(), .key = picture.path.string(), .expected = expected_answer(), .found = std::to_string(answer.body.size()) + " bytes: " + printable(answer.body, 60)});
    if (answer.status == 0) throw Error(Errc::io, "the vision endpoint does not answer: " + answer.fault + tries, {.file = endpoint_.text(), .key = picture.path.string()});
    std::string const found = "status " + std::to_string(answer.status) + (answer.location.empty() ? "" : ", go to " + printable(answer.location)) + ": " + vision_error_text(answer.body);
    bool const picture_only = next_of_status(answer.status) == HttpNext::picture_refused || answer.status == 500;
    throw Error(picture_only ? Errc::format : Errc::io, (picture_only ? "the vision endpoint refuses a picture" : "the vision endpoint refuses") + tries,
                {.file = endpoint_.text(), .key = picture.path.string(), .found = found});
  }
  std::string expected_answer() const { return "at most " + std::to_string(options_.max_answer_bytes) + " bytes within " + std::to_string(std::lround(options_.answer_seconds)) + " s"; }
  /// Seconds until the next attempt; some of them by chance, so that those who failed together do not come together.
  double pause(Answer const& answer, PictureFile const& picture, int tried) const {
    RetryRule const& rule = options_.retry;
    if (auto const asked = retry_after_seconds(answer.retry_after, std::chrono::system_clock::now())) {
      if (*asked <= rule.longest_asked) return *asked;
      throw Error(Errc::io, "the vision endpoint asks to wait longer than allowed",
                  {.file = endpoint_.text(), .key = "Retry-After", .expected = "at most " + std::to_string(static_cast<long>(rule.longest_asked)) + " s", .found = printable(answer.retry_after)});
    }
    auto const key = random_key(std::hash<std::string>()(picture.content), static_cast<std::uint64_t>(tried));
    double const chance = 0.75 + 0.5 * static_cast<double>(random_unit(key, 0));
    return std::min(rule.longest_pause, rule.first_pause * static_cast<double>(std::uint64_t{1} << std::min(tried, 20)) * chance);
  }
  static void wait(double seconds, Control const& control) {
    std::mutex mutex;
    std::condition_variable_any changed;
    std::unique_lock lock(mutex);
    changed.wait_for(lock, control.stop, std::chrono::duration<double>(seconds), [] { return false; });
    control.check();
  }

  VisionOptions options_;
  VisionEndpoint endpoint_;
};

static_assert(Captioner<VisionCaptioner const>);

}  // namespace tadp
