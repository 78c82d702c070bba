// SPDX-License-Identifier: Apache-2.0
// The CUDA kernels of windows on the host against plain loops: windows past the picture's edges, maps averaged, labels.
#include "../plain_windows.hpp"
#include "element_trials.hpp"

using namespace host_cuda;

namespace {

FeatureShape picture(Dice& dice, index_t side, index_t channels) { return {1, dice.odd(0, side), dice.odd(0, side), dice.odd(0, channels)}; }

}  // namespace

TEST_CASE("the kernels of pictures and their windows are plain loops'") {
  std::vector<std::uint8_t> bytes;
  Normalisation rule;
  kernels_agree(
      171,
      [&](Dice& dice) {
        FeatureShape const x = picture(dice, 30, 0).with_channels(3);
        rule = dice.coin() ? Normalisation{} : Normalisation::imagenet();
        bytes.resize(static_cast<std::size_t>(x.count()));
        for (auto& b : bytes) b = static_cast<std::uint8_t>(dice.integer(0, 255));
        return Trial{"picture " + to_string(x), {}, {x}};
      },
      [&](auto& device, auto const&, auto const& out) { normalise_picture(device, rule, bytes.data(), out[0]); });
  index_t top = 0, left = 0;
  elements_agree(
      172,
      [&](Dice& dice) {
        FeatureShape const x = picture(dice, 30, 9), window = picture(dice, 20, 0);
        top = dice.integer(0, x.h() - 1), left = dice.integer(0, x.w() - 1);
        return Trial{"window of " + to_string(x), {block(dice, x)}, {window.with_channels(x.c())}};
      },
      [&](auto& device, auto const& in, auto const& out) { cut_window(device, in[0], top, left, out[0]); });
}

TEST_CASE("the kernels that join windows are plain loops'") {
  index_t height = 0, width = 0, top = 0, left = 0;
  std::vector<float> rows, columns;
  elements_agree(
      173,
      [&](Dice& dice) {
        FeatureShape const sum = picture(dice, 20, 21), x = picture(dice, 6, 0).with_channels(sum.c());
        height = dice.integer(1, 24), width = dice.integer(1, 24), top = dice.integer(0, sum.h() - 1), left = dice.integer(0, sum.w() - 1);
        rows.assign(static_cast<std::size_t>(sum.h()), 1.0F), columns.assign(static_cast<std::size_t>(sum.w()), 1.0F);
        for (auto* counts : {&rows, &columns})
          for (float& c : *counts) c = static_cast<float>(dice.integer(1, 3));
        return Trial{"join " + to_string(x) + " in " + to_string(sum), {block(dice, x)}, {sum}};
      },
      [&](auto& device, auto const& in, auto const& out) {
        add_window(device, -0.7F, in[0], height, width, top, left, out[0]);
        divide_by_windows(device, rows.data(), columns.data(), out[0]);
      });
}

TEST_CASE("the kernels of mean maps and of labels are plain loops'") {
  std::vector<std::int32_t> channels;
  auto const make = [&](Dice& dice) {
    FeatureShape const x = odd_shape(dice, 40);
    channels.assign(static_cast<std::size_t>(dice.integer(1, 4)), 0);
    for (auto& c : channels) c = static_cast<std::int32_t>(dice.integer(0, x.c() - 1));
    return Trial{"maps " + to_string(x), {block(dice, x, 5.0F)}, {x.with_channels(1)}, {0}, {0}, true};
  };
  elements_agree(174, make, [&](auto& device, auto const& in, auto const& out) {
    mean_of_channels(device, in[0], channels.data(), static_cast<index_t>(channels.size()), out[0]);
  });
  std::vector<std::vector<std::uint8_t>> labels;
  elements_agree(175, make, [&](auto& device, auto const& in, auto const& out) {
    auto& found = labels.emplace_back(static_cast<std::size_t>(in[0].shape.pixels()));
    decide(device, in[0], found.data(), out[0].data);
  });
  for (std::size_t i = 0; i < labels.size(); i += 3) CHECK((labels[i] == labels[i + 1] && labels[i] == labels[i + 2]));
}
