// SPDX-License-Identifier: Apache-2.0
// A head of one's own, in one file: a linear probe, one 1x1 convolution over all four levels. No file of tadp knows it.
// Trained here on the tiny preset to tell the left half of a picture from the right one.
#include "tadp/kernels/cpu.hpp"
#include "tadp/runs/training_session.hpp"
#include "tadp/train/initialize.hpp"

#include <cstdio>
#include <numeric>

namespace td = tadp;

template <int Classes>
struct LinearProbe {
  static constexpr int classes = Classes;  // or td::dynamic
  using expected = td::any_channels;       // or td::channels<...> where a trained head must meet what it was trained on

  class Net {
   public:
    Net(td::Scope const& s, td::FeatureChannels const& in, td::index_t class_count)
        : conv_(s / "probe", std::accumulate(in.begin(), in.end(), td::index_t{0}), class_count, td::ConvGeometry::same(1)) {}

    template <class Ctx>  // one text for inference and training, and for every device
    typename Ctx::Value operator()(Ctx& ctx, td::Pyramid<typename Ctx::Value> pyramid) const {
      td::FeatureShape const fine = pyramid[0].shape;
      for (std::size_t level = 1; level < 4; ++level) pyramid[level] = td::resize_bilinear_to(ctx, pyramid[level], fine.h(), fine.w());
      return conv_(ctx, ctx.concatenate(pyramid));  // (N, h, w, classes)
    }

   private:
    td::Conv2d conv_;
  };

  // The answer of a picture and what training minimises: those of segmentation serve here.
  using Target = typename td::SegmentationOf<Classes>::Target;
  template <class Ctx>
  static typename Ctx::Value loss(Ctx& ctx, typename Ctx::Value const& logits, Target const& target) {
    return td::SegmentationOf<Classes>::loss(ctx, logits, target);
  }
};

using Net = td::Backbone<td::UNetOf<td::tiny_unet>, td::TextEncoderOf<td::tiny_text>>;
using Stack = td::Model<Net, td::PromptPolicy<td::Null>, td::Head<LinearProbe<2>>>;

int main() {
  constexpr int side = 64;
  auto const model = std::make_shared<Stack const>();
  auto const weights = std::make_shared<td::Weights<td::Cpu>>(td::Cpu(1), model->parameters());
  td::initialize(*weights, 1, [](td::ParameterSpec const&) { return true; });

  td::Picture picture(side, side);  // dark to the left, bright to the right
  std::vector<float> normalised;
  std::vector<std::uint8_t> answer;
  for (int i = 0; i < side * side; ++i) {
    bool const right = i % side >= side / 2;
    answer.push_back(right ? 1 : 0);
    for (int c = 0; c < 3; ++c) picture.rgb[static_cast<std::size_t>(3 * i + c)] = right ? 255 : 0, normalised.push_back(right ? 1.0F : -1.0F);
  }
  auto const ids = td::pad_tokens({}, td::tiny_text);

  // The backbone stays as it is: only probe.weight and probe.bias learn.
  td::Session<Stack, td::Training<td::Cpu, td::UniformGroups, td::Freeze<td::BackbonePart>>> fit(model, weights, {.image = {side, side}, .adamw = {.lr = 0.03}});
  std::printf("%zu parameters learn\n", fit.fit().gradients().ids().size());
  float const first = fit.step({normalised, ids, answer});
  float last = first;
  for (int step = 0; step < 40; ++step) last = fit.step({normalised, ids, answer});
  std::printf("the loss %s\n", last < 0.8F * first ? "fell" : "did not fall");

  td::Session<Stack, td::Inference<td::Cpu>> infer(model, weights, {.window = {side, side}});
  auto const labels = infer(picture);
  int right = 0;
  for (std::size_t i = 0; i < answer.size(); ++i) right += labels.labels[i] == answer[i] ? 1 : 0;
  std::printf("%s\n", right > side * side * 9 / 10 ? "more than nine of ten pixels are right" : "most pixels are wrong");
}
