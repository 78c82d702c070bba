// SPDX-License-Identifier: Apache-2.0
// A head whose answer is neither labels, metres nor boxes: surface normals, three numbers a pixel. No file of tadp knows it.
// Trained here, over a frozen tiny backbone, on balls under three coloured lamps; it then sees a ball of another size.
#include "tadp/kernels/cpu.hpp"
#include "tadp/runs/training_session.hpp"
#include "tadp/train/initialize.hpp"

#include <cstdio>

namespace td = tadp;

struct Normals {
  static constexpr int classes = 3;        // numbers a pixel: x to the right, y down, z towards the camera
  static constexpr bool reads_maps = false;  // features alone: the words have nothing to say about a surface
  using expected = td::any_channels;
  using Result = td::DenseMap;             // joined over windows like logits, at the picture's own size

  class Net {
   public:
    Net(td::Scope const& s, td::FeatureChannels const& in, td::index_t out)
        : neck_(s / "normals" / "neck", in, 32), mix_(s / "normals" / "mix", 4 * 32, 64, td::ConvGeometry::same(3)), out_(s / "normals" / "out", 64, out, td::ConvGeometry::same(1)) {}

    template <class Ctx>
    typename Ctx::Value operator()(Ctx& ctx, td::Pyramid<typename Ctx::Value> const& pyramid) const {
      auto levels = neck_(ctx, pyramid);
      for (std::size_t l = 1; l < 4; ++l) levels[l] = td::resize_bilinear_to(ctx, levels[l], levels[0].shape.h(), levels[0].shape.w());
      return out_(ctx, td::activate(ctx, td::Activation::silu, mix_(ctx, ctx.concatenate(levels))));
    }

   private:
    td::Fpn neck_;
    td::Conv2d mix_, out_;
  };

  /// Normals of every pixel, (N, height, width, 3).
  struct Target {
    float const* normals = nullptr;
    td::FeatureShape shape{};
  };
  template <class Ctx>
  static typename Ctx::Value loss(Ctx& ctx, typename Ctx::Value const& said, Target const& target) {
    auto const full = td::resize_bilinear_to(ctx, said, target.shape.h(), target.shape.w());
    return ctx.apply(td::MeanSquaredErrorOp{}, {full, ctx.input({target.normals, target.shape})})[0];
  }
};

using Net = td::Backbone<td::UNetOf<td::tiny_unet>, td::TextEncoderOf<td::tiny_text>>;
using Stack = td::Model<Net, td::PromptPolicy<td::Null>, td::Head<Normals>>;
constexpr int picture_side = 64;

struct Ball {
  td::Picture picture{picture_side, picture_side};
  std::vector<float> normals, normalised;

  /// A ball in front of a wall that faces the camera; each lamp adds one colour.
  Ball(float x0, float y0, float radius) {
    for (int y = 0; y < picture_side; ++y)
      for (int x = 0; x < picture_side; ++x) {
        float const dx = (static_cast<float>(x) - x0) / radius, dy = (static_cast<float>(y) - y0) / radius, left = 1.0F - dx * dx - dy * dy;
        std::array<float, 3> const n = left > 0.0F ? std::array{dx, dy, std::sqrt(left)} : std::array{0.0F, 0.0F, 1.0F};
        for (std::size_t c = 0; c < 3; ++c) {
          picture.pixel(x, y)[c] = static_cast<std::uint8_t>(127.5F + 127.0F * n[c]);
          normals.push_back(n[c]);
          normalised.push_back(static_cast<float>(picture.pixel(x, y)[c]) / 127.5F - 1.0F);
        }
      }
  }
};

/// Mean angle in degrees between what was said and what is true.
double mean_angle(td::DenseMap const& said, std::vector<float> const& truth) {
  double sum = 0.0;
  for (std::size_t at = 0; at < truth.size(); at += 3) {
    double dot = 0.0, length = 0.0;
    for (std::size_t c = 0; c < 3; ++c) dot += static_cast<double>(said.values[at + c] * truth[at + c]), length += static_cast<double>(said.values[at + c] * said.values[at + c]);
    sum += std::acos(std::clamp(dot / std::sqrt(std::max(length, 1e-12)), -1.0, 1.0)) * 180.0 / 3.14159265358979;
  }
  return sum / static_cast<double>(truth.size() / 3);
}

int main() {
  auto const model = std::make_shared<Stack const>();
  auto const weights = std::make_shared<td::Weights<td::Cpu>>(td::Cpu(1), model->parameters());
  td::initialize(*weights, 1, [](td::ParameterSpec const&) { return true; });
  Ball const seen(30, 34, 26), unseen(36, 30, 22);
  td::Session<Stack, td::Inference<td::Cpu>> infer(model, weights, {.window = {picture_side, picture_side}});
  double const before = mean_angle(infer.numbers(unseen.picture), unseen.normals);

  td::Session<Stack, td::Training<td::Cpu, td::UniformGroups, td::Freeze<td::BackbonePart>>> fit(model, weights, {.image = {picture_side, picture_side}, .adamw = {.lr = 3e-3}});
  auto const ids = td::pad_tokens({}, td::tiny_text);
  for (int step = 0; step < 150; ++step) {
    Ball const ball(static_cast<float>(24 + step * 7 % 17), static_cast<float>(24 + step * 5 % 17), static_cast<float>(18 + step * 3 % 11));
    fit.step({.pictures = ball.normalised, .ids = ids}, {Normals::Target{ball.normals.data(), {1, picture_side, picture_side, 3}}});
  }
  double const after = mean_angle(infer.numbers(unseen.picture), unseen.normals);
  std::printf("%s\n", after < 0.5 * before && after < 15.0 ? "the mean angle to the true normals fell below 15 degrees" : "the normals are not learned");
  if (after >= 15.0) std::printf("%.1f degrees, %.1f before\n", after, before);
}
