// SPDX-License-Identifier: Apache-2.0
#include "tadp/io/file.hpp"

#include "scratch.hpp"

#include <doctest/doctest.h>

#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace {

using scratch::bytes_of;
using scratch::error_of;
using tadp::Errc;

std::vector<std::byte> const old_text = bytes_of("old"), new_text = bytes_of("new and longer");

}  // namespace

TEST_CASE("write_file_atomic: makes, replaces, and leaves nothing beside") {
  scratch::Folder const folder;
  auto const path = folder / "a b.bin";
  tadp::write_file_atomic(path, old_text);
  CHECK(tadp::read_file(path) == old_text);
  ::chmod(path.c_str(), 0640);
  tadp::write_file_atomic(path, new_text);
  CHECK(tadp::read_file(path) == new_text);
  CHECK(std::filesystem::status(path).permissions() == std::filesystem::perms{0640});
  tadp::write_file_atomic(path, {});
  CHECK(tadp::read_file(path).empty());
  CHECK(folder.entries() == 1);
}

TEST_CASE("AtomicFile: without commit the old file stays") {
  scratch::Folder const folder;
  auto const path = folder / "x";
  tadp::write_file_atomic(path, old_text);
  {
    tadp::AtomicFile file(path);
    file.write(new_text.data(), new_text.size());
    CHECK(folder.entries() == 2);
  }
  CHECK(tadp::read_file(path) == old_text);
  CHECK(folder.entries() == 1);
}

TEST_CASE("AtomicFile: two at a time, the longest name, a symbolic link") {
  scratch::Folder const folder;
  auto const name = std::string(255, 'n');
  {
    tadp::AtomicFile first(folder / name), second(folder / name);
    second.commit();
    first.write(old_text.data(), old_text.size());
    first.commit();
  }
  CHECK(tadp::read_file(folder / name) == old_text);
  std::filesystem::create_symlink(folder / name, folder / "link");
  tadp::write_file_atomic(folder / "link", new_text);
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(tadp::read_file(folder / name) == new_text);
}

TEST_CASE("write_file_atomic: what cannot be written says why, by name") {
  scratch::Folder const folder;
  auto const missing = error_of([&] { tadp::write_file_atomic(folder / "no such" / "x", new_text); });
  REQUIRE(missing);
  CHECK(missing->code() == Errc::io);
  CHECK(std::string(missing->what()).find("No such file or directory") != std::string::npos);
  CHECK(missing->where().file == (folder / "no such" / "x").string());
  std::filesystem::create_directory(folder / "d");
  for (auto const& path : {folder / "d", std::filesystem::path("/dev/null"), std::filesystem::path("")}) {
    auto const error = error_of([&] { tadp::write_file_atomic(path, new_text); });
    REQUIRE(error);
    CHECK(error->code() == Errc::io);
  }
  CHECK(error_of([&] { tadp::write_file_atomic(folder / std::string_view("a\0b", 3), new_text); }));
  CHECK(std::filesystem::is_character_file("/dev/null"));
  CHECK(folder.entries() == 1);
}

TEST_CASE("write_file_atomic: a full disk leaves the old file") {
  scratch::Folder const folder;
  auto const path = folder / "x";
  tadp::write_file_atomic(path, old_text);
  // A limit on the size of files is as near to a full disk as a test may go.
  ::rlimit before = {};
  ::getrlimit(RLIMIT_FSIZE, &before);
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  ::rlimit const small = {4096, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  auto const error = error_of([&] { tadp::write_file_atomic(path, std::vector<std::byte>(100'000)); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  REQUIRE(error);
  CHECK(error->code() == Errc::io);
  CHECK(tadp::read_file(path) == old_text);
  CHECK(folder.entries() == 1);
}

TEST_CASE("read_file and MappedFile: regular files only, and not above the limit") {
  scratch::Folder const folder;
  REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
  std::filesystem::create_directory(folder / "d");
  std::pair<std::filesystem::path, std::string> const cases[] = {{folder / "fifo", "a FIFO"},
                                                                 {folder / "d", "a directory"},
                                                                 {"/dev/zero", "a device"},
                                                                 {folder / "none", "No such file"}};
  for (auto const& entry : cases) {
    auto const& path = entry.first;
    auto const read = error_of([&] { tadp::read_file(path); });
    auto const mapped = error_of([&] { tadp::MappedFile{path}; });
    REQUIRE(read);
    REQUIRE(mapped);
    CHECK(read->code() == Errc::io);
    CHECK(std::string(read->what()).find(entry.second) != std::string::npos);
    CHECK(std::string(mapped->what()) == read->what());
  }
  tadp::write_file_atomic(folder / "x", old_text);
  CHECK(tadp::read_file(folder / "x", 3) == old_text);
  auto const large = error_of([&] { tadp::read_file(folder / "x", 2); });
  REQUIRE(large);
  CHECK(large->code() == Errc::limit);
}

TEST_CASE("MappedFile: content, drop, move, empty") {
  scratch::Folder const folder;
  std::vector<std::byte> large(100'000);
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<std::byte>(i * 7);
  tadp::write_file_atomic(folder / "x", large);
  tadp::MappedFile map(folder / "x");
  auto const same = [&](tadp::MappedFile const& file) {
    return std::vector<std::byte>(file.bytes().begin(), file.bytes().end()) == large;
  };
  CHECK(same(map));
  map.drop(5000, 50'000);
  map.drop(99'999, SIZE_MAX);
  map.drop(200'000, 1);
  CHECK(same(map));
  tadp::MappedFile moved(std::move(map));
  CHECK(same(moved));
  tadp::write_file_atomic(folder / "empty", {});
  tadp::MappedFile empty(folder / "empty");
  CHECK(empty.bytes().empty());
  empty = std::move(moved);
  CHECK(same(empty));
}
