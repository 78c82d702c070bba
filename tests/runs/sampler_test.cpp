// SPDX-License-Identifier: Apache-2.0
#include "../io/scratch.hpp"
#include "tadp/io/hash_rule.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/runs/sampler.hpp"

#include <doctest/doctest.h>

#include <functional>

namespace {

using namespace tadp;
using scratch::error_of;
using TinyBackbone = Backbone<UNetOf<tiny_unet>, TextEncoderOf<tiny_text>>;
using TinyDecoder = VaeDecoderOf<tiny_vae>;
using TinySampler = Sampler<TinyBackbone, TinyDecoder, Cpu>;

struct Stack {
  std::shared_ptr<ParameterList> list = std::make_shared<ParameterList>();
  TinyBackbone backbone{Scope(*list)};
  TinyDecoder decoder{Scope(*list) / "first_stage_model"};
  std::shared_ptr<Weights<Cpu>> weights = std::make_shared<Weights<Cpu>>(Cpu(1), list);
  Stack() { fill_by_hash(*weights, 0); }
  std::vector<Picture> sample(SamplerOptions const& o, TinySampler::Texts const& texts, std::uint64_t seed) const { return TinySampler(backbone, decoder, weights, o)(texts, seed); }
};
SamplerOptions small(int batch = 1, float guidance = 3.0F) { return {.width = 64, .height = 64, .batch = batch, .steps = 3, .guidance = guidance}; }

}  // namespace

TEST_CASE("steps walk from noise to the first alpha") {
  CHECK(ddim_timesteps(10) == std::vector<int>{901, 801, 701, 601, 501, 401, 301, 201, 101, 1});
  CHECK(ddim_timesteps(50).front() == 981);
  auto const alphas = alphas_cumprod();
  // A step with the very noise that was added leads back along it.
  std::vector<float> const clean{0.5F, -1.0F}, noise{1.5F, 0.25F};
  std::vector<float> z(2), less(2);
  add_noise(alphas[500], clean, noise, z);
  add_noise(alphas[400], clean, noise, less);
  ddim_step(alphas[500], alphas[400], z, noise);
  for (std::size_t i = 0; i < 2; ++i) CHECK(z[i] == doctest::Approx(less[i]).epsilon(1e-5));
}

TEST_CASE("a picture depends on seed, text and guidance, not on its neighbours") {
  Stack const stack;
  auto const one = stack.sample(small(), {{5, 6}}, 1);
  REQUIRE(one.size() == 1);
  CHECK(one[0].width == 64);
  CHECK(stack.sample(small(), {{5, 6}}, 1)[0].rgb == one[0].rgb);
  CHECK(stack.sample(small(), {{5, 6}}, 2)[0].rgb != one[0].rgb);
  CHECK(stack.sample(small(), {{7}}, 1)[0].rgb != one[0].rgb);
  CHECK(stack.sample(small(1, 1.0F), {{5, 6}}, 1)[0].rgb != one[0].rgb);
  auto const two = stack.sample(small(2), {{5, 6}, {7}}, 1);
  CHECK(two[0].rgb == one[0].rgb);
  CHECK(two[1].rgb != one[0].rgb);
  // Guided by the empty text alone, guidance changes nothing.
  TinySampler guided(stack.backbone, stack.decoder, stack.weights, small()), plain(stack.backbone, stack.decoder, stack.weights, small(1, 1.0F));
  std::vector<float> const start(8 * 8 * 4, 0.3F);
  auto const a = guided.denoise({{}}, start), b = plain.denoise({{}}, start);
  float worst = 0.0F;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
  CHECK(worst < 1e-4F);
}

TEST_CASE("a sampler tells its steps, stops, and refuses what does not fit") {
  Stack const stack;
  TinySampler sampler(stack.backbone, stack.decoder, stack.weights, small());
  std::size_t steps = 0, all = 0;
  sampler({{5}}, 1, Control{.progress = [&](std::size_t done, std::size_t total) { steps = done, all = total; }});
  CHECK(steps == 3);
  CHECK(all == 3);
  std::stop_source stop;
  stop.request_stop();
  CHECK(error_of([&] { sampler({{5}}, 1, Control{.stop = stop.get_token()}); })->code() == Errc::cancelled);
  CHECK(error_of([&] { sampler({{5}, {6}}, 1); })->code() == Errc::shape);
  CHECK(error_of([&] { sampler.denoise({{5}}, std::vector<float>(3)); })->code() == Errc::shape);
  CHECK(error_of([&] { sampler({{512}}, 1); })->code() == Errc::argument);
  for (auto const& change : std::vector<std::function<void(SamplerOptions&)>>{[](auto& o) { o.width = 65; }, [](auto& o) { o.batch = 0; }, [](auto& o) { o.steps = 0; }, [](auto& o) { o.steps = 1000; }}) {
    auto o = small();
    change(o);
    CHECK(error_of([&] { TinySampler(stack.backbone, stack.decoder, stack.weights, o); })->code() == Errc::argument);
  }
  CHECK(sampler.to_pictures(std::vector<float>(64 * 64 * 3, 9.0F))[0].rgb[0] == 255);
  CHECK(sampler.to_pictures(std::vector<float>(64 * 64 * 3, -9.0F))[0].rgb[0] == 0);
}
