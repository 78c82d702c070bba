// SPDX-License-Identifier: Apache-2.0
#include "tadp/io/torch_zip.hpp"

#include "torch_bytes.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

using namespace tadp;
using namespace torch_bytes;
using namespace std::string_literals;

namespace {

/// Opens an archive of these bytes and reads all of its tensors.
std::vector<float> read(std::string const& bytes, TorchLimits const& limits = {}) {
  TempDir dir;
  TorchZip const file(dir.put("a.pth", bytes), limits);
  std::vector<float> all;
  for (auto const& entry : file.entries()) {
    std::vector<float> values(static_cast<std::size_t>(entry.size_bytes() / 4));
    file.read_f32(entry, values.data());
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

std::string refuse(Errc code, std::string const& bytes, TorchLimits const& limits = {}) {
  return failure(code, [&] { read(bytes, limits); });
}

std::vector<float> const right{0, 1, 2, 3, 4, 5};

/// The archive with one more record.
Zip with(Record record) {
  auto records = checkpoint();
  records.push_back(std::move(record));
  return zip(records);
}

}  // namespace

TEST_CASE("an archive as it should be") {
  CHECK(read(zip(checkpoint()).bytes) == right);
  auto records = checkpoint();
  for (auto& r : records) r.deflate = true;
  CHECK(read(zip(records).bytes) == right);
  for (auto& r : records) r.name.erase(0, std::string("archive/").size());  // no folder
  CHECK(read(zip(records).bytes) == right);
  for (auto& r : records) r.name = "deep/er/" + r.name;
  CHECK(read(zip(records).bytes) == right);
}

TEST_CASE("every cut of an archive is refused") {
  auto const whole = zip(checkpoint()).bytes;
  for (std::size_t length = 0; length < whole.size(); ++length) refuse(Errc::format, whole.substr(0, length));
}

TEST_CASE("no byte of an archive can be changed unseen or do harm") {
  auto const whole = zip(checkpoint()).bytes;
  for (std::size_t at = 0; at < whole.size(); ++at)
    for (unsigned const bits : {0x01u, 0x80u, 0xffu}) {
      auto changed = whole;
      changed[at] = static_cast<char>(static_cast<unsigned char>(changed[at]) ^ bits);
      auto values = right;
      try {
        values = read(changed);  // dates and versions may say what they like
      } catch (Error const&) {
      }
      CHECK(values == right);
    }
}

TEST_CASE("Z1 the end is missing") {
  auto const z = zip(checkpoint());
  CHECK(contains(refuse(Errc::format, z.bytes.substr(0, z.end)), "cut short"));
}

TEST_CASE("Z2 a directory past the end of the file") {
  for (std::uint64_t const offset : {0xfffffff0u, 0x7fffffffu, 100'000u, 1u, 0u}) {
    auto z = zip(checkpoint());
    refuse(Errc::format, z.set(z.end + 16, offset, 4).bytes);
  }
  auto z = zip(checkpoint());
  refuse(Errc::format, z.set(z.end + 12, 0x7fffffff, 4).bytes);
}

TEST_CASE("Z3 no data.pkl") {
  CHECK(contains(refuse(Errc::format, zip({{"archive/version", "3"}}).bytes), "without a pickle"));
  CHECK(contains(refuse(Errc::format, zip({{"[Content_Types].xml", "x"}, {"word/document.xml", "x"}}).bytes), "Office"));
  CHECK(contains(refuse(Errc::format, zip({{"a.npy", "x"}}).bytes), "NumPy"));
  refuse(Errc::format, zip({{"a/xdata.pkl", "x"}}).bytes);
  CHECK(contains(refuse(Errc::unsupported, with({"archive/constants.pkl", "x"}).bytes), "TorchScript"));
  refuse(Errc::format, zip({}).bytes);
}

TEST_CASE("Z4 two data.pkl") {
  CHECK(contains(refuse(Errc::format, with({"other/data.pkl", pickle("N")}).bytes), "more than one"));
  CHECK(contains(refuse(Errc::format, with({"archive/data.pkl", pickle("N")}).bytes), "one name"));
}

TEST_CASE("Z5 two names for one record") {
  auto z = zip(checkpoint());
  z.bytes[z.local[2] + 30] = 'A';  // the storage, which is found out when it is read
  CHECK(contains(refuse(Errc::format, z.bytes), "two names"));
  z = zip(checkpoint());
  z.bytes[z.local[0] + 30] = 'A';
  refuse(Errc::format, z.bytes);
  z = zip(checkpoint());
  refuse(Errc::format, z.set(z.local[2] + 26, 3, 2).bytes);
}

TEST_CASE("Z6 flags and methods") {
  for (std::uint64_t const flags : {0x1u, 0x40u, 0x2000u, 0x8u}) {
    auto local = zip(checkpoint()), central = zip(checkpoint());
    CHECK(contains(refuse(Errc::format, local.set(local.local[2] + 6, flags, 2).bytes), "two ways"));
    CHECK_THROWS_AS(read(central.set(central.central[2] + 8, flags, 2).bytes), Error);
  }
  for (std::uint64_t const method : {1u, 12u, 99u}) {
    auto local = zip(checkpoint()), central = zip(checkpoint());
    refuse(Errc::format, local.set(local.local[2] + 8, method, 2).bytes);
    refuse(Errc::unsupported, central.set(central.central[2] + 10, method, 2).bytes);
  }
}

TEST_CASE("Z7 wrong checksums") {
  auto z = zip(checkpoint());
  auto const data = z.local[2] + 30 + std::string("archive/data/0").size();
  z.bytes[data + 3] ^= 1;
  CHECK(contains(refuse(Errc::format, z.bytes), "checksum"));
  TorchLimits limits;
  limits.check_sums = false;
  CHECK(read(z.bytes, limits).size() == 6);
  z = zip(checkpoint());
  z.bytes[z.local[0] + 30 + std::string("archive/data.pkl").size() + 20] ^= 1;
  refuse(Errc::format, z.bytes);
  auto records = checkpoint();
  records[2].deflate = true;
  z = zip(records);
  refuse(Errc::format, z.set(z.central[2] + 16, 12345, 4).set(z.local[2] + 14, 12345, 4).bytes);
}

TEST_CASE("Z8 a record that unpacks a thousandfold") {
  auto const bomb = std::string(4'000'000, '\0');
  auto records = checkpoint(pickle(dict({{"a", tensor("0", 1'000'000)}})), bomb);
  records[2].deflate = true;
  CHECK(contains(refuse(Errc::limit, zip(records).bytes), "times"));
  TorchLimits limits;
  limits.max_ratio = 2'000;
  CHECK(read(zip(records).bytes, limits).size() == 1'000'000);
  limits = {};
  limits.max_pickle = 10;
  refuse(Errc::limit, zip(checkpoint()).bytes, limits);
}

TEST_CASE("Z9 sizes that lie") {
  for (int const field : {20, 24}) {
    for (std::uint64_t const size : {0u, 23u, 25u, 1'000'000u, 0x7fffffffu, 0xffffffffu}) {
      auto z = zip(checkpoint());
      CHECK_THROWS_AS(read(z.set(z.central[2] + static_cast<std::size_t>(field), size, 4).bytes), Error);
    }
  }
  for (std::uint64_t const size : {0u, 23u, 25u, 0xfffffff0u}) {
    auto z = zip(checkpoint());
    CHECK(contains(refuse(Errc::format, z.set(z.local[2] + 18, size, 4).bytes), "two sizes"));
  }
  // The same in 64 bits, in a row of the directory that has an extra field.
  for (std::uint64_t const size : {std::uint64_t{24}, std::uint64_t{23}, std::uint64_t{1} << 40, ~std::uint64_t{0}, ~std::uint64_t{0} - 29}) {
    auto z = zip(checkpoint());
    auto const extra = le(1, 2) + le(24, 2) + le(size, 8) + le(size, 8) + le(z.local[2], 8);
    z.set(z.central[2] + 20, 0xffffffff, 4).set(z.central[2] + 24, 0xffffffff, 4).set(z.central[2] + 42, 0xffffffff, 4).set(z.central[2] + 30, extra.size(), 2);
    z.set(z.end + 12, z.end - z.central[0] + extra.size(), 4);
    z.bytes.insert(z.central[2] + 46 + std::string("archive/data/0").size(), extra);
    if (size == 24)
      CHECK(read(z.bytes) == right);
    else
      CHECK_THROWS_AS(read(z.bytes), Error);
  }
}

TEST_CASE("Z10 records that share bytes") {
  auto records = checkpoint(pickle(dict({{"a", tensor("0", 6)}, {"b", tensor("1", 6)}})));
  records.push_back({"archive/data/1", six()});
  CHECK(read(zip(records).bytes).size() == 12);
  auto z = zip(records);
  refuse(Errc::format, z.set(z.central[4] + 42, z.local[2], 4).bytes);
  z = zip(records);
  refuse(Errc::format, z.set(z.central[4] + 42, z.local[2] + 4, 4).bytes);
  // A local extra field that pushes the data into the next record.
  z = zip(records);
  CHECK(contains(refuse(Errc::format, z.set(z.local[2] + 28, 8, 2).bytes), "reaches into"));
}

TEST_CASE("Z11 names that lead outside") {
  for (auto const& name : {"../x"s, "/etc/passwd"s, "archive/../../x"s, "a/.."s, "C:\\x"s, "..\\x"s, "\\x"s, "a\0b"s, ""s})
    refuse(Errc::format, with({name, "x"}).bytes);
  CHECK(read(with({"archive/a..b", "x"}).bytes) == right);
}

TEST_CASE("Z12 a storage shorter or longer than its elements") {
  CHECK(contains(refuse(Errc::format, zip(checkpoint(pickle(dict({{"a", tensor()}})), six().substr(0, 20))).bytes), "another size"));
  refuse(Errc::format, zip(checkpoint(pickle(dict({{"a", tensor()}})), six() + "abcd")).bytes);
  refuse(Errc::format, zip(checkpoint(pickle(dict({{"a", tensor()}})), "")).bytes);
}

TEST_CASE("Z13 a storage that is absent") {
  CHECK(contains(refuse(Errc::format, zip(checkpoint(pickle(dict({{"a", tensor("7")}})))).bytes), "archive/data/7"));
  refuse(Errc::format, zip(checkpoint(pickle(dict({{"a", tensor("../data.pkl")}})))).bytes);
}

TEST_CASE("Z14 bytes before the archive") {
  auto const z = zip(checkpoint());
  refuse(Errc::format, "#!/bin/sh\n" + z.bytes);
  refuse(Errc::format, "PK\x03\x04" + std::string(60, 'x') + z.bytes);
  refuse(Errc::format, z.bytes + z.bytes);
  auto between = z;
  between.bytes.insert(z.central[0], 64, 'x');
  refuse(Errc::format, between.set(between.end + 64 + 16, z.central[0] + 64, 4).bytes);
}

TEST_CASE("Z15 another byte order") {
  auto records = checkpoint();
  records[1].content = "big";
  CHECK(contains(refuse(Errc::unsupported, zip(records).bytes), "byte order"));
  records[1].content = std::string(100, 'x');
  refuse(Errc::limit, zip(records).bytes);
  records.erase(records.begin() + 1);
  CHECK(read(zip(records).bytes) == right);
}

TEST_CASE("Z17 a second end in the comment") {
  CHECK(read(zip(checkpoint(), "made by hand").bytes) == right);
  auto const other = zip(checkpoint(pickle(dict({{"a", tensor()}})), floats({9, 9, 9, 9, 9, 9})));
  refuse(Errc::format, zip(checkpoint(), other.bytes).bytes);
  refuse(Errc::format, zip(checkpoint(), other.bytes.substr(other.end)).bytes);
  refuse(Errc::format, zip(checkpoint()).bytes + "tail");
}

TEST_CASE("Z18 more records than 16 bits count") {
  constexpr std::size_t many = 66'000;
  auto records = checkpoint();
  for (std::size_t i = 0; i < many; ++i) records.push_back({"archive/x" + std::to_string(i), ""});
  auto z = zip(records);
  // The end in 64 bits, as a writer has to put it.
  auto const size = z.end - z.central[0];
  auto const wide = "PK\x06\x06" + le(44, 8) + le(45, 2) + le(45, 2) + le(0, 8) + le(records.size(), 8) + le(records.size(), 8) + le(size, 8) + le(z.central[0], 8) +
                    "PK\x06\x07" + le(0, 4) + le(z.end, 8) + le(1, 4);
  z.set(z.end + 8, 0xffff, 2).set(z.end + 10, 0xffff, 2).set(z.end + 12, 0xffffffff, 4).set(z.end + 16, 0xffffffff, 4);
  z.bytes.insert(z.end, wide);
  CHECK(read(z.bytes) == right);
  TorchLimits limits;
  limits.max_records = many;
  refuse(Errc::limit, z.bytes, limits);
}

TEST_CASE("bytes after the pickle") {
  CHECK(contains(refuse(Errc::format, zip(checkpoint(pickle(dict({{"a", tensor()}})) + "more")).bytes), "after the end"));
}

TEST_CASE("threads may read one file") {
  TempDir dir;
  constexpr std::size_t count = 3'000'000;  // more than one chunk
  std::string content(count * 4, '\0');
  for (std::size_t i = 0; i < count; ++i) {
    auto const value = static_cast<float>(i);
    std::memcpy(content.data() + 4 * i, &value, 4);
  }
  for (bool const deflate : {false, true}) {
    auto records = checkpoint(pickle(dict({{"a", tensor("0", count)}, {"b", tensor_of(storage("0", count), 0, {count / 2}, {2})}})), content);
    records[2].deflate = deflate;
    TorchZip const file(dir.put("a.pth", zip(records).bytes));
    std::vector<std::thread> threads;
    std::vector<int> good(3);
    for (std::size_t t = 0; t < good.size(); ++t)
      threads.emplace_back([&, t] {
        std::vector<float> a(count), b(10);
        file.read_f32(*file.find("a"), a.data());
        file.drop(*file.find("a"));
        file.read_f32(*file.find("b"), count / 2 - 10, 10, b.data());
        good[t] = a.back() == static_cast<float>(count - 1) && b.back() == static_cast<float>(count - 2);
      });
    for (auto& thread : threads) thread.join();
    CHECK(std::count(good.begin(), good.end(), 1) == 3);
    float value = 0;
    failure(Errc::argument, [&] { file.read_f32(*file.find("a"), count, 1, &value); });
    failure(Errc::argument, [&] { file.read_f32(*file.find("a"), 1, ~std::uint64_t{0}, &value); });
    auto foreign = *file.find("a");
    foreign.begin += 4;
    foreign.end += 4;
    failure(Errc::argument, [&] { file.read_f32(foreign, 0, 1, &value); });
    foreign.file = 7;
    failure(Errc::argument, [&] { file.read_f32(foreign, 0, 1, &value); });
  }
}

TEST_CASE("a file that is cut short after it was opened") {
  TempDir dir;
  auto const path = dir.put("a.pth", zip(checkpoint()).bytes);
  TorchZip const file(path);
  std::filesystem::resize_file(path, 40);
  std::vector<float> values(6);
  failure(Errc::io, [&] { file.read_f32(file.entries()[0], values.data()); });
}
