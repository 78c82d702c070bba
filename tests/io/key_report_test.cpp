// SPDX-License-Identifier: Apache-2.0
#include "tadp/io/key_report.hpp"

#include "safetensors_files.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <string>
#include <vector>

using namespace tadp;

namespace {

TensorEntry entry(std::string name, std::vector<std::uint64_t> shape) {
  return {.name = std::move(name), .shape = std::move(shape)};
}

/// The textbook's whole table.
std::size_t plain_distance(std::string const& a, std::string const& b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i)
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0)
        cost[i][j] = i + j;
      else
        cost[i][j] =
            std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0u : 1u)});
    }
  return cost[a.size()][b.size()];
}

}  // namespace

TEST_CASE("edit distance is exact up to its bound") {
  std::mt19937 random(3);
  for (int round = 0; round < 3'000; ++round) {
    std::string a, b;
    for (auto i = random() % 12; i > 0; --i) a += static_cast<char>('a' + random() % 3);
    for (auto i = random() % 12; i > 0; --i) b += static_cast<char>('a' + random() % 3);
    auto const most = static_cast<std::size_t>(random() % 8);
    detail::SearchBudget budget;
    auto const found = detail::edit_distance(a, b, most, budget);
    if (found != std::min(plain_distance(a, b), most + 1)) FAIL(a << " " << b << " " << most << " " << found);
  }
}

TEST_CASE("missing, misshapen and extra keys are told apart") {
  WantedTensor const wanted[] = {
      {"conv_in.weight", {320, 4, 3, 3}}, {"conv_in.bias", {320}}, {"out.weight", {4, 320}}, {"time.weight", {1}}};
  TensorEntry const entries[] = {entry("conv_in.bias", {320}), entry("conv_im.weight", {320, 4, 3, 3}),
                                 entry("out.weight", {4, 640}), entry("model.time.weight", {1}), entry("zzz", {})};
  auto const report = compare_keys(wanted, entries);
  CHECK_FALSE(report.loadable());
  REQUIRE(report.missing.size() == 2);
  CHECK(report.missing[0].nearest == "conv_im.weight");
  CHECK(report.missing[1].nearest == "model.time.weight");
  REQUIRE(report.misshapen.size() == 1);
  CHECK(report.misshapen[0].found == std::vector<std::uint64_t>{4, 640});
  CHECK(report.extra == std::vector<std::string>{"conv_im.weight", "model.time.weight", "zzz"});

  CHECK(to_table(report) ==
        "2 missing, 1 of another shape, 3 extra\n"
        "  missing  conv_in.weight     wants [320, 4, 3, 3], the file has conv_im.weight\n"
        "  missing  time.weight        wants [1], the file has model.time.weight\n"
        "  shape    out.weight         wants [4, 320], the file has [4, 640]\n"
        "  extra    conv_im.weight\n"
        "  extra    model.time.weight\n"
        "  extra    zzz");
  CHECK(contains(to_table(report, 1), "... and 5 more"));
  CHECK(to_table(report, 0) == "2 missing, 1 of another shape, 3 extra\n  ... and 6 more");
}

TEST_CASE("keys are required") {
  WantedTensor const wanted[] = {{"a", {1}}};
  TensorEntry const entries[] = {entry("a", {1}), entry("b\x1b[2J", {1})};
  CHECK(require_keys(wanted, entries, "f").extra.size() == 1);
  auto const text = failure(Errc::key, [&] { require_keys(wanted, entries, "f", ExtraKeys::refuse); });
  CHECK(contains(text, "extra    b\\x1b[2J"));
  CHECK(contains(text, "file: f"));
  failure(Errc::key, [&] { require_keys(wanted, std::vector<TensorEntry>{}, "f"); });
  CHECK(compare_keys({}, std::vector<TensorEntry>{}).loadable());
}

TEST_CASE("a report of two strangers comes at once") {
  std::vector<WantedTensor> wanted;
  std::vector<TensorEntry> entries;
  for (int i = 0; i < 3'000; ++i) {
    wanted.push_back({"model.diffusion_model.input_blocks." + std::to_string(i) + ".attn1.to_q.weight", {1}});
    entries.push_back(entry("unet.down_blocks." + std::to_string(i) + ".attentions.0.transformer.weight", {1}));
  }
  entries.push_back(entry(std::string(4'000, 'x'), {1}));
  wanted.push_back({std::string(3'000, 'x'), {1}});
  auto const start = std::chrono::steady_clock::now();
  auto const report = compare_keys(wanted, entries);
  CHECK(report.missing.size() == 3'001);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
}
