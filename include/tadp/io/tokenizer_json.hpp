// SPDX-License-Identifier: Apache-2.0
// tokenizer.json, in which newer programs keep a vocabulary of byte pairs: its tokens and its merges, streamed from among
// much that is not needed here.
#pragma once

#include "tadp/io/bpe_files.hpp"

#include <deque>
#include <utility>

namespace tadp {

namespace detail {

/// The tokens and merges of a tokenizer.json. The lines are parts of the texts.
struct TokenizerJson {
  BpeNames names{};
  std::vector<BpeLine> lines{};
  std::deque<std::string> texts{};
};

/// Stops at the object `model`, which no vocab.json has: there it would be a token, and its id a number.
class ModelSax final : public JsonSax {
 public:
  explicit ModelSax(std::string const& file) : JsonSax(file, 0) {}

  bool start_object(std::size_t) override {
    found = depth_ == 1 && key_ == "model";
    ++depth_;
    return !found;
  }
  bool start_array(std::size_t) override { return ++depth_ > 0; }
  bool end_object() override { return depth_-- > 0; }
  bool end_array() override { return depth_-- > 0; }
  bool key(string_t& name) override {
    key_ = name;
    return true;
  }
  bool parse_error(std::size_t, std::string const&, nlohmann::json::exception const&) override { return false; }

  bool found = false;

 private:
  bool scalar(std::string) override { return true; }

  std::size_t depth_ = 0;
};

/// Whether JSON text is a tokenizer.json; damaged text that does not come as far as its model is not.
inline bool is_tokenizer_json(std::string_view text) {
  std::string const unnamed;
  ModelSax sax(unnamed);
  nlohmann::json::sax_parse(text.data(), text.data() + text.size(), &sax);
  return sax.found;
}

/// Reads model.vocab and model.merges, and passes over the rest.
class TokenizerSax final : public JsonSax {
 public:
  TokenizerSax(std::size_t size, std::size_t most_merges, std::string const& file, TokenizerJson& out) : JsonSax(file, 0), vocabulary_(size, file, out.names), most_merges_(most_merges), out_(out) {}

  bool start_object(std::size_t count) override {
    if (in_model("vocab")) return vocabulary_.start_object(count);  // which refuses it
    enter();
    if (in_merges()) return scalar("an object");
    return !in_model("vocab") || vocabulary_.start_object(count);
  }
  bool start_array(std::size_t count) override {
    if (in_model("vocab")) return vocabulary_.start_array(count);
    if (in_model("merges", 1)) return scalar("an array");
    pair_.clear();
    return enter();
  }
  bool end_object() override {
    if (in_model("vocab")) vocabulary_.end_object(), complete_ = true;
    if (path_.size() == 1 && !complete_) throw Error(Errc::format, "a tokenizer.json has no vocabulary of byte pairs", {.file = file_, .key = "model.vocab", .expected = "tokens and their ids", .found = "nothing"});
    return leave();
  }
  bool end_array() override {
    if (in_model("merges", 1)) add_merge();
    return leave();
  }
  bool key(string_t& name) override {
    if (in_model("vocab")) return vocabulary_.key(name);
    key_ = name;
    return true;
  }
  bool number_unsigned(number_unsigned_t value) override { return in_model("vocab") ? vocabulary_.number_unsigned(value) : scalar(std::to_string(value)); }
  bool string(string_t& value) override {
    if (path_.size() == 2 && path_[1] == "model" && key_ == "type" && value != "BPE")
      throw Error(Errc::unsupported, "a tokenizer is not one of byte pairs", {.file = file_, .key = "model.type", .expected = "BPE", .found = printable(value, 80)});
    if (!in_merges()) return scalar("\"" + printable(value) + "\"");
    pair_.push_back(std::move(value));
    if (!in_model("merges")) return pair_.size() <= 2 || scalar("more than two");
    auto const space = pair_.back().find(' ');  // "a b", as older versions write a pair
    if (space == std::string::npos) return scalar(printable(pair_.back(), 80));
    pair_ = {pair_.back().substr(0, space), pair_.back().substr(space + 1)};
    return add_merge();
  }

 private:
  static constexpr std::size_t most_nested = 64;

  bool enter() {
    if (path_.size() >= most_nested) throw Error(Errc::limit, "the JSON text nests too deep", {.file = file_, .key = printable(key_), .expected = "at most " + std::to_string(most_nested)});
    path_.push_back(key_);
    return true;
  }
  bool leave() {
    key_ = path_.back();
    path_.pop_back();
    return true;
  }
  /// Whether the innermost container is the member `name` of `model`, or lies `deeper` within it.
  bool in_model(std::string_view name, std::size_t deeper = 0) const { return path_.size() == 3 + deeper && path_[1] == "model" && path_[2] == name; }
  bool in_merges() const { return in_model("merges") || in_model("merges", 1); }
  bool scalar(std::string found) override {
    if (in_model("vocab")) return vocabulary_.scalar(std::move(found));
    if (!in_merges()) return true;
    throw Error(Errc::format, "a merge of a tokenizer.json is no pair", {.file = file_, .key = "merge " + std::to_string(out_.lines.size() + 1), .expected = "two tokens", .found = std::move(found)});
  }
  bool add_merge() {
    if (pair_.size() != 2 || pair_[0].empty() || pair_[1].empty()) return scalar(std::to_string(pair_.size()) + " tokens");
    if (out_.lines.size() >= most_merges_) throw Error(Errc::limit, "there are more merges than the vocabulary has tokens for", {.file = file_, .expected = std::to_string(most_merges_), .found = "more"});
    std::string const& first = out_.texts.emplace_back(std::move(pair_[0]));
    std::string const& second = out_.texts.emplace_back(std::move(pair_[1]));
    out_.lines.push_back({first, second});
    pair_.clear();
    return true;
  }

  std::vector<std::string> path_{};  ///< keys of the open containers, the document's first
  BpeSax vocabulary_;
  std::size_t most_merges_;
  TokenizerJson& out_;
  std::vector<std::string> pair_{};  ///< of the merge that is read
  bool complete_ = false;
};

/// The tokens and merges of a tokenizer.json of `size` tokens and at most `most_merges`; Error(format, key, limit or
/// unsupported) with the token or the number of the merge.
inline TokenizerJson read_tokenizer_json(std::string_view text, std::size_t size, std::size_t most_merges, std::string const& file) {
  TokenizerJson read;
  TokenizerSax sax(size, most_merges, file, read);
  parse_json(text, 0, file, sax);
  return read;
}

}  // namespace detail

}  // namespace tadp
