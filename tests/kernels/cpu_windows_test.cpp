// SPDX-License-Identifier: Apache-2.0
// The window kernels of the processor against plain loops: windows past the picture's edges, one pixel, odd counts.
#include "../plain_windows.hpp"
#include "against_plain.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

namespace td = tadp;
using td::index_t;

namespace {

td::FeatureShape shape_of(against_plain::Dice& dice, index_t side, index_t channels) {
  return {1, dice.integer(1, side), dice.integer(1, side), dice.integer(1, channels)};
}

}  // namespace

TEST_CASE("pictures become numbers and windows") {
  against_plain::Dice dice(71);
  plain::Device simple;
  for (int i = 0; i < 40; ++i) {
    td::FeatureShape const picture{1, dice.integer(1, 30), dice.integer(1, 30), 3};
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(picture.count()));
    for (auto& b : bytes) b = static_cast<std::uint8_t>(dice.integer(0, 255));
    td::FeatureShape const window{1, dice.integer(1, 20), dice.integer(1, 20), 3};
    index_t const top = dice.integer(0, picture.h() - 1), left = dice.integer(0, picture.w() - 1);
    td::Normalisation const rule = dice.coin() ? td::Normalisation{} : td::Normalisation::imagenet();
    std::vector<float> numbers(bytes.size()), expected_numbers(bytes.size());
    std::vector<float> cut(static_cast<std::size_t>(window.count()), 9.0F), expected = cut;
    normalise_picture(simple, rule, bytes.data(), {expected_numbers.data(), picture});
    cut_window(simple, plain::Read<float>{expected_numbers.data(), picture}, top, left, {expected.data(), window});
    for (int threads : {1, 2}) {
      td::Cpu cpu(threads);
      normalise_picture(cpu, rule, bytes.data(), td::Features<td::Cpu>{numbers.data(), picture});
      cut_window(cpu, td::ConstFeatures<td::Cpu>{numbers.data(), picture}, top, left, td::Features<td::Cpu>{cut.data(), window});
      for (std::size_t k = 0; k < numbers.size(); ++k) REQUIRE(numbers[k] == doctest::Approx(expected_numbers[k]).epsilon(1e-6));
      for (std::size_t k = 0; k < cut.size(); ++k) REQUIRE(cut[k] == doctest::Approx(expected[k]).epsilon(1e-6));
    }
  }
}

TEST_CASE("results of windows are joined") {
  against_plain::Dice dice(72);
  plain::Device simple;
  for (int i = 0; i < 40; ++i) {
    auto const sum = shape_of(dice, 20, 21);
    auto const x = shape_of(dice, 6, 1).with_channels(sum.c());
    index_t const height = dice.integer(1, 24), width = dice.integer(1, 24), top = dice.integer(0, sum.h() - 1), left = dice.integer(0, sum.w() - 1);
    float const factor = dice.number();
    auto const in = against_plain::block(dice, x);
    auto const start = against_plain::block(dice, sum, 1.0F, false);
    std::vector<float> rows(static_cast<std::size_t>(sum.h())), columns(static_cast<std::size_t>(sum.w()));
    for (auto* counts : {&rows, &columns})
      for (float& c : *counts) c = static_cast<float>(dice.integer(1, 3));
    auto expected = start;
    add_window(simple, factor, in.view<plain::Device>(), height, width, top, left, expected.view<plain::Device>());
    divide_by_windows(simple, rows.data(), columns.data(), expected.view<plain::Device>());
    for (int threads : {1, 2}) {
      td::Cpu cpu(threads);
      auto got = start;
      add_window(cpu, factor, in.view<td::Cpu>(), height, width, top, left, got.view<td::Cpu>());
      divide_by_windows(cpu, rows.data(), columns.data(), got.view<td::Cpu>());
      for (std::size_t k = 0; k < got.memory.size(); ++k) REQUIRE(std::abs(got.memory[k] - expected.memory[k]) < 2e-6F);
    }
  }
}

TEST_CASE("means of channels, and what is decided") {
  against_plain::Dice dice(73);
  plain::Device simple;
  for (int i = 0; i < 40; ++i) {
    auto const shape = shape_of(dice, 12, 40);
    auto const in = against_plain::block(dice, shape, 5.0F);
    std::vector<std::int32_t> channels(static_cast<std::size_t>(dice.integer(1, 4)));
    for (auto& c : channels) c = static_cast<std::int32_t>(dice.integer(0, shape.c() - 1));
    auto const pixels = static_cast<std::size_t>(shape.pixels());
    std::vector<float> mean(pixels), expected_mean(pixels), sure(pixels), expected_sure(pixels);
    std::vector<std::uint8_t> labels(pixels), expected_labels(pixels);
    auto const count = static_cast<index_t>(channels.size());
    mean_of_channels(simple, in.view<plain::Device>(), channels.data(), count, {expected_mean.data(), shape.with_channels(1)});
    decide(simple, plain::Read<float>(in.view<plain::Device>()), expected_labels.data(), expected_sure.data());
    for (int threads : {1, 2}) {
      td::Cpu cpu(threads);
      mean_of_channels(cpu, in.view<td::Cpu>(), channels.data(), count, td::Features<td::Cpu>{mean.data(), shape.with_channels(1)});
      decide(cpu, in.view<td::Cpu>(), labels.data(), sure.data());
      CHECK(labels == expected_labels);
      for (std::size_t p = 0; p < pixels; ++p) {
        REQUIRE(std::abs(mean[p] - expected_mean[p]) < 4e-6F);
        REQUIRE(std::abs(sure[p] - expected_sure[p]) < 1e-6F);
      }
      std::vector<std::uint8_t> alone(pixels);
      decide(cpu, in.view<td::Cpu>(), alone.data(), nullptr);
      CHECK(alone == expected_labels);
    }
  }
  td::Cpu cpu(1);
  std::vector<float> const equal{1, 3, 3, 2};
  std::uint8_t label = 9;
  decide(cpu, td::ConstFeatures<td::Cpu>{equal.data(), td::FeatureShape{1, 1, 1, 4}}, &label, nullptr);
  CHECK(label == 1);
}
