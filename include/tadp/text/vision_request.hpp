// SPDX-License-Identifier: Apache-2.0
// What is said to a server with a vision model and what it answers: the chat form of OpenAI, as llama.cpp serves it.
// Text alone, no network: vision_client.hpp carries it.
#pragma once

#include "tadp/io/base64.hpp"
#include "tadp/text/captioner.hpp"
#include "tadp/text/plain_caption.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <optional>

namespace tadp {

/// What is asked of a vision model.
struct VisionQuestion {
  std::string model{};   ///< as the server names it; may stay empty where it serves one
  std::string prompt{};  ///< empty: one sentence of at most `words` words
  int words = 25;        ///< a longer caption is cut; 0: no limit
  int max_tokens = 200;
  std::optional<double> temperature = 0.0;  ///< nothing: the server's
};

/// Where to ask. Made from "http://host:port", ".../v1" or the whole address of chat/completions.
struct VisionEndpoint {
  std::string server{};  ///< scheme, host and port
  std::string path{};

  std::string text() const { return server + path; }
};

namespace detail {

/// The text of a message: a string, or a list of parts some of which are text.
inline std::string content_text(nlohmann::json const& message) {
  auto const content = message.find("content");
  if (content == message.end()) return {};
  if (content->is_string()) return content->get<std::string>();
  std::string text;
  if (content->is_array())
    for (auto const& part : *content)
      if (part.is_object() && part.contains("text") && part["text"].is_string()) text += part["text"].get<std::string>();
  return text;
}

/// Parses what a server sent; nothing where it is no JSON or nested deeper than any answer is.
inline std::optional<nlohmann::json> parse_answer(std::string_view body) {
  struct TooDeep {};
  auto const shallow = [](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    if (depth > 64) throw TooDeep{};
    return true;
  };
  try {
    auto value = nlohmann::json::parse(body.begin(), body.end(), shallow, false);
    if (!value.is_discarded()) return value;
  } catch (TooDeep const&) {
  }
  return std::nullopt;
}

/// The status that a member of an error stands for, 400 to 599: a number, or words of servers that are busy. 0: none.
inline int error_status(nlohmann::json const& value) {
  std::int64_t code = 0;
  if (value.is_number_integer()) code = value.get<std::int64_t>();
  if (value.is_string()) {
    auto text = value.get<std::string>();
    auto const [end, fault] = std::from_chars(text.data(), text.data() + text.size(), code);
    if (fault != std::errc() || end != text.data() + text.size()) code = 0;
    std::transform(text.begin(), text.end(), text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    for (char const* const busy : {"overloaded", "unavailable", "rate_limit", "resource_exhausted"})
      if (text.find(busy) != std::string::npos) code = 503;
  }
  return code >= 400 && code < 600 ? static_cast<int>(code) : 0;
}

/// The caption of one choice of an answer, empty where it has none.
inline std::string choice_caption(nlohmann::json const& choice, int words) {
  if (!choice.is_object() || !choice.contains("message") || !choice["message"].is_object()) return {};
  std::string text = plain_caption(without_thoughts(content_text(choice["message"])));
  // A model that ran out of tokens stopped within a word as often as not.
  bool const cut = choice.contains("finish_reason") && choice["finish_reason"] == "length";
  if (auto const last = text.rfind(' '); cut && last != std::string::npos && !text.ends_with('.')) text.resize(last);
  return first_words(text, words);
}

}  // namespace detail

/// Error(argument) unless it is an http or https address without user, query and fragment.
inline VisionEndpoint vision_endpoint(std::string const& address) {
  auto const refuse = [&](char const* found) -> VisionEndpoint {
    throw Error(Errc::argument, "this is no address of a vision endpoint", {.key = address, .expected = "http://HOST:PORT or https://HOST, with or without /v1/chat/completions", .found = found});
  };
  std::string_view const text = address;
  std::size_t const begin = text.starts_with("http://") ? 7 : text.starts_with("https://") ? 8 : 0;
  if (begin == 0) return refuse("another scheme, or none");
  for (char const c : text)
    if (c <= ' ' || c == 0x7f) return refuse("blanks or control characters");
  if (text.find_first_of("?#@") != std::string_view::npos) return refuse("a user, a query or a fragment");
  auto const slash = std::min(text.find('/', begin), text.size());
  if (slash == begin) return refuse("no host");
  if (auto const colon = text.substr(begin, slash - begin).rfind(':'); colon != std::string_view::npos && text[slash - 1] != ']') {
    std::string_view const digits = text.substr(begin + colon + 1, slash - begin - colon - 1);
    std::uint16_t port = 0;
    auto const [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (colon == 0 || fault != std::errc() || end != digits.data() + digits.size() || port == 0) return refuse("no host or no port from 1 to 65535");
  }
  VisionEndpoint endpoint{std::string(text.substr(0, slash)), std::string(text.substr(slash))};
  while (endpoint.path.ends_with('/')) endpoint.path.pop_back();
  if (endpoint.path.empty()) endpoint.path = "/v1";
  if (!endpoint.path.ends_with("/chat/completions")) endpoint.path += "/chat/completions";
  return endpoint;
}

/// The body of the request; Error(argument) for a model or prompt that is not UTF-8.
inline std::string vision_request(VisionQuestion const& question, PictureFile const& picture) {
  std::string prompt = question.prompt;
  if (prompt.empty()) {
    prompt = "Describe what is seen in this picture in one plain sentence: its objects and where they are.";
    if (question.words > 0) prompt += " Use at most " + std::to_string(question.words) + " words.";
  }
  nlohmann::json const url{{"url", "data:" + std::string(picture.media_type()) + ";base64," + base64(picture.bytes)}};
  nlohmann::json const parts = nlohmann::json::array({{{"type", "text"}, {"text", prompt}}, {{"type", "image_url"}, {"image_url", url}}});
  nlohmann::json body{{"messages", nlohmann::json::array({{{"role", "user"}, {"content", parts}}})}, {"max_tokens", question.max_tokens}, {"stream", false}};
  if (!question.model.empty()) body["model"] = question.model;
  if (question.temperature) body["temperature"] = *question.temperature;
  try {
    return body.dump();
  } catch (nlohmann::json::exception const&) {
    throw Error(Errc::argument, "the prompt or the model's name is not UTF-8", {.found = printable(question.prompt + " " + question.model)});
  }
}

/// The captions of an answer, each once, one a choice; Error(format) that names `endpoint` and `picture` where there are none.
inline std::vector<std::string> vision_captions(std::string_view body, VisionQuestion const& question, std::string const& endpoint, std::string const& picture = {}) {
  auto const answer = detail::parse_answer(body);
  std::vector<std::string> captions;
  if (answer && answer->is_object() && answer->contains("choices") && (*answer)["choices"].is_array())
    for (auto const& choice : (*answer)["choices"]) {
      std::string caption = detail::choice_caption(choice, question.words);
      if (!caption.empty() && captions.size() < 16 && std::find(captions.begin(), captions.end(), caption) == captions.end()) captions.push_back(std::move(caption));
    }
  if (captions.empty())
    throw Error(Errc::format, answer ? "the answer of the endpoint holds no caption" : "the answer of the endpoint is no JSON",
                {.file = endpoint, .key = picture, .expected = "choices[0].message.content", .found = printable(body.substr(0, 400))});
  return captions;
}

/// What a server says about its refusal: the message of an error in OpenAI's form, else the beginning of the body.
inline std::string vision_error_text(std::string_view body) {
  auto const answer = detail::parse_answer(body);
  if (answer && answer->is_object() && answer->contains("error")) {
    auto const& error = (*answer)["error"];
    if (error.is_string()) return printable(error.get<std::string>());
    if (error.is_object() && error.contains("message") && error["message"].is_string()) return printable(error["message"].get<std::string>());
  }
  return printable(body.substr(0, 400));
}

/// What to do about the status of an answer.
enum class HttpNext : std::uint8_t { take, again, picture_refused, endpoint_refused };

/// 500 may be the picture's fault or a hiccup, the rest of the table is as RFC 9110 says.
constexpr HttpNext next_of_status(int status) {
  constexpr int again[] = {408, 425, 429, 500, 502, 503, 504, 529};
  constexpr int picture[] = {400, 413, 415, 422};
  if (status >= 200 && status < 300) return HttpNext::take;
  if (std::find(std::begin(again), std::end(again), status) != std::end(again)) return HttpNext::again;
  return std::find(std::begin(picture), std::end(picture), status) != std::end(picture) ? HttpNext::picture_refused : HttpNext::endpoint_refused;
}

/// The status that an answer stands for: some servers report an error with status 200, and its body has the code.
inline int vision_status(int status, std::string_view body) {
  if (next_of_status(status) != HttpNext::take) return status;
  auto const answer = detail::parse_answer(body);
  if (!answer || !answer->is_object() || answer->contains("choices") || !answer->contains("error")) return status;
  auto const& error = (*answer)["error"];
  if (!error.is_object()) return std::max(status, detail::error_status(error));
  for (char const* const name : {"code", "status", "type", "message"})
    if (int const code = error.contains(name) ? detail::error_status(error[name]) : 0; code > 0) return code;
  return status;
}

/// Seconds that a Retry-After asks for: a number, or a date as RFC 9110 writes it; nothing for anything else.
inline std::optional<double> retry_after_seconds(std::string const& text, std::chrono::system_clock::time_point now) {
  double seconds = 0.0;
  auto const [end, fault] = std::from_chars(text.data(), text.data() + text.size(), seconds, std::chars_format::fixed);
  if (fault == std::errc() && end == text.data() + text.size()) return seconds >= 0.0 ? std::optional(seconds) : std::nullopt;
  constexpr std::string_view names = "JanFebMarAprMayJunJulAugSepOctNovDec";
  int day = 0, year = 0, hour = 0, minute = 0, second = 0;
  char month[4] = {};
  if (text.size() > 64 || std::sscanf(text.c_str(), "%*3s, %2d %3s %4d %2d:%2d:%2d GMT", &day, month, &year, &hour, &minute, &second) != 6) return std::nullopt;
  auto const at = names.find(month);
  std::chrono::year_month_day const date(std::chrono::year(year), std::chrono::month(static_cast<unsigned>(at / 3 + 1)), std::chrono::day(static_cast<unsigned>(day)));
  if (at == std::string_view::npos || at % 3 != 0 || !date.ok()) return std::nullopt;
  auto const then = std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) + std::chrono::seconds(second);
  return std::max(0.0, std::chrono::duration<double>(then - now).count());
}

}  // namespace tadp
