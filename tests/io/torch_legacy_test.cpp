// SPDX-License-Identifier: Apache-2.0
#include "tadp/io/torch_legacy.hpp"

#include "torch_bytes.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

using namespace tadp;
using namespace torch_bytes;

namespace {

std::vector<float> read(std::string const& bytes, std::string const& name = "a") {
  TempDir dir;
  TorchLegacy const file(dir.put("a.pth", bytes));
  auto const* const entry = file.find(name);
  REQUIRE(entry != nullptr);
  std::vector<float> values(static_cast<std::size_t>(entry->size_bytes() / 4));
  file.read_f32(*entry, values.data());
  file.drop(*entry);
  return values;
}

std::string refuse(Errc code, std::string const& bytes) {
  return failure(code, [&] { read(bytes); });
}

std::vector<float> const right{0, 1, 2, 3, 4, 5};

}  // namespace

TEST_CASE("a file as it should be") {
  auto const whole = legacy();
  CHECK(read(whole) == right);
  CHECK(is_torch_legacy(std::as_bytes(std::span(whole))));
}

TEST_CASE("every cut of a file is refused") {
  auto const whole = legacy();
  for (std::size_t length = 0; length < whole.size(); ++length) refuse(Errc::format, whole.substr(0, length));
}

TEST_CASE("no byte of a file can do harm") {
  auto const whole = legacy();
  for (std::size_t at = 0; at < whole.size(); ++at)
    for (unsigned const bits : {0x01u, 0x20u, 0x80u, 0xffu}) {
      auto changed = whole;
      changed[at] = static_cast<char>(static_cast<unsigned char>(changed[at]) ^ bits);
      TempDir dir;
      try {
        TorchLegacy const file(dir.put("a.pth", changed));
        std::vector<std::byte> bytes(static_cast<std::size_t>(file.entries()[0].size_bytes()));
        file.read_bytes(file.entries()[0], bytes.data());
      } catch (Error const&) {
      }
    }
}

TEST_CASE("views of storages") {
  auto const view = "(" + text("view") + integer(2) + integer(3) + "t";
  auto const part = tensor_of(storage("0", 6, "FloatStorage", view), 1, {2}, {1});
  CHECK(read(legacy(pickle(dict({{"a", part}})))) == std::vector<float>{3, 4});
  for (auto const& bad : {"(" + text("v") + integer(4) + integer(3) + "t", "(" + text("v") + integer(-1) + integer(3) + "t",
                          "(" + text("v") + integer(7) + integer(0) + "t", "(" + text("v") + integer(0) + integer(std::int64_t{1} << 62) + "t", std::string(")")})
    refuse(Errc::format, legacy(pickle(dict({{"a", tensor_of(storage("0", 6, "FloatStorage", bad), 0, {1}, {1})}}))));
  // A tensor may not leave its view, although its storage goes on.
  refuse(Errc::format, legacy(pickle(dict({{"a", tensor_of(storage("0", 6, "FloatStorage", view), 2, {2}, {1})}}))));
  CHECK(read(legacy(pickle(dict({{"a", tensor_of(storage("0", 6, "FloatStorage", "N"), 4, {2}, {1})}})))) == std::vector<float>{4, 5});
}

TEST_CASE("what is not of this form, or of a machine of another byte order") {
  CHECK(contains(refuse(Errc::format, pickle(dict({{"a", "N"}}))), "not one of torch.save"));
  CHECK(contains(refuse(Errc::format, pickle("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19") + pickle("K\x01")), "version"));
  CHECK(contains(refuse(Errc::unsupported, legacy_head(false) + pickle("N") + pickle("]")), "byte order"));
  CHECK(contains(refuse(Errc::unsupported, legacy_head() + pickle(global("os", "system") + ")R")), "os.system"));
}

TEST_CASE("lists of storages and sizes that lie") {
  auto const head = legacy_head() + pickle(dict({{"a", tensor()}}));
  refuse(Errc::format, head + pickle("]"));
  refuse(Errc::format, head + pickle("N") + le(6, 8) + six());
  refuse(Errc::format, head + pickle("](" + text("1") + "e") + le(6, 8) + six());
  refuse(Errc::format, head + pickle("](" + text("0") + text("0") + "e") + le(6, 8) + six() + le(6, 8) + six());
  CHECK(contains(refuse(Errc::format, head + pickle("](" + text("0") + "e") + le(5, 8) + six()), "another size"));
  CHECK(contains(refuse(Errc::format, legacy() + "x"), "after the last"));
  CHECK(contains(refuse(Errc::format, legacy(pickle(dict({{"a", tensor()}})), six().substr(1))), "cut short"));
  refuse(Errc::format, legacy(pickle(dict({{"a", tensor("0", std::int64_t{1} << 58)}}))));
}

TEST_CASE("wrappings of old parameters") {
  auto const old = global("torch.nn.parameter", "Parameter") + tensor() + "\x85R(\x88\x89" + global("collections", "OrderedDict") + ")Rtb";
  CHECK(read(legacy(pickle(dict({{"a", old}})))) == right);
  auto const stateful = global("torch._utils", "_rebuild_parameter_with_state") + "(" + tensor() + "\x88N" + dict({{"x", "N"}}) + "tR";
  CHECK(read(legacy(pickle(dict({{"a", stateful}})))) == right);
  auto const first = global("torch._utils", "_rebuild_tensor") + "(" + storage("0", 6) + integer(0) + tuple({6}) + tuple({1}) + "tR";
  CHECK(read(legacy(pickle(dict({{"a", first}})))) == right);
  auto const subclass = global("torch._tensor", "_rebuild_from_type_v2") + "(" + global("torch._utils", "_rebuild_parameter") + global("somebody", "Special") + tensor() +
                        "\x88N\x87" + "}tR";
  CHECK(read(legacy(pickle(dict({{"a", subclass}})))) == right);
}
