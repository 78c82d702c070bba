// SPDX-License-Identifier: Apache-2.0
// `tadp devices` of a program with the CUDA part says what --device cuda will do.
#include "../io/scratch.hpp"
#include "fake_runtime.hpp"
#include "tadp/program.hpp"

#include "tadp/device/cuda.hpp"
#include "tadp/io/file.hpp"

#include <doctest/doctest.h>

#include <unistd.h>

namespace {

/// What `tadp devices` prints.
std::string devices(std::string const& option = "") {
  scratch::Folder const folder;
  CLI::App app;
  program::Command command;
  program::add_devices(app, command);
  app.parse("devices " + option);
  std::fflush(stdout);
  int const before = dup(STDOUT_FILENO);
  std::FILE* const printed = std::freopen((folder / "printed").c_str(), "w", stdout);
  REQUIRE(printed != nullptr);
  command.run();
  std::fflush(stdout);
  dup2(before, STDOUT_FILENO);
  close(before);
  auto const bytes = tadp::read_file(folder / "printed");
  return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}
nlohmann::json cuda_entry() { return nlohmann::json::parse(devices("--json"))["devices"][1]; }
bool contains(std::string const& text, std::string const& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a device that opens is available") {
  fake::runtime() = {.devices = {fake::Device{}}};
  auto const entry = cuda_entry();
  CHECK(entry["available"] == true);
  CHECK(entry["driver"] == "13.0");
  CHECK(entry["devices"][0]["capability"] == "9.0");
  CHECK(!entry.contains("missing"));
  CHECK(contains(devices(), "this machine has Fake 9, 80.0 GiB, compute capability 9.0"));
  CHECK_NOTHROW(program::require_device("cuda"));
}

TEST_CASE("a device that does not open is not available, and the reason is the library's") {
  for (fake::Runtime const& machine : {fake::Runtime{}, fake::Runtime{.driver = 12040, .devices = {fake::Device{}}}, fake::Runtime{.devices = {fake::Device{.pools = false}}},
                                       fake::Runtime{.devices = {fake::Device{.capability = {7, 0}}}}}) {
    fake::runtime() = machine;
    auto const entry = cuda_entry();
    CHECK(entry["available"] == false);
    std::string const missing = entry["missing"];
    CHECK(contains(devices(), missing));
    for (auto const& error : {scratch::error_of([] { program::require_device("cuda"); }), scratch::error_of([] { tadp::Cuda{0}; })}) {
      REQUIRE(error);
      CHECK(contains(error->what(), missing));
    }
  }
}
