// SPDX-License-Identifier: Apache-2.0
#include "scratch.hpp"
#include "tadp/io/bpe_write.hpp"

#include <doctest/doctest.h>

#include <fstream>

namespace {

using namespace tadp;
using scratch::error_of;
using Merges = std::vector<std::string>;

constexpr char const* version = "#version: 0.2\n";
int const size = 517;  // three merges

void write(std::filesystem::path const& path, std::string_view text) { std::ofstream(path, std::ios::binary) << text; }

std::string merge_text(Merges const& merges) {
  std::string text = version;
  for (auto const& merge : merges) text += merge + "\n";
  return text;
}
Merges const three = {"c a", "ca t</w>", "c \xc4\xa0"};

/// vocab.json of these merges as CLIP numbers them; members can be replaced before it is written.
nlohmann::ordered_json vocab_of(Merges merges) {
  std::vector<detail::BpeLine> lines;
  for (std::string const& merge : merges) lines.push_back({std::string_view(merge).substr(0, merge.find(' ')), std::string_view(merge).substr(merge.find(' ') + 1)});
  nlohmann::ordered_json json;
  for (auto const& [name, id] : detail::names_of(lines, "test")) json[name] = id;
  return json;
}

/// The tokenizer.json that transformers saves of them.
nlohmann::ordered_json saved_tokenizer() {
  std::ifstream in(std::filesystem::path(__FILE__).parent_path() / "tokenizer_fixture.json");
  return nlohmann::ordered_json::parse(in);
}

std::string gzip(std::string_view text) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

/// The error of reading this text as the vocabulary alone.
std::optional<Error> fault(std::string_view text, int tokens = size) {
  scratch::Folder const folder;
  write(folder / "vocabulary", text);
  return error_of([&] { read_bpe_vocabulary(folder / "vocabulary", {}, tokens); });
}
/// The error of reading these two.
std::optional<Error> fault_of(std::string const& vocab, std::string const& merges) {
  scratch::Folder const folder;
  write(folder / "vocab.json", vocab);
  write(folder / "merges.txt", merges);
  return error_of([&] { read_bpe_vocabulary(folder / "vocab.json", folder / "merges.txt", size); });
}
void check(std::optional<Error> const& error, Errc code, std::string_view part) {
  REQUIRE(error);
  CAPTURE(error->what());
  CHECK(error->code() == code);
  CHECK(!error->where().file.empty());
  CHECK(std::string_view(error->what()).find(part) != std::string_view::npos);
}

bool same(BpeVocabulary const& a, BpeVocabulary const& b) {
  auto const token = [](BpeToken const& x, BpeToken const& y) { return x.bytes == y.bytes && x.ends_word == y.ends_word; };
  auto const merge = [](BpeMerge const& x, BpeMerge const& y) { return x.first == y.first && x.second == y.second && x.result == y.result; };
  return a.begin == b.begin && a.end == b.end && a.inner == b.inner && a.last == b.last && std::equal(a.tokens.begin(), a.tokens.end(), b.tokens.begin(), b.tokens.end(), token) &&
         std::equal(a.merges.begin(), a.merges.end(), b.merges.begin(), b.merges.end(), merge);
}

}  // namespace

TEST_CASE("the forms of a vocabulary are told by content and mean the same") {
  scratch::Folder const folder;
  std::string const text = merge_text(three);
  write(folder / "a.gz", text);  // not packed, whatever its name
  write(folder / "a.txt", gzip(text));
  write(folder / "simple", "\"bpe_simple_vocab_16e6.txt" + text + "more m\nlines that CLIP leaves out\n");
  write(folder / "vocab.json", vocab_of(three).dump());
  write(folder / "merges.txt", text);
  write(folder / "v.gz", gzip(vocab_of(three).dump(2)));
  auto const plain = read_bpe_vocabulary(folder / "a.gz", {}, size);
  CHECK(plain.tokens.size() == 517);
  CHECK(plain.begin == 515);
  CHECK(plain.end == 516);
  CHECK(plain.inner['!'] == 0);
  CHECK(plain.last['!'] == 256);
  CHECK(plain.inner[0] == 188);
  CHECK(plain.tokens[512].bytes == "ca");
  CHECK(plain.tokens[513].bytes == "cat");
  CHECK(plain.tokens[513].ends_word);
  CHECK(plain.tokens[514].bytes == "c ");
  CHECK(plain.merges[1].first == 512);
  CHECK(plain.merges[1].second == plain.last['t']);
  CHECK(plain.merges[1].result == 513);
  for (auto const& files : std::vector<std::pair<std::filesystem::path, std::filesystem::path>>{
           {folder / "a.txt", {}}, {folder / "simple", {}}, {folder / "vocab.json", {}}, {folder / "v.gz", folder / "a.txt"}, {folder / "vocab.json", folder / "merges.txt"}, {folder / "", {}}}) {
    CHECK_MESSAGE(same(read_bpe_vocabulary(files.first, files.second, size), plain), files.first.string());
  }
}

TEST_CASE("vocab.json numbers tokens as it likes") {
  scratch::Folder const folder;
  auto json = vocab_of(three);
  std::swap(json["ca"], json["<|endoftext|>"]);
  std::swap(json["a"], json["<|startoftext|>"]);
  write(folder / "vocab.json", json.dump());
  write(folder / "merges.txt", merge_text(three));
  auto const read = read_bpe_vocabulary(folder / "vocab.json", {}, size);
  CHECK(read.end == 512);
  CHECK(read.inner['a'] == 515);
  CHECK(read.merges[0].second == 515);
  CHECK(read.merges[0].result == 516);
}

TEST_CASE("a tokenizer.json of transformers holds both") {
  scratch::Folder const folder;
  write(folder / "list", merge_text(three));
  auto const plain = read_bpe_vocabulary(folder / "list", {}, size);
  auto json = saved_tokenizer();
  write(folder / "tokenizer.json", json.dump(2));
  CHECK(same(read_bpe_vocabulary(folder / "tokenizer.json", {}, size), plain));
  CHECK(same(read_bpe_vocabulary(folder / "", {}, size), plain));
  CHECK(find_bpe_paths(folder / "").vocabulary == folder / "tokenizer.json");
  REQUIRE(json["model"]["merges"][1].is_array());
  json["model"]["merges"] = three;  // as transformers 4 writes them
  write(folder / "older", gzip(json.dump()));
  CHECK(same(read_bpe_vocabulary(folder / "older", {}, size), plain));
  check(error_of([&] { read_bpe_vocabulary(folder / "older", folder / "list", size); }), Errc::argument, "merges itself");
  // The pair comes first where a folder has all of them.
  write(folder / "merges.txt", merge_text(three));
  CHECK(find_bpe_paths(folder / "").merges.empty());
  write(folder / "vocab.json", vocab_of(three).dump());
  CHECK(find_bpe_paths(folder / "").merges == folder / "merges.txt");
}

TEST_CASE("damaged tokenizer.json is refused with the place") {
  auto const with = [](auto const& change) {
    auto json = saved_tokenizer();
    change(json["model"]);
    return fault(json.dump());
  };
  CHECK(!with([](auto&) {}));
  check(with([](auto& m) { m["type"] = "WordPiece"; }), Errc::unsupported, "byte pairs");
  check(with([](auto& m) { m.erase("vocab"); }), Errc::format, "model.vocab");
  check(with([](auto& m) { m.erase("merges"); }), Errc::format, "too short");
  check(with([](auto& m) { m["vocab"] = {1}; }), Errc::format, "not a vocabulary");
  check(with([](auto& m) { m["vocab"]["a"] = "64"; }), Errc::format, "key: a");
  check(with([](auto& m) { m["vocab"]["a"] = {64}; }), Errc::format, "key: a");
  check(with([](auto& m) { m["vocab"].erase("a"); }), Errc::format, "id 64");
  check(with([](auto& m) { m["vocab"]["zz"] = 517; }), Errc::format, "more tokens");
  check(with([](auto& m) { m["merges"] = {{"c a", "x"}}; }), Errc::format, "merge 1");
  check(with([](auto& m) { m["merges"][1] = {"ca"}; }), Errc::format, "merge 2");
  check(with([](auto& m) { m["merges"][1] = {"ca", "t</w>", "x"}; }), Errc::format, "merge 2");
  check(with([](auto& m) { m["merges"][1] = {"ca", ""}; }), Errc::format, "merge 2");
  check(with([](auto& m) { m["merges"][1] = {"ca", 1}; }), Errc::format, "merge 2");
  check(with([](auto& m) { m["merges"][1] = {"ca", {"x"}}; }), Errc::format, "merge 2");
  check(with([](auto& m) { m["merges"][1] = "cat"; }), Errc::format, "merge 2");
  check(with([](auto& m) { m["merges"][1] = nullptr; }), Errc::format, "merge 2");
  check(with([](auto& m) { m["merges"] = {{"a", 1}}; }), Errc::format, "merge 1");
  check(with([](auto& m) { m["merges"] = "c a"; }), Errc::format, "too short");
  check(with([](auto& m) { m["merges"][1] = m["merges"][0]; }), Errc::key, "merge 2");
  check(with([](auto& m) { m["merges"][2] = {"zz", "a"}; }), Errc::key, "merge 3");
  check(with([](auto& m) { m["merges"].push_back({"a", "b"}); }), Errc::limit, "more merges");
  std::string const good = saved_tokenizer().dump();
  CHECK(fault(good.substr(0, good.size() - 1)));
  for (std::size_t cut = 0; cut < good.size(); cut += 97) CHECK(fault(good.substr(0, cut)));
  auto nested = std::string(100'000, '[');
  check(fault("{\"model\":{\"x\":" + nested), Errc::limit, "nests too deep");
  CHECK(fault("{\"x\":" + nested));
}

TEST_CASE("a vocabulary is written as the files of transformers") {
  scratch::Folder const folder;
  write(folder / "list", merge_text(three));
  auto const plain = read_bpe_vocabulary(folder / "list", {}, size);
  write(folder / "vocab.json", vocab_json(plain));
  CHECK(nlohmann::json::parse(vocab_json(plain)) == nlohmann::json(saved_tokenizer()["model"]["vocab"]));
  CHECK(merges_txt(plain) == merge_text(three));
  write(folder / "merges.txt", merges_txt(plain));
  CHECK(same(read_bpe_vocabulary(folder / "", {}, size), plain));
}

TEST_CASE("a folder without a vocabulary is told, with what is looked for") {
  scratch::Folder const folder;
  auto const none = error_of([&] { read_bpe_vocabulary(folder / "", {}, size); });
  check(none, Errc::io, "the folder holds no vocabulary");
  CHECK(none->where().expected == "vocab.json with merges.txt, or tokenizer.json");
  write(folder / "vocab.json", vocab_of(three).dump());
  check(error_of([&] { read_bpe_vocabulary(folder / "", {}, size); }), Errc::argument, "merges.txt, named or beside it");
}

TEST_CASE("damaged lists of merges are refused with the line") {
  auto const lines = [](Merges const& merges) { return fault(merge_text(merges)); };
  check(fault(""), Errc::format, "empty");
  check(fault("c a\nca t</w>\na b\n"), Errc::format, "version");
  check(fault("\xef\xbb\xbf" + merge_text(three)), Errc::format, "byte order mark");
  check(fault(version), Errc::format, "found: 0");
  check(fault("#version: 0.2"), Errc::format, "found: 0");
  check(lines({"c a", "ca t</w>"}), Errc::format, "too short");
  check(lines({"c a", "cat", "a b"}), Errc::format, "line 3");
  check(lines({"c a", "a b c", "a b"}), Errc::format, "line 3");
  check(lines({"c a", "", "a b"}), Errc::format, "line 3");
  check(lines({"c a", "a  b", "a b"}), Errc::format, "line 3");
  check(lines({"c a", " a", "a b"}), Errc::format, "line 3");
  check(lines({"c a", "a ", "a b"}), Errc::format, "line 3");
  check(lines({"c\ta", "a b", "b c"}), Errc::format, "line 2");
  check(lines({"c a", "a\rb c", "b c"}), Errc::format, "line 3");
  check(fault("#version: 0.2\r\nc a\r\na b\r\nb c\r\n"), Errc::format, "Windows");
  check(lines({"c a", "a b", "c a"}), Errc::key, "line 4");
  check(lines({"ab c", "a bc", "b c"}), Errc::key, "same token");
  check(lines({"a b", "bb c", "b c"}), Errc::key, "bb");
  check(lines({"a b", "a</w> c", "b c"}), Errc::format, "where a word ends");
  check(lines({"< /", "w >", "a</w> b"}), Errc::format, "line 4");
  check(lines({"a b", "\xff x", "b c"}), Errc::format, "bytes");
  check(lines({"a b", "\xe2\x82\xac x", "b c"}), Errc::format, "bytes");
  check(lines({"a b", "b c", "<|endoftext| >"}), Errc::key, "same token");
}

TEST_CASE("damaged vocab.json is refused with the token") {
  auto const with = [](auto const& change) {
    auto json = vocab_of(three);
    change(json);
    return fault_of(json.dump(), merge_text(three));
  };
  check(with([](auto& j) { j.erase("<|endoftext|>"); }), Errc::format, "516");
  check(with([](auto& j) { j.erase("<|endoftext|>"), j["zz"] = 516; }), Errc::key, "<|endoftext|>");
  check(with([](auto& j) { j.erase("<|startoftext|>"), j["zz"] = 515; }), Errc::key, "<|startoftext|>");
  check(with([](auto& j) { j.erase("a"), j["zz"] = 64; }), Errc::key, "key: a");
  check(with([](auto& j) { j.erase("a</w>"), j["zz"] = 320; }), Errc::key, "key: a</w>");
  check(with([](auto& j) { j.erase("cat</w>"), j["zz"] = 513; }), Errc::key, "line 3");  // the result of a merge
  check(with([](auto& j) { j["a"] = 517; }), Errc::format, "key: a");
  check(with([](auto& j) { j["a"] = -1; }), Errc::format, "-1");
  check(with([](auto& j) { j["a"] = 1; }), Errc::key, "same id");
  check(with([](auto& j) { j["a"] = "64"; }), Errc::format, "\"64\"");
  check(with([](auto& j) { j["a"] = 64.0; }), Errc::format, "64.0");
  check(with([](auto& j) { j["a"] = nullptr; }), Errc::format, "null");
  check(with([](auto& j) { j["a"] = {64}; }), Errc::format, "array");
  check(with([](auto& j) { j["a"] = nlohmann::ordered_json::object(); }), Errc::format, "object");
  check(with([](auto& j) { j["zz"] = 517; }), Errc::format, "more tokens");
  check(with([](auto& j) { j.erase("cat</w>"), j["\xe2\x82\xac"] = 513; }), Errc::format, "bytes");
  check(with([](auto& j) { j.erase("cat</w>"), j[""] = 513; }), Errc::format, "bytes");
  std::string const good = vocab_of(three).dump(), merges = merge_text(three);
  CHECK(!fault_of(good, merges));
  check(fault_of(good.substr(0, good.size() - 1), merges), Errc::format, "damaged");
  check(fault_of(good + "x", merges), Errc::format, "damaged");
  check(fault_of(std::string("{\"a\": 64, \"a\": 65}"), merges), Errc::key, "twice");
  check(fault_of("{\"\xff\": 1}", merges), Errc::format, "damaged");
  check(fault_of("{\"\\ud800\": 1}", merges), Errc::format, "damaged");
  check(fault_of(std::string("{\"a\": 1\0}", 9), merges), Errc::format, "zero byte");
  check(fault_of("{}", merges), Errc::format, "517");
  check(fault_of(good, merges + "a b\n"), Errc::limit, "more merges");
  check(fault_of(good, merge_text({"c a", "ca t</w>"})), Errc::format, "too short");
  check(fault_of(good, merge_text({"c a", "ca t</w>", "c a"})), Errc::key, "a pair twice");
  check(fault_of(good, good), Errc::format, "no vocabulary");
  check(fault_of(good, ""), Errc::format, "empty");
}

TEST_CASE("what is no vocabulary is named") {
  check(fault("<!DOCTYPE html><html>"), Errc::format, "web page");
  check(fault("version https://git-lfs.github.com/spec/v1\noid"), Errc::format, "git lfs pull");
  check(fault(std::string("\0\0\0\0", 4)), Errc::format, "vocab.json");
  check(fault("[1]"), Errc::format, "vocab.json");
  check(fault("{\"a\": 1}"), Errc::argument, "merges.txt");
  CHECK(error_of([] { read_bpe_vocabulary("/nowhere/vocab.json"); })->code() == Errc::io);
  CHECK(error_of([] { read_bpe_vocabulary("/dev/null"); })->code() == Errc::io);
  CHECK(error_of([] { read_bpe_vocabulary("x", {}, 513); })->code() == Errc::argument);
  CHECK(error_of([] { read_bpe_vocabulary("x", {}, 1 << 24); })->code() == Errc::argument);
  scratch::Folder const folder;
  write(folder / "merges.txt", merge_text(three));
  CHECK(error_of([&] { read_bpe_vocabulary(folder / "", {}, size); })->code() == Errc::io);
  CHECK(error_of([&] { read_bpe_vocabulary(folder / "merges.txt", folder / "merges.txt", size); })->code() == Errc::argument);
}

TEST_CASE("damaged gzip files are refused") {
  std::string const packed = gzip(merge_text(three));
  CHECK(!fault(packed));
  for (std::size_t cut = 2; cut < packed.size(); ++cut) check(fault(packed.substr(0, cut)), Errc::format, "gzip");
  std::string wrong = packed;
  wrong[packed.size() - 6] ^= 1;
  check(fault(wrong), Errc::format, "damaged");
  wrong = packed;
  wrong[12] ^= 0x55;
  CHECK(fault(wrong));
  check(fault(packed + "tail"), Errc::format, "followed by");
  std::string const text = merge_text(three);
  CHECK(!fault(gzip(text.substr(0, 20)) + gzip(text.substr(20))));  // two members, as `cat` makes them
  std::string const bomb = gzip(std::string(std::size_t{64} << 20, 'a'));
  CHECK(bomb.size() < 100'000);
  check(fault(bomb), Errc::limit, "unpacks to more");
}

TEST_CASE("the real vocabulary, in each of its forms") {
  auto const shared = scratch::shared_folder();
  if (!shared) {
    MESSAGE("skipped: no shared data (set TADP_SHARED)");
    return;
  }
  auto const folder = *shared / "data" / "tokenizer";
  auto const packed = read_bpe_vocabulary(folder / "bpe_simple_vocab_16e6.txt.gz");
  CHECK(packed.tokens.size() == 49408);
  CHECK(packed.merges.size() == 48894);
  CHECK(packed.begin == 49406);
  CHECK(packed.end == 49407);
  CHECK(packed.tokens[2368].bytes == "cat");
  CHECK(same(packed, read_bpe_vocabulary(folder / "vocab.json", folder / "merges.txt")));
  CHECK(same(packed, read_bpe_vocabulary(folder)));
  CHECK(same(packed, read_bpe_vocabulary(folder / "merges.txt")));
  auto const text = [](std::filesystem::path const& path) {
    auto const bytes = read_file(path, std::size_t{1} << 24);
    return std::string(reinterpret_cast<char const*>(bytes.data()), bytes.size());
  };
  CHECK(nlohmann::json::parse(vocab_json(packed)) == nlohmann::json::parse(text(folder / "vocab.json")));
  CHECK(merges_txt(packed) == text(folder / "merges.txt"));
  CHECK(error_of([&] { read_bpe_vocabulary(folder, {}, 49407); })->code() == Errc::format);
  CHECK(error_of([&] { read_bpe_vocabulary(folder / "merges.txt", {}, 49409); })->code() == Errc::format);
}
