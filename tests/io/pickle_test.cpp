// SPDX-License-Identifier: Apache-2.0
#include "tadp/io/pickle.hpp"

#include "tadp/io/torch_contents.hpp"
#include "torch_bytes.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

using namespace tadp;
using namespace torch_bytes;
using namespace std::string_literals;

namespace {

/// The contents of a pickle that lies in a piece of memory of exactly its length.
TorchContents contents(std::string const& bytes, TorchLimits const& limits = {}) {
  auto const copy = std::make_unique<std::byte[]>(bytes.size());
  if (!bytes.empty()) std::memcpy(copy.get(), bytes.data(), bytes.size());
  auto const read = read_pickle({copy.get(), bytes.size()}, "test", 0, limits);
  return list_contents(read.graph, "test", limits);
}

std::string refuse(Errc code, std::string const& bytes, TorchLimits const& limits = {}) {
  return failure(code, [&] { contents(bytes, limits); });
}

/// A good tensor "a", and this value beside it.
std::string beside(std::string const& value) { return pickle(dict({{"a", tensor()}, {"x", value}})); }

std::string text_of(std::string const& value) { return contents(beside(value)).metadata.at("x"); }

std::string repeat(std::size_t count, std::string const& part) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += part;
  return all;
}

/// A pickle with a tensor of these parts in a storage of 24 elements.
std::string of_tensor(std::int64_t offset, std::vector<std::int64_t> const& shape, std::vector<std::int64_t> const& strides) {
  return pickle(dict({{"a", tensor_of(storage("0", 24), offset, shape, strides)}}));
}

}  // namespace

TEST_CASE("values of every protocol") {
  CHECK(text_of("N") == "None");
  CHECK(text_of("\x88") == "True");
  CHECK(text_of("I00\n") == "False");
  CHECK(text_of("I-42\n") == "-42");
  CHECK(text_of("L123L\n") == "123");
  CHECK(text_of("L123456789012345678901234567890L\n") == "an integer of 30 bytes");
  CHECK(text_of("F2.5\n") == "2.5");
  CHECK(text_of("G\x3f\xe0\0\0\0\0\0\0"s) == "0.5");
  CHECK(text_of("J\xff\xff\xff\xff") == "-1");
  CHECK(text_of("K\xff") == "255");
  CHECK(text_of("M\x01\x02") == "513");
  CHECK(text_of("\x8a\0"s) == "0");
  CHECK(text_of("\x8a\x01\x80") == "-128");
  CHECK(text_of("\x8b\x02\0\0\0\0\x01"s) == "256");
  CHECK(text_of("S'it\\'s\\x41\\n'\n") == "it'sA\\x0a");
  CHECK(text_of("Va\\u00e9\\U0001f600\xe9\n") == "a\xc3\xa9\xf0\x9f\x98\x80\xc3\xa9");
  CHECK(text_of("U\x02hi") == "hi");
  CHECK(text_of("T\x02\0\0\0hi"s) == "hi");
  CHECK(text_of("\x8c\x02hi") == "hi");
  CHECK(text_of("\x8d\x02\0\0\0\0\0\0\0hi"s) == "hi");
  CHECK(text_of("C\x02hi") == "2 bytes");
  CHECK(text_of("\x96\x03\0\0\0\0\0\0\0abc"s) == "3 bytes");
  CHECK(text_of("](K\x01K\x02"s + "e") == "[1, 2]");
  CHECK(text_of("(K\x01K\x02l") == "[1, 2]");
  CHECK(text_of("K\x01K\x02K\x03\x87") == "[1, 2, 3]");
  CHECK(text_of("]K\x05"s + "a") == "[5]");
  CHECK(text_of(")") == "()");
  CHECK(text_of("\x8f(K\x01\x90") == "a set");
  CHECK(text_of("(K\x01\x91") == "a set");
  CHECK(text_of("K\x01K\x02" "0") == "1");
  CHECK(text_of("K\x01(K\x02K\x03" "1") == "1");
  CHECK(text_of("K\x07p1\n0g1\n") == "7");
  CHECK(text_of("K\x07\x94" "0h\0"s) == "7");
  CHECK(text_of(global("torch", "float16")) == "torch.float16");
  CHECK(text_of(global("torch", "device") + text("cuda") + "K\x01\x86R") == "cuda:1");
  CHECK(text_of(global("torch", "Size") + "(K\x02K\x03t\x85R") == "[2, 3]");
  CHECK(text_of(global("_codecs", "encode") + text("\xc3\xbf") + text("latin1") + "\x86R") == "1 bytes");
  CHECK(contents(beside(dict({{"deep", "K\x09"}}))).metadata.at("x.deep") == "9");
  CHECK(contents(beside("(" + text("k") + "K\x01" + "d")).metadata.at("x.k") == "1");
  CHECK(contents(beside("}K\x03K\x04s")).metadata.at("x.3") == "4");
  CHECK(text_of("X\x02\0\0\0\xff\xfe"s) == "text that is not UTF-8");
}

TEST_CASE("texts without an end, or wrong") {
  for (auto const* bad : {"S'a\n", "Sa\n", "S'\\x4'\n", "V\\u12\n", "V\\U00110000\n", "Ix\n", "I\n", "Fx\n", "I1"})
    refuse(Errc::format, beside(bad));
}

TEST_CASE("every cut of a pickle is refused") {
  auto const whole = beside(dict({{"n", "K\x01"}, {"t", "(K\x01N\x88t"}}));
  CHECK(contents(whole).entries.size() == 1);
  for (std::size_t length = 0; length < whole.size(); ++length) refuse(Errc::format, whole.substr(0, length));
}

TEST_CASE("P1 a call of os.system") {
  auto const call = global("os", "system") + text("touch /tmp/owned") + "\x85R";
  CHECK(contains(refuse(Errc::unsupported, pickle(call)), "os.system"));
  CHECK(contains(refuse(Errc::unsupported, beside(call)), "nothing was run"));
  for (auto const* module : {"posix", "nt", "subprocess", "os.path", "sys", "socket", "importlib", "runpy", "torch.hub"})
    refuse(Errc::unsupported, beside(global(module, "x")));
  for (auto const& [module, name] : {std::pair{"code", "interact"}, {"profile", "run"}, {"commands", "getoutput"}, {"http.client", "HTTPConnection"}, {"platform", "popen"}, {"os", "stat"}, {"posix", "system"}})
    refuse(Errc::unsupported, beside(global(module, name)));
  for (auto const* name : {"eval", "exec", "__import__", "open", "compile"}) {
    refuse(Errc::unsupported, beside(global("builtins", name)));
    refuse(Errc::unsupported, beside(global("__builtin__", name)));
  }
}

TEST_CASE("P2 the same by STACK_GLOBAL") {
  CHECK(contains(refuse(Errc::unsupported, beside(text("os") + text("system") + "\x93" + text("true") + "\x85R")), "os.system"));
  CHECK(text_of(text("torch") + text("float32") + "\x93") == "torch.float32");
  refuse(Errc::format, beside("K\x01" + text("x") + "\x93"));
  // What modules have imported themselves.
  for (auto const& [module, name] : {std::pair{"torch.serialization", "os.system"}, {"torch", "hub.load"}, {"torch", "serialization.load"}, {"somebody", "x.builtins.eval"}}) {
    refuse(Errc::unsupported, beside(text(module) + text(name) + "\x93"));
    auto const dot = std::string_view(name).rfind('.');
    for (auto const* builtins : {"builtins", "__builtin__"})
      refuse(Errc::unsupported, beside(global(builtins, "getattr") + global(module, std::string(name).substr(0, dot)) + text(std::string(name).substr(dot + 1)) + "\x86R"));
  }
  refuse(Errc::unsupported, beside(global("builtins", "getattr") + global("trace", "Trace") + ")R" + text("run") + "\x86R"));
}

TEST_CASE("P3 INST, OBJ and EXT") {
  for (auto const& code : {"(ios\nsystem\n"s, "(" + global("os2", "x") + "o", "\x82\x01"s, "\x83\x01\0"s, "\x84\x01\0\0\0"s, "P0\n"s, "\x97"s, "\x98"s, "\xff"s})
    CHECK(contains(refuse(Errc::format, beside(code)), "instruction"));
}

TEST_CASE("P4 another function of an allowed module") {
  CHECK(contains(refuse(Errc::unsupported, beside(global("torch.hub", "load") + text("x") + "\x85R")), "torch.hub.load"));
  CHECK(contains(refuse(Errc::unsupported, beside(global("torch._utils", "x") + ")R")), "torch._utils.x"));
  refuse(Errc::unsupported, beside(global("torch", "load") + ")R"));
  refuse(Errc::unsupported, beside(global("torch", "anything") + ")R"));
}

TEST_CASE("P5 a payload first, garbage after") {
  CHECK(contains(refuse(Errc::unsupported, "\x80\x02" + global("os", "system") + text("true") + "\x85R\xff\xff\xff"), "os.system"));
}

TEST_CASE("P6 BUILD on a dict or a name") {
  refuse(Errc::format, beside("}}b"));
  refuse(Errc::format, beside(global("somebody", "thing") + "}b"));
  refuse(Errc::format, beside("]}b"));
  refuse(Errc::format, beside("K\x01}b"));
  CHECK(text_of(global("collections", "OrderedDict") + ")R" + dict({{"_metadata", "N"}}) + "b") == "{}");
}

TEST_CASE("P7 a value that was not remembered") {
  for (auto const& get : {"h\x09"s, "j\xff\xff\xff\xff"s, "g5\n"s, "gx\n"s, "g-1\n"s}) refuse(Errc::format, beside(get));
  refuse(Errc::format, beside("Nq\x05" "h\x04"));
}

TEST_CASE("P8 a memo of 4 G values") {
  CHECK(contains(refuse(Errc::limit, beside("Nr\xff\xff\xff\xff")), "4294967295"));
  refuse(Errc::limit, beside("Np99999999999\n"));
  refuse(Errc::format, beside("Np99999999999999999999999\n"));
}

TEST_CASE("P9 instructions on an empty stack") {
  for (auto const& code : {"R"s, "s"s, "a"s, "\x85"s, "\x86"s, "\x87"s, "b"s, "0"s, "2"s, "Q"s, "\x81"s, "\x92"s, "\x93"s, "q\x01"s, "\x94"s, "."s,
                           "N\x86"s, "NR"s, "Ns"s, "(\x85"s, "N(s"s, "N(R"s, "(u"s, "(e"s, "(\x90"s})
    refuse(Errc::format, "\x80\x02" + code + ".");
}

TEST_CASE("P10 a group that has no beginning") {
  for (auto const& code : {"t"s, "l"s, "d"s, "u"s, "e"s, "1"s, "\x90"s, "\x91"s}) refuse(Errc::format, "\x80\x02N" + code + ".");
  refuse(Errc::format, pickle("(NNNd"));
  refuse(Errc::format, pickle("}(NNNu"));
  refuse(Errc::format, pickle("(N"));
  refuse(Errc::format, pickle("NN"));
}

TEST_CASE("P11 lengths beyond the file") {
  for (auto const* code : {"X", "T", "B"}) refuse(Errc::format, beside(code + "\xff\xff\xff\xff"s));
  for (auto const* code : {"\x8d", "\x8e", "\x96"})
    for (std::uint64_t i = 0; i < 12; ++i) refuse(Errc::format, beside(code + le(~i, 8)));
  refuse(Errc::format, beside("\x95" + le(~std::uint64_t{0}, 8)));
  refuse(Errc::format, beside("\x8b\xff\xff\xff\xff"));
  refuse(Errc::format, beside("\x8b\xff\xff\xff\x7f"));
}

TEST_CASE("P12 no STOP") { CHECK(contains(refuse(Errc::format, "\x80\x02" + dict({{"a", tensor()}})), "cut short")); }

TEST_CASE("P13 protocols that do not exist, or a second one") {
  CHECK(contains(refuse(Errc::unsupported, "\x80\x09N."), "protocol"));
  CHECK(contains(refuse(Errc::format, beside("\x80\x02N")), "second time"));
  CHECK(contents("\x80\x05" + dict({{"a", tensor()}}) + ".").entries.size() == 1);
  CHECK(contents(dict({{"a", tensor()}}) + ".").entries.size() == 1);  // protocols 0 and 1 do not say
}

TEST_CASE("P14 an integer of 255 bytes") {
  CHECK(text_of("\x8a\xff" + std::string(255, '\x7f')) == "an integer of 255 bytes");
  refuse(Errc::format, pickle(dict({{"a", tensor_of("(" + text("storage") + global("torch", "FloatStorage") + text("0") + text("cpu") + "\x8a\xff" + std::string(255, '\x7f') + "tQ", 0, {1}, {1})}})));
}

TEST_CASE("P15 lists nested a million deep") {
  constexpr std::size_t deep = 1'000'000;
  CHECK(contains(refuse(Errc::limit, pickle(repeat(deep, "]") + repeat(deep - 1, "a"))), "deep"));
  refuse(Errc::limit, beside(repeat(deep, "]") + repeat(deep - 1, "a")));
  refuse(Errc::limit, beside(repeat(1'100, "]") + repeat(1'099, "a")));
  CHECK(contents(beside(repeat(900, "]") + repeat(899, "a"))).entries.size() == 1);
  refuse(Errc::limit, pickle(repeat(3'000'000, "]")));  // more values than memory is given
  refuse(Errc::limit, pickle(repeat(30'000'000, "(") + "t"));
}

TEST_CASE("P16 a list that contains itself") {
  auto const list = "]q\x01h\x01" "a";
  refuse(Errc::key, pickle(list));
  auto const read = contents(beside(list));
  REQUIRE(read.skipped.size() == 1);
  CHECK(read.skipped[0] == "a value that contains itself");
  CHECK(contents(beside("}q\x01" + text("me") + "h\x01s")).entries.size() == 1);
}

TEST_CASE("P17 forty doublings") {
  auto const start = std::chrono::steady_clock::now();
  refuse(Errc::limit, beside("]" + repeat(40, "2\x86")));
  refuse(Errc::limit, beside(tensor() + repeat(40, "2\x86")));
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
}

TEST_CASE("P18 values put into what is no container") {
  refuse(Errc::format, pickle(tensor() + text("k") + "Ns"));
  refuse(Errc::format, pickle(tensor() + "(" + text("k") + "Nu"));
  refuse(Errc::format, pickle(")Na"));
  refuse(Errc::format, pickle(")(Ne"));
  refuse(Errc::format, pickle("}Na"));
  refuse(Errc::format, pickle("]NNs"));
  refuse(Errc::format, pickle("](N\x90"));
  refuse(Errc::format, pickle("NNa"));
}

TEST_CASE("P19 offsets that are negative or huge") {
  CHECK(contents(of_tensor(23, {1}, {1})).entries[0].begin == 92);
  for (std::int64_t const offset : {std::int64_t{-1}, std::int64_t{24}, std::int64_t{25}, std::int64_t{1} << 62, std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min()})
    refuse(Errc::format, of_tensor(offset, {1}, {1}));
}

TEST_CASE("P20 strides") {
  CHECK(contents(of_tensor(0, {4, 6}, {6, 1})).entries[0].strides.empty());
  CHECK(contents(of_tensor(0, {1, 24}, {999, 1})).entries[0].strides.empty());  // of an axis of 1 it means nothing
  CHECK(contents(of_tensor(0, {6, 4}, {1, 6})).entries[0].strides == std::vector<std::uint64_t>{1, 6});
  CHECK(contents(of_tensor(0, {5, 3}, {0, 1})).entries[0].size_bytes() == 60);
  CHECK(contents(of_tensor(24, {0, 5}, {7, 1})).entries[0].size_bytes() == 0);
  refuse(Errc::format, of_tensor(0, {2}, {-1}));
  refuse(Errc::format, of_tensor(0, {-2}, {1}));
  refuse(Errc::format, of_tensor(0, {6, 4}, {6, 1}));
  refuse(Errc::format, of_tensor(0, {2, 2}, {std::numeric_limits<std::int64_t>::max(), 1}));
  CHECK(contains(refuse(Errc::key, of_tensor(0, {1'000'000'000'000}, {0})), "repeats its numbers too often"));
  auto const repeated = contents(beside(tensor_of(storage("0", 6), 0, {1'000'000'000'000}, {0})));
  CHECK(repeated.entries.size() == 1);
  CHECK(repeated.skipped == std::vector<std::string>{"a tensor that repeats its numbers too often, to 1000000000000"});
  refuse(Errc::shape, of_tensor(0, {2, 2}, {1}));
  refuse(Errc::limit, pickle(dict({{"a", tensor_of(storage("0", 24), 0, std::vector<std::int64_t>(17, 1), std::vector<std::int64_t>(17, 1))}})));
}

TEST_CASE("P21 sizes that overflow") {
  auto const big = std::int64_t{1} << 62;
  refuse(Errc::shape, of_tensor(0, {big, 4}, {0, 0}));
  refuse(Errc::shape, of_tensor(0, {big}, {0}));
  refuse(Errc::shape, of_tensor(0, {big, 8, 0}, {0, 0, 0}));
  refuse(Errc::shape, pickle(dict({{"a", tensor_of(storage("0", big), 0, {1}, {1})}})));
  refuse(Errc::format, pickle(dict({{"a", tensor_of(storage("0", -1), 0, {1}, {1})}})));
}

TEST_CASE("P22 storage classes") {
  auto const twice = [](std::string const& second) { return pickle(dict({{"a", tensor()}, {"b", tensor_of(second, 0, {1}, {1})}})); };
  CHECK(contents(twice(storage("0", 6))).storages.size() == 1);
  CHECK(contains(refuse(Errc::format, twice(storage("0", 6, "LongStorage"))), "twice"));
  refuse(Errc::format, twice(storage("0", 7)));
  refuse(Errc::unsupported, twice(storage("1", 6, "SurpriseStorage")));
  refuse(Errc::format, pickle(dict({{"a", tensor_of("N", 0, {1}, {1})}})));
  for (auto const& id : {"NQ"s, ")Q"s, "(" + text("storage") + "tQ", "(" + text("storage") + "NNNNtQ", "(" + text("other") + "NtQ", "K\x01Q"s})
    CHECK_THROWS_AS(contents(beside(id)), Error);
}

TEST_CASE("P23 objects of other programs are skipped and listed") {
  auto const object = global("somebody.callbacks", "Saver") + ")\x81" + dict({{"path", text("/x")}, {"weights", tensor("1", 2)}}) + "b";
  auto const read = contents(pickle(dict({{"state_dict", dict({{"a", tensor()}})}, {"callbacks", object}, {"again", object}, {"epoch", "K\x04"}})));
  REQUIRE(read.entries.size() == 1);
  CHECK(read.entries[0].name == "a");
  CHECK(read.wrapper == "state_dict");
  CHECK(read.metadata.at("epoch") == "4");
  CHECK(read.skipped == std::vector<std::string>{"somebody.callbacks.Saver, 2 times"});
  // A class within a class, as protocols below 4 name it; what other calls of getattr give is not known.
  auto const within = [](std::string const& outer, std::string const& inner) { return global("__builtin__", "getattr") + outer + text(inner) + "\x86R"; };
  auto const nested = [&](std::string const& type) { return contents(beside(type + ")\x81" + dict({{"x", "K\x01"}}) + "b")).skipped; };
  CHECK(nested(within(global("somebody", "Outer"), "Inner")) == std::vector<std::string>{"somebody.Outer.Inner"});
  CHECK(nested(within(within(global("somebody", "Outer"), "Middle"), "Last")) == std::vector<std::string>{"somebody.Outer.Middle.Last"});
  CHECK(nested(within(global("somebody", "Outer") + ")R", "method")) == std::vector<std::string>{"__builtin__.getattr"});
  CHECK(nested(within("K\x01", "real")) == std::vector<std::string>{"__builtin__.getattr"});
  CHECK(text_of(within(global("somebody", "Outer"), "Inner")) == "somebody.Outer.Inner");
  refuse(Errc::format, beside(global("builtins", "getattr") + ")R"));
  // A class with its source text, of very old files.
  auto const module = [](std::string const& type) { return "(" + text("module") + type + text("net.py") + text("class Net: ...") + "tQ"; };
  CHECK(nested(module(global("net", "Net"))) == std::vector<std::string>{"net.Net"});
  CHECK(nested(module(module(global("net", "Net")))) == std::vector<std::string>{"net.Net"});
  for (auto const& type : {"]"s, "}"s, ")"s, "N"s, "K\x01"s, text("net"), tensor(), storage("0", 6)}) {
    refuse(Errc::format, beside(module(type)));
    refuse(Errc::format, beside(type + ")\x81"));
    refuse(Errc::format, beside(type + ")}\x92"));
    refuse(Errc::format, beside(type + ")R"));
  }
  // A dict of another class is a dict all the same.
  auto const config = global("somebody", "Config") + ")R(" + text("a") + tensor() + text("n") + "K\x01u";
  auto const inside = contents(pickle(dict({{"model", config}})));
  CHECK(inside.entries[0].name == "a");
  CHECK(inside.metadata.at("model.n") == "1");
}

TEST_CASE("tensors beside the dict of the weights") {
  auto const read = contents(pickle(dict({{"state_dict", dict({{"a", tensor()}, {"scale", tensor()}, {"net", dict({{"b", tensor()}})}})}, {"best", tensor()}, {"scale", tensor()}})));
  std::vector<std::string> names;
  for (auto const& entry : read.entries) names.push_back(entry.name);
  CHECK(read.wrapper == "state_dict");
  CHECK(names == std::vector<std::string>{"a", "state_dict.scale", "net.b", "best", "scale"});
}

TEST_CASE("tensors of a dtype that is not known, or of another device") {
  auto const parts = storage("0", 6) + "K\0"s + tuple({6}) + tuple({1}) + "\x89" + global("collections", "OrderedDict") + ")R";
  auto const typed = [&](std::string const& type) { return global("torch._utils", "_rebuild_tensor_v3") + "(" + parts + type + "tR"; };
  CHECK(contents(beside(typed(global("torch", "float5")))).skipped == std::vector<std::string>{"torch.float5"});
  refuse(Errc::format, beside(typed(global("somebody", "float5"))));
  refuse(Errc::format, beside(typed("N")));
  auto const device = global("torch._utils", "_rebuild_device_tensor_from_cpu_tensor") + "(" + tensor() + text("f") + text("xla:0") + "\x88tR";
  CHECK(contents(beside(device)).entries.size() == 2);
}

TEST_CASE("tensors that wait to be negated or conjugated") {
  auto const with = [](std::string const& metadata) {
    return beside(global("torch._utils", "_rebuild_tensor_v2") + "(" + storage("0", 6) + "K\0"s + tuple({6}) + tuple({1}) + "\x89" + global("collections", "OrderedDict") + ")R" + metadata + "tR");
  };
  for (auto const* key : {"neg", "conj"}) {
    CHECK(contains(refuse(Errc::unsupported, with(dict({{key, "\x88"}}))), "resolve_neg"));
    CHECK(contents(with(dict({{key, "\x89"}}))).entries.size() == 2);
  }
  for (auto const& metadata : {"N"s, "}"s, dict({{"other", "\x88"}}), "}K\x01\x88s"s}) CHECK(contents(with(metadata)).entries.size() == 2);
  auto const typed = global("torch._utils", "_rebuild_tensor_v3") + "(" + storage("0", 12, "HalfStorage") + "K\0"s + tuple({12}) + tuple({1}) + "\x89" + global("collections", "OrderedDict") + ")R" + global("torch", "uint16") + dict({{"neg", "\x88"}}) + "tR";
  refuse(Errc::unsupported, pickle(dict({{"a", typed}})));
}

TEST_CASE("P24 prefixes and averaged twins are names like others") {
  auto const read = contents(pickle(dict({{"model", dict({{"module.a", tensor()}, {"model_ema.a", tensor()}})}, {"optimizer", dict({{"state", dict({{"m", tensor()}})}})}})));
  REQUIRE(read.entries.size() == 3);
  CHECK(read.entries[0].name == "module.a");
  CHECK(read.entries[1].name == "model_ema.a");
  CHECK(read.entries[2].name == "optimizer.state.m");
  CHECK(contents(pickle(dict({{"state_dict", dict({{"model", dict({{"a", tensor()}})}})}}))).wrapper == "state_dict.model");
}

TEST_CASE("P25 no tensors at all") {
  CHECK(contains(refuse(Errc::key, pickle(dict({{"epoch", "K\x01"}}))), "no tensors"));
  refuse(Errc::key, pickle("N"));
  CHECK(contains(refuse(Errc::key, pickle(global("main", "Net") + ")R")), "main.Net"));
}

TEST_CASE("P26 one name twice") {
  CHECK(contains(refuse(Errc::key, pickle(dict({{"a", tensor()}, {"a", tensor()}}))), "same name"));
  refuse(Errc::key, pickle(dict({{"a.b", tensor()}, {"a", dict({{"b", tensor()}})}})));
}

TEST_CASE("names that cannot name a tensor") {
  refuse(Errc::format, pickle(dict({{"", tensor()}})));
  refuse(Errc::format, pickle(dict({{"a\x1b[2J", tensor()}})));
  refuse(Errc::format, pickle(dict({{"\xff", tensor()}})));
  refuse(Errc::limit, pickle(dict({{std::string(5000, 'a'), tensor()}})));
  CHECK(contents(pickle("}(N" + tensor() + text("a") + tensor() + "u")).skipped[0] == "a value under a key that is no text");
}

TEST_CASE("limits") {
  TorchLimits limits;
  limits.max_tensors = 1;
  refuse(Errc::limit, pickle(dict({{"a", tensor()}, {"b", tensor()}})), limits);
  limits = {};
  limits.max_names = 3;
  refuse(Errc::limit, pickle(dict({{"aa", tensor()}, {"bb", tensor()}})), limits);
  limits = {};
  limits.max_metadata = 1;
  CHECK(contents(pickle(dict({{"a", tensor()}, {"b", "N"}, {"c", "N"}})), limits).metadata.size() == 1);
  limits = {};
  limits.max_memory = 100;
  refuse(Errc::limit, pickle(dict({{"a", tensor()}})), limits);
}
