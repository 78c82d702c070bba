// SPDX-License-Identifier: Apache-2.0
// A server of the chat form on a free port of this machine, whose answers a test decides; and pictures to ask about.
#pragma once

#include "../io/scratch.hpp"

#include "tadp/text/caption_run.hpp"
#include "tadp/text/vision_client.hpp"

#include <atomic>
#include <functional>
#include <map>

namespace vision_server {

/// The answer that OpenAI and llama.cpp give.
inline std::string answer(std::string const& caption) {
  return nlohmann::json{{"id", "1"}, {"object", "chat.completion"}, {"choices", {{{"index", 0}, {"finish_reason", "stop"}, {"message", {{"role", "assistant"}, {"content", caption}}}}}}}.dump();
}

/// A request as it came, parsed.
struct Asked {
  nlohmann::json body{};
  std::string picture{};  ///< the data: address
  std::string authorization{};
};

class Server {
 public:
  /// `reply`(request, how many came before it, response).
  using Reply = std::function<void(Asked const&, int, httplib::Response&)>;

  explicit Server(Reply reply) : reply_(std::move(reply)) {
    server_.Post("/v1/chat/completions", [this](httplib::Request const& request, httplib::Response& response) {
      Asked asked{.body = nlohmann::json::parse(request.body), .authorization = request.get_header_value("Authorization")};
      for (auto const& part : asked.body["messages"][0]["content"])
        if (part["type"] == "image_url") asked.picture = part["image_url"]["url"].get<std::string>();
      int before = 0;
      {
        std::lock_guard const lock(mutex_);
        before = count_++;
        ++asked_[asked.picture];
      }
      reply_(asked, before, response);
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::jthread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ~Server() {
    release();
    server_.stop();
  }

  std::string address() const { return "http://127.0.0.1:" + std::to_string(port_); }
  int count() {
    std::lock_guard const lock(mutex_);
    return count_;
  }
  /// How often the picture that was asked for most was asked for.
  int most() {
    std::lock_guard const lock(mutex_);
    int most = 0;
    for (auto const& [picture, times] : asked_) most = std::max(most, times);
    return most;
  }
  /// Sleeps within a reply until release() or the end of the server.
  void hang() {
    std::unique_lock lock(mutex_);
    released_.wait_for(lock, std::chrono::seconds(20), [this] { return free_; });
  }
  void release() {
    {
      std::lock_guard const lock(mutex_);
      free_ = true;
    }
    released_.notify_all();
  }

 private:
  Reply reply_;
  httplib::Server server_{};
  std::mutex mutex_{};
  std::condition_variable released_{};
  std::map<std::string, int> asked_{};
  int count_ = 0, port_ = 0;
  bool free_ = false;
  std::jthread thread_{};
};

/// Short pauses, so that a test of retries lasts moments.
inline tadp::VisionOptions options(std::string const& address) {
  return {.endpoint = address, .question = {.model = "eye-1"}, .retry = {.retries = 3, .first_pause = 0.01, .longest_pause = 0.05}, .connect_seconds = 2.0, .answer_seconds = 10.0};
}

/// Writes a small picture of one colour: its content is decided by `shade`.
inline tadp::PictureName write_picture(scratch::Folder const& folder, std::string const& name, int shade) {
  tadp::Picture picture(4, 3);
  for (auto& value : picture.rgb) value = static_cast<std::uint8_t>(shade);
  tadp::write_png(folder / name, picture);
  return {folder / name, name};
}

}  // namespace vision_server
