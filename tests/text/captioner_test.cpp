// SPDX-License-Identifier: Apache-2.0
// Captions from a server with a vision model: one that this test starts, with everything that goes wrong with such.
#include <doctest/doctest.h>

#ifdef TADP_HTTP

#include "vision_server.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <fstream>

using namespace tadp;
using namespace vision_server;
using scratch::error_of;

namespace {

double seconds_of(std::function<void()> const& run) {
  auto const begin = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}
std::string text_of(std::filesystem::path const& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
/// The one error of asking about one picture.
std::optional<Error> fault(VisionOptions const& o, Control const& control = {}) {
  scratch::Folder const folder;
  auto const name = write_picture(folder, "a.png", 9);
  return error_of([&] { VisionCaptioner{o}(read_picture_file(name.path, name.key), control); });
}
bool says(std::optional<Error> const& error, std::string_view part) { return error && std::string_view(error->what()).find(part) != std::string_view::npos; }

}  // namespace

TEST_CASE("a picture goes out whole and its caption comes back") {
  scratch::Folder const folder;
  Asked got;
  Server server([&](Asked const& asked, int, httplib::Response& response) {
    got = asked;
    response.set_content(answer(" \"A road,\n  two cars\tand caf\xc3\xa9s.\" "), "application/json");
  });
  auto const name = write_picture(folder, "street.png", 7);
  auto const picture = read_picture_file(name.path, name.key);
  auto o = options(server.address());
  o.api_key = "sesame-123";
  o.question.prompt = "What is \"this\"?";
  o.question.max_tokens = 33;
  CHECK(VisionCaptioner{o}(picture) == std::vector<std::string>{"A road, two cars and caf\xc3\xa9s."});
  CHECK(got.authorization == "Bearer sesame-123");
  CHECK(got.body["model"] == "eye-1");
  CHECK(got.body["max_tokens"] == 33);
  CHECK(got.body["messages"][0]["content"][0]["text"] == "What is \"this\"?");
  CHECK(got.picture == "data:image/png;base64," + base64(picture.bytes));
  CHECK(base64(scratch::bytes_of("")).empty());
  for (auto const& [plain, coded] : {std::pair{"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}})  // RFC 4648
    CHECK(base64(scratch::bytes_of(plain)) == coded);
}

TEST_CASE("what may pass is tried again") {
  SUBCASE("busy twice") {
    Server server([](Asked const&, int before, httplib::Response& response) {
      response.status = before < 2 ? 503 : 200;
      response.set_content(before < 2 ? "loading" : answer("a road"), "application/json");
    });
    CHECK_FALSE(fault(options(server.address())));
    CHECK(server.count() == 3);
  }
  SUBCASE("a server that says how long to wait") {
    Server server([](Asked const&, int before, httplib::Response& response) {
      response.status = before == 0 ? 429 : 200;
      if (before == 0) response.set_header("Retry-After", "1");
      response.set_content(before == 0 ? "" : answer("a road"), "application/json");
    });
    CHECK(seconds_of([&] { CHECK_FALSE(fault(options(server.address()))); }) >= 1.0);
    CHECK(server.count() == 2);
  }
  SUBCASE("longer than allowed") {
    Server server([](Asked const&, int, httplib::Response& response) {
      response.status = 429;
      response.set_header("Retry-After", "86400");
    });
    auto const error = fault(options(server.address()));
    REQUIRE(error);
    CHECK(error->code() == Errc::io);
    CHECK(says(error, "found: 86400"));
    CHECK(server.count() == 1);
  }
  SUBCASE("busy, said with the status of an answer") {
    for (std::string const body : {R"({"error": {"message": "loading", "code": 503}})", R"({"error": {"code": "529"}})", R"({"error": {"type": "overloaded_error", "message": "later"}})", R"({"error": "the model is overloaded"})", R"({"error": {"status": "UNAVAILABLE"}})"}) {
      CAPTURE(body);
      Server server([&](Asked const&, int before, httplib::Response& response) { response.set_content(before < 1 ? body : answer("a road"), "application/json"); });
      CHECK_FALSE(fault(options(server.address())));
      CHECK(server.count() == 2);
    }
  }
  SUBCASE("busy for ever") {
    Server server([](Asked const&, int, httplib::Response& response) { response.status = 503; });
    auto const error = fault(options(server.address()));
    REQUIRE(error);
    CHECK(error->code() == Errc::io);
    CHECK(says(error, "4 attempts"));
    CHECK(server.count() == 4);
  }
}

TEST_CASE("answers that are none") {
  std::string body;
  int status = 200;
  Server server([&](Asked const&, int, httplib::Response& response) {
    response.status = status;
    response.set_content(body, "application/json");
  });
  auto o = options(server.address());
  o.api_key = "sesame-123";
  o.max_answer_bytes = 200'000;
  struct Row {
    int status;
    std::string body;
    Errc code;
    std::string says;
    int asked;
  };
  for (Row const& row : {Row{200, "<html>hello</html>", Errc::format, "no JSON", 1}, Row{200, "", Errc::format, "no JSON", 1}, Row{200, R"({"choices": []})", Errc::format, "no caption", 1},
                         Row{200, R"({"choices": [{"message": {"content": null}}, 3, {"message": 1}, {"message": {"content": [1, {"text": 2}]}}]})", Errc::format, "no caption", 1}, Row{200, answer(" \n "), Errc::format, "no caption", 1},
                         Row{200, R"({"choices": {"message": 1}})", Errc::format, "no caption", 1}, Row{200, std::string(100'000, '['), Errc::format, "no JSON", 1}, Row{200, std::string(300'000, ' '), Errc::format, "answer of the vision endpoint is longer than allowed", 1},
                         Row{200, R"({"choices": [{"message": {"content": "a road"}}]})" "\xff", Errc::format, "no JSON", 1}, Row{200, R"({"choices": [{"message": {"content": "a ro)", Errc::format, "no JSON", 1},
                         Row{200, R"({"error": {"message": "too small", "code": 400}})", Errc::format, "status 400: too small", 1}, Row{200, R"({"error": {"message": "hm", "code": 7}})", Errc::format, "no caption", 1},
                         Row{200, R"({"error": {"message": "model not loaded", "code": 503}})", Errc::io, "status 503: model not loaded", 4},
                         Row{400, R"({"error": {"message": "image too small"}})", Errc::format, "image too small", 1}, Row{401, R"({"error": "who are you?"})", Errc::io, "who are you?", 1},
                         Row{404, "nothing here", Errc::io, "status 404: nothing here", 1}, Row{500, "oops", Errc::format, "status 500: oops", 4}, Row{302, "", Errc::io, "status 302", 1}}) {
    CAPTURE(row.body.substr(0, 80));
    status = row.status;
    body = row.body;
    int const before = server.count();
    auto const error = fault(o);
    REQUIRE(error);
    CHECK(error->code() == row.code);
    CHECK(says(error, row.says));
    CHECK(says(error, server.address()));
    CHECK(says(error, "/a.png"));
    CHECK_FALSE(says(error, "sesame"));
    CHECK(std::string_view(error->what()).size() < 1500);
    CHECK(server.count() - before == row.asked);
  }
}

TEST_CASE("parts, several choices and cut sentences") {
  VisionQuestion const q{.words = 4};
  auto const captions = [&](std::string const& body) { return vision_captions(body, q, "here"); };
  CHECK(captions(R"({"choices": [{"message": {"content": [{"type": "text", "text": "a "}, {"type": "text", "text": "road"}]}}]})") == std::vector<std::string>{"a road"});
  CHECK(captions(R"({"choices": [{"message": {"content": "a"}}, {"message": {"content": "b"}}, {"message": {"content": "a"}}]})") == std::vector<std::string>{"a", "b"});
  CHECK(captions(R"({"choices": [{"finish_reason": "length", "message": {"content": "cars aroun"}}]})") == std::vector<std::string>{"cars"});
  CHECK(captions(R"({"choices": [{"message": {"content": "one two three four five"}}]})") == std::vector<std::string>{"one two three four"});
  CHECK(captions(R"({"choices": [{"message": {"content": "a \u001b[31mred\u009b road\u0000"}}]})") == std::vector<std::string>{"a red road"});
  CHECK(captions(R"({"choices": [{"message": {"content": "<think>a car? no</think>\n\na van"}}]})") == std::vector<std::string>{"a van"});
}

TEST_CASE("a caption is what a person would read of the answer") {
  struct Row {
    std::string said, caption;
  };
  for (Row const& row : {Row{"a \x1b[1;31mred\x1b[0m car", "a red car"}, Row{"\x1b[38:2::255:0:0mred\x1b[K", "red"}, Row{"red\xc2\x9b" "31m car", "red car"}, Row{"\x1b]0;title\a" "a car", "a car"}, Row{"\x1b]8;;http://x\x1b\\a car", "a car"},
                         Row{"\x1b]a car", "a car"}, Row{"a car\x1b[", "a car"}, Row{"a\x1b car", "a car"}, Row{"a [31m car", "a [31m car"}, Row{"a \u202ered\u202c \u2066car\u2069", "a red car"}, Row{"\u00e9t\u00e9 \u2019", "\u00e9t\u00e9 \u2019"}})
    CHECK(plain_caption(row.said) == row.caption);
  for (Row const& row : {Row{"<think>x</think>a car", "a car"}, Row{" \n<think></think><think>y</think> a car", " a car"}, Row{"so it is\n</think>\na car", "\na car"}, Row{"<think>it is a car", ""}, Row{"a sign that says <think>", "a sign that says <think>"},
                         Row{"a sign: <think>yes</think>", "a sign: <think>yes</think>"}, Row{"", ""}, Row{"a car", "a car"}})
    CHECK(without_thoughts(row.said) == row.caption);
}

TEST_CASE("a server that does not answer in time, or not at all") {
  SUBCASE("silence") {
    Server* self = nullptr;
    Server server([&](Asked const&, int, httplib::Response&) { self->hang(); });
    self = &server;
    auto o = options(server.address());
    o.answer_seconds = 0.2;
    o.retry.retries = 1;
    std::optional<Error> error;
    CHECK(seconds_of([&] { error = fault(o); }) < 5.0);
    REQUIRE(error);
    CHECK(error->code() == Errc::io);
    CHECK(says(error, "2 attempts"));
    server.release();
  }
  SUBCASE("an answer that trickles") {
    Server server([&](Asked const&, int, httplib::Response& response) {
      response.set_chunked_content_provider("application/json", [](std::size_t, httplib::DataSink& sink) {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        return sink.write(" ", 1);
      });
    });
    auto o = options(server.address());
    o.connect_seconds = o.answer_seconds = 0.3;
    o.retry.retries = 0;
    std::optional<Error> error;
    CHECK(seconds_of([&] { error = fault(o); }) < 5.0);
    REQUIRE(error);
    CHECK(error->code() == Errc::format);  // it did answer: the next picture is asked for
    CHECK(says(error, "does not end"));
  }
  SUBCASE("an answer that breaks off, each time") {
    int asked = 0;
    Server server([&](Asked const&, int, httplib::Response& response) {
      ++asked;
      response.set_content_provider(100, "application/json", [](std::size_t, std::size_t, httplib::DataSink& sink) {
        sink.write("{", 1);
        return false;
      });
    });
    auto const error = fault(options(server.address()));
    REQUIRE(error);
    CHECK(error->code() == Errc::format);
    CHECK(says(error, "breaks off (4 attempts)"));
    CHECK(asked == 4);
  }
  SUBCASE("a stop while waiting") {
    Server* self = nullptr;
    std::stop_source stop;
    Server server([&](Asked const&, int, httplib::Response&) {
      stop.request_stop();
      self->hang();
    });
    self = &server;
    std::optional<Error> error;
    CHECK(seconds_of([&] { error = fault(options(server.address()), {.stop = stop.get_token(), .progress = {}}); }) < 5.0);
    REQUIRE(error);
    CHECK(error->code() == Errc::cancelled);
    server.release();
  }
  SUBCASE("nobody") {
    std::string address;
    {
      Server gone([](Asked const&, int, httplib::Response&) {});
      address = gone.address();
    }
    auto const error = fault(options(address));
    REQUIRE(error);
    CHECK(error->code() == Errc::io);
    CHECK(says(error, "does not answer"));
    CHECK(says(error, address));
  }
}

TEST_CASE("a server that hangs up while it is written to kills nobody") {
  int const listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::listen(listener, 4) == 0);
  REQUIRE(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  std::jthread const closer([listener] {
    for (int i = 0; i < 2; ++i) {
      int const peer = ::accept(listener, nullptr, nullptr);
      linger const at_once{1, 0};  // a reset, not a goodbye
      ::setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      ::close(peer);
    }
  });
  auto const handler = ::signal(SIGPIPE, SIG_DFL);  // as in a program without a server
  auto o = options("http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)));
  o.retry.retries = 1;
  o.question.prompt = std::string(20'000'000, 'x');  // more than the buffers of a socket take
  auto const error = fault(o);
  REQUIRE(error);
  CHECK(error->code() == Errc::io);
  ::signal(SIGPIPE, handler);
  ::close(listener);
}

TEST_CASE("addresses of endpoints") {
  for (auto const& [given, server, path] :
       {std::tuple{"http://localhost:8080", "http://localhost:8080", "/v1/chat/completions"}, {"http://localhost:8080/", "http://localhost:8080", "/v1/chat/completions"},
        {"https://api.openai.com/v1", "https://api.openai.com", "/v1/chat/completions"}, {"http://h/openai/v1/chat/completions", "http://h", "/openai/v1/chat/completions"}, {"http://[::1]", "http://[::1]", "/v1/chat/completions"}, {"http://[::1]:80/x/", "http://[::1]:80", "/x/chat/completions"}}) {
    CHECK(vision_endpoint(given).server == server);
    CHECK(vision_endpoint(given).path == path);
  }
  for (char const* const bad : {"", "localhost:8080", "ftp://h", "http://", "http:///v1", "http://h:", "http://:80", "http://h:x/v1", "http://h:0", "http://h:65536", "http://user:word@h", "http://h/v1?x=1", "http://h/#x", "http://h /v1", "http://h\r\nX: y"})
    CHECK(error_of([&] { vision_endpoint(bad); })->code() == Errc::argument);
  CHECK(error_of([] { VisionCaptioner({.endpoint = "http://h", .api_key = "a\r\nX: y"}); })->code() == Errc::argument);
  CHECK(error_of([] { vision_request({.prompt = "\xff"}, {}); })->code() == Errc::argument);
}

TEST_CASE("how long a server asks to wait") {
  using namespace std::chrono;
  auto const now = sys_days(year(1994) / 11 / 6) + hours(8) + minutes(49) + seconds(30);
  CHECK(retry_after_seconds("120", now) == 120.0);
  CHECK(retry_after_seconds("0.5", now) == 0.5);
  CHECK(retry_after_seconds("Sun, 06 Nov 1994 08:49:37 GMT", now) == 7.0);
  CHECK(retry_after_seconds("Sun, 06 Nov 1994 08:49:00 GMT", now) == 0.0);
  for (char const* const bad : {"", "soon", "-1", "1e400", "nan", "12 s", "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Nox 1994 08:49:37 GMT", "Sun, 06 ovD 1994 08:49:37 GMT"}) CHECK_FALSE(retry_after_seconds(bad, now));
}

TEST_CASE("a run asks once for each content and keeps what it hears") {
  scratch::Folder const folder;
  std::vector<PictureName> pictures;
  for (int i = 0; i < 24; ++i) pictures.push_back(write_picture(folder, "p" + std::to_string(i) + ".png", i % 6));
  std::ofstream(folder / "letter.png") << "not a picture";
  pictures.push_back({folder / "letter.png", "letter.png"});
  Server server([](Asked const& asked, int, httplib::Response& response) { response.set_content(answer("picture " + asked.picture.substr(asked.picture.size() - 60)), "application/json"); });
  VisionCaptioner const captioner(options(server.address()));
  std::size_t last = 0;
  {
    CaptionCache cache(folder / "captions.json", CaptionCache::Use::write);
    CHECK(says(error_of([&] { CaptionCache(folder / "captions.json", CaptionCache::Use::write); }), "another process"));
    auto const report = caption_pictures(captioner, pictures, cache, {.parallel = 4}, {.stop = {}, .progress = [&](std::size_t done, std::size_t total) {
                                                                                          CHECK(total == 25);
                                                                                          CHECK(done > last);
                                                                                          last = done;
                                                                                        }});
    CHECK(last == 25);
    CHECK(report.asked == 6);
    CHECK(report.answered == 6);
    CHECK(report.same == 18);
    CHECK(report.known == 0);
    REQUIRE(report.failed.size() == 1);
    CHECK(report.failed[0].picture == folder / "letter.png");
    CHECK(report.failed[0].message.find("PNG or JPEG") != std::string::npos);
  }
  CHECK(server.count() == 6);
  CHECK_FALSE(std::filesystem::exists(folder / "captions.json.partial"));
  CaptionFile const file(folder / "captions.json");
  CHECK(file.entries().size() == 24);
  CHECK(*file.find("p1.png") == *file.find("p7.png"));
  CHECK(*file.find("p1.png") != *file.find("p2.png"));
  // Again: nothing is asked, and the file is not touched.
  auto const before = text_of(folder / "captions.json");
  CaptionCache cache(folder / "captions.json", CaptionCache::Use::write);
  auto const report = caption_pictures(captioner, pictures, cache);
  CHECK(report.known == 24);
  CHECK(server.count() == 6);
  CHECK(text_of(folder / "captions.json") == before);
  // The cache is a captioner itself.
  CaptionCache const source(folder / "captions.json");
  CHECK(source(read_picture_file(folder / "p3.png", "elsewhere.png")) == std::vector<std::string>{*file.find("p3.png")});
  CHECK(source(read_picture_file(write_picture(folder, "new.png", 200).path, "new.png")).empty());
}

TEST_CASE("a run that was stopped or killed goes on where it was") {
  scratch::Folder const folder;
  std::vector<PictureName> pictures;
  for (int i = 0; i < 12; ++i) pictures.push_back(write_picture(folder, "p" + std::to_string(i) + ".png", 10 * i));
  auto const out = folder / "captions.json";
  int served = 0;
  bool down = false;
  Server server([&](Asked const&, int before, httplib::Response& response) {
    response.status = down ? 401 : 200;
    served += down ? 0 : 1;
    response.set_content(answer("caption " + std::to_string(before)), "application/json");
  });
  VisionCaptioner const captioner(options(server.address()));
  std::stop_source stop;
  auto const five = [&](std::size_t done, std::size_t) {
    if (done == 5) stop.request_stop();
  };
  {
    CaptionCache cache(out, CaptionCache::Use::write);
    CHECK(error_of([&] { caption_pictures(captioner, pictures, cache, {}, {.stop = stop.get_token(), .progress = five}); })->code() == Errc::cancelled);
  }
  auto const first = CaptionFile(out).entries();
  CHECK(first.size() >= 5);
  CHECK(first.size() < 12);
  CHECK(static_cast<int>(first.size()) <= served);  // one answer may have come too late
  // Killed: the journal holds one more, and half of another.
  auto const line = [&](std::size_t i, std::string const& caption) { return "{\"p" + std::to_string(i) + ".png\": {\"captions\": [\"" + caption + "\"]}}\n"; };
  std::size_t const more = first.size();
  std::ofstream(folder / "captions.json.partial") << line(more, "from the journal") << line(more + 1, "cut").substr(0, 20);
  CHECK(CaptionCache(out).entries().size() == more + 1);
  down = true;
  {
    CaptionCache cache(out, CaptionCache::Use::write);
    CHECK(error_of([&] { caption_pictures(captioner, pictures, cache, {.parallel = 3}); })->code() == Errc::io);
  }
  CHECK(CaptionFile(out).entries().size() == more + 1);
  down = false;
  int const before = served;
  CaptionCache cache(out, CaptionCache::Use::write);
  auto const report = caption_pictures(captioner, pictures, cache, {.parallel = 3});
  CHECK(report.known == more + 1);
  CHECK(report.asked == 12 - more - 1);
  CHECK(served - before == static_cast<int>(report.asked));
  CaptionFile const file(out);
  CHECK(file.entries().size() == 12);
  CHECK(*file.find("p" + std::to_string(more) + ".png") == "from the journal");
  for (std::size_t i = 0; i < first.size(); ++i) CHECK(file.entries()[i].captions == first[i].captions);
  CHECK_FALSE(std::filesystem::exists(folder / "captions.json.partial"));
}

TEST_CASE("a picture whose answer is odd is skipped, and the rest have captions") {
  scratch::Folder const folder;
  std::vector<PictureName> pictures;
  for (int i = 0; i < 5; ++i) pictures.push_back(write_picture(folder, "p" + std::to_string(i) + ".png", 10 * i));
  Server server([&](Asked const&, int before, httplib::Response& response) {
    if (before == 1)
      response.set_content(std::string(300'000, 'x'), "application/json");
    else if (before == 3)
      response.set_chunked_content_provider("application/json", [](std::size_t, httplib::DataSink& sink) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        return sink.write(" ", 1);
      });
    else
      response.set_content(answer("caption " + std::to_string(before)), "application/json");
  });
  auto o = options(server.address());
  o.max_answer_bytes = 200'000;
  o.connect_seconds = o.answer_seconds = 0.5;
  VisionCaptioner const captioner(o);
  CaptionCache cache(folder / "captions.json", CaptionCache::Use::write);
  auto const report = caption_pictures(captioner, pictures, cache);
  CHECK(report.asked == 5);
  CHECK(report.answered == 3);
  REQUIRE(report.failed.size() == 2);
  CHECK(report.failed[0].message.find("is longer than allowed") != std::string::npos);
  CHECK(report.failed[0].message.find("p1.png") != std::string::npos);
  CHECK(report.failed[1].message.find("does not end") != std::string::npos);
  CHECK(CaptionFile(folder / "captions.json").entries().size() == 3);
}

TEST_CASE("pictures that change, names that no file holds, and a model that sees nothing") {
  scratch::Folder const folder;
  Server server([](Asked const&, int before, httplib::Response& response) {
    response.status = before < 3 ? 200 : 400;
    response.set_content(answer("caption " + std::to_string(before)), "application/json");
  });
  VisionCaptioner const captioner(options(server.address()));
  std::vector<PictureName> pictures{write_picture(folder, "a.png", 1)};
  auto const run = [&](CaptionRunOptions const& o = {}) {
    CaptionCache cache(folder / "captions.json", CaptionCache::Use::write);
    return caption_pictures(captioner, pictures, cache, o);
  };
  run();
  pictures = {write_picture(folder, "a.png", 2)};
  CHECK(run().asked == 1);
  CHECK(*CaptionFile(folder / "captions.json").find("a.png") == "caption 1");
  pictures = {write_picture(folder, "a\x1b.png", 3)};
  CHECK(run().failed.size() == 1);
  pictures.clear();
  for (int i = 0; i < 20; ++i) pictures.push_back(write_picture(folder, "b" + std::to_string(i) + ".png", 100 + i));
  CHECK(error_of([&] { run({.failures_in_a_row = 3}); })->code() == Errc::format);
  CHECK(server.count() <= 3 + 4);
  CHECK(CaptionFile(folder / "captions.json").entries().size() == 1);
  // Somebody else's file at the journal's place is refused and stays as it is.
  std::ofstream(folder / "captions.json.partial") << "my notes\n";
  CHECK(error_of([&] { run(); })->code() == Errc::format);
  CHECK(text_of(folder / "captions.json.partial") == "my notes\n");
}

#else
TEST_CASE("captions from a server") { MESSAGE("skipped: built without cpp-httplib"); }
#endif
