// SPDX-License-Identifier: Apache-2.0
// `tadp caption` against a server that this test starts: a folder becomes a caption file, and the same command goes on.
#include <doctest/doctest.h>

#ifdef TADP_HTTP

#include "../text/vision_server.hpp"
#include "run_program.hpp"

#include "tadp/io/captions.hpp"

#include <algorithm>

using run_program::program;
using run_program::run;

TEST_CASE("a folder of pictures becomes a caption file, and the same command asks for the rest") {
  if (program().empty()) {
    MESSAGE("skipped: TADP_PROGRAM names no program");
    return;
  }
  scratch::Folder const folder;
  std::filesystem::create_directories(folder / "photos/more");
  for (int i = 0; i < 4; ++i) vision_server::write_picture(folder, "photos/" + std::string(i < 2 ? "" : "more/") + std::to_string(i) + ".png", 20 * i);
  std::atomic<bool> down = true;
  std::atomic<int> with_key = 0;
  vision_server::Server server([&](vision_server::Asked const& asked, int before, httplib::Response& response) {
    if (asked.authorization == "Bearer secret") ++with_key;
    if (down && before >= 2) response.status = 401;
    else response.set_content(vision_server::answer("a street number " + std::to_string(before)), "application/json");
  });
  std::string const command = "caption '" + (folder / "photos").string() + "' --endpoint " + server.address() + " --out '" + (folder / "captions.json").string() + "' --json";
  auto const stopped = run(folder, command, "TADP_API_KEY=secret");
  CAPTURE(stopped.err);
  CHECK(stopped.status == 3);
  CHECK(stopped.says("the same command goes on"));
  CHECK_FALSE(stopped.says("secret"));
  CHECK(tadp::CaptionFile(folder / "captions.json").entries().size() == 2);
  down = false;
  auto const whole = run(folder, command, "TADP_API_KEY=secret");
  CAPTURE(whole.err);
  REQUIRE(whole.status == 0);
  CHECK(whole.json()["known"] == 2);
  CHECK(whole.json()["asked"] == 2);
  CHECK(with_key.load() == server.count());
  tadp::CaptionFile const file(folder / "captions.json");
  CHECK(file.entries().size() == 4);
  CHECK(*file.find("photos/0.png") == "a street number 0");
  CHECK(file.find("more/3.png") != nullptr);
  auto const nobody = run(folder, "caption '" + (folder / "photos/0.png").string() + "' --endpoint ftp://x --out '" + (folder / "o.json").string() + "'");
  CHECK(nobody.status == 2);
  CHECK(run(folder, "caption '" + (folder / "photos/none.png").string() + "' --endpoint " + server.address() + " --out '" + (folder / "o.json").string() + "'").status == 3);
}

TEST_CASE("the summary says how many pictures were asked for, and an interruption is one line") {
  if (program().empty()) {
    MESSAGE("skipped: TADP_PROGRAM names no program");
    return;
  }
  scratch::Folder const folder;
  std::filesystem::create_directories(folder / "photos");
  for (int i = 0; i < 3; ++i) vision_server::write_picture(folder, "photos/" + std::to_string(i) + ".png", 20 * i);
  vision_server::Server* self = nullptr;
  std::atomic<bool> hangs = true;
  vision_server::Server server([&](vision_server::Asked const&, int before, httplib::Response& response) {
    if (hangs && before == 1) self->hang();
    response.set_content(before == 2 ? "<html>" : vision_server::answer("a street"), "application/json");
  });
  self = &server;
  std::string const command = "caption '" + (folder / "photos").string() + "' --endpoint " + server.address() + " --out '" + (folder / "captions.json").string() + "'";
  auto const stopped = run(folder, command + " --quiet", "timeout --foreground --preserve-status -s INT 2");
  CAPTURE(stopped.err);
  CHECK(stopped.status == 130);
  CHECK(std::count(stopped.err.begin(), stopped.err.end(), '\n') == 1);
  CHECK(stopped.says("captions.json holds the captions of 1 pictures, and the same command goes on from there"));
  hangs = false;
  server.release();
  auto const rest = run(folder, command, "");
  CAPTURE(rest.err);
  CHECK(rest.status == 3);
  CHECK(rest.out.find("3 pictures -> ") != std::string::npos);
  CHECK(rest.out.find("(2 asked for, 1 answered, 1 skipped, 0 of the same content as another, 1 known before)") != std::string::npos);
  CHECK(rest.says("no JSON"));
  CHECK(rest.says("key: " + (folder / "photos/1.png").string()));
}

#else
TEST_CASE("captions from a server") { MESSAGE("skipped: built without cpp-httplib"); }
#endif
