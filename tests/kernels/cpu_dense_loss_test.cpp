// SPDX-License-Identifier: Apache-2.0
// SiLog and focal loss of the processor against plain loops: what does not count, logits far out, batches of which nothing counts.
#include "against_plain.hpp"

#include <limits>

using namespace against_plain;

namespace {

constexpr FeatureShape one{1, 1, 1, 1};

FeatureShape shape_of(Dice& dice, index_t limit) {
  index_t const side = limit <= 5 ? 4 : dice.integer(0, 5) == 0 ? 60 : 12;
  return {dice.integer(1, 3), dice.odd(0, side), dice.odd(0, side), dice.odd(0, limit - 1)};
}
template <class View>
float number(View const& d_out) {
  return static_cast<float>(d_out.data[0]);
}

/// Metres that may be anything where a camera saw nothing.
std::vector<float> truths(Dice& dice, index_t pixels, bool none) {
  std::vector<float> metres;
  float const nothing[] = {0.0F, -1.0F, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()};
  for (index_t p = 0; p < pixels; ++p)
    metres.push_back(none || dice.integer(0, 4) == 0 ? nothing[dice.integer(0, 3)] : 5.1F + dice.number(5.0F));
  return metres;
}

}  // namespace

TEST_CASE("the spread of log differences is that of plain loops") {
  float lambda = 0.5F;
  std::vector<float> truth;
  agree(98, 40,
        [&](Dice& dice, index_t limit) {
          FeatureShape const x = shape_of(dice, limit).with_channels(1);
          lambda = 0.1F * static_cast<float>(dice.integer(0, 9));
          truth = truths(dice, x.pixels(), limit > 5 && dice.integer(0, 9) == 0);
          Trial t{"silog " + to_string(x), {block(dice, x)}, {one}};
          for (float& v : t.in[0].memory) v = 5.2F + 5.0F * v;
          return t;
        },
        [&](auto& device, auto const& in, auto const& out) { silog(device, lambda, in[0], truth.data(), out[0]); },
        [&](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
          if (d_in[0]) silog_gradient(device, lambda, in[0], truth.data(), number(d_out[0]), d_in[0]);
        });
}

TEST_CASE("without a truth, and with a perfect answer, the loss is zero and nothing learns from it") {
  std::vector<float> const depth{1.0F, 2.0F, 3.0F, 4.0F}, nothing{0.0F, -1.0F, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()};
  for (auto const* truth : {&nothing, &depth}) {
    std::vector<float> slopes(4);
    float loss = 9.0F;
    silog(cpu(2), 0.5F, ConstFeatures<Cpu>{depth.data(), FeatureShape{1, 2, 2, 1}}, truth->data(), Features<Cpu>{&loss, one});
    silog_gradient(cpu(2), 0.5F, ConstFeatures<Cpu>{depth.data(), FeatureShape{1, 2, 2, 1}}, truth->data(), 1.0F, Features<Cpu>{slopes.data(), FeatureShape{1, 2, 2, 1}});
    CHECK(loss == 0.0F);
    CHECK(slopes == std::vector<float>(4));
  }
  // A depth of nothing, which a saturated sigmoid gives, costs much and not infinitely.
  std::vector<float> const flat{0.0F, 2.0F};
  std::vector<float> slopes(2);
  float loss = 0.0F;
  silog(cpu(1), 0.5F, ConstFeatures<Cpu>{flat.data(), FeatureShape{1, 1, 2, 1}}, depth.data(), Features<Cpu>{&loss, one});
  silog_gradient(cpu(1), 0.5F, ConstFeatures<Cpu>{flat.data(), FeatureShape{1, 1, 2, 1}}, depth.data(), 1.0F, Features<Cpu>{slopes.data(), FeatureShape{1, 1, 2, 1}});
  CHECK((loss > 10.0F && std::isfinite(loss)));
  CHECK((slopes[0] == 0.0F && std::isfinite(slopes[1])));
}

TEST_CASE("the focal loss and its gradient are those of plain loops") {
  std::vector<std::uint8_t> labels;
  agree(99, 40,
        [&](Dice& dice, index_t limit) {
          FeatureShape const x = shape_of(dice, limit);
          labels.clear();
          index_t const ignored = dice.integer(0, 9) == 0 ? 10 : 2;  // of ten
          for (index_t p = 0; p < x.pixels(); ++p)
            labels.push_back(dice.integer(0, 9) < ignored ? ignore_label : static_cast<std::uint8_t>(dice.integer(0, x.c() - 1)));
          return Trial{"focal " + to_string(x), {block(dice, x, dice.coin() ? 50.0F : 3.0F)}, {one}};
        },
        [&](auto& device, auto const& in, auto const& out) { focal_loss(device, in[0], labels.data(), out[0]); },
        [&](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
          if (d_in[0]) focal_loss_gradient(device, in[0], labels.data(), number(d_out[0]), d_in[0]);
        });
}
