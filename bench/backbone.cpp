// SPDX-License-Identifier: Apache-2.0
// The Stable Diffusion v1.5 backbone at 512x512, once over a clean latent: picture to feature pyramid, one pass a line of
// standard input. bench/against_pytorch.py drives it beside PyTorch and compares times, memory and numbers.
#include "tadp/io/hash_rule.hpp"
#include "tadp/io/safetensors_write.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/model.hpp"

#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>

namespace {

using namespace tadp;
using Stack = Backbone<UNet, TextEncoder>;

/// The reference's picture and text: the hash rule's, and "a photo of a ..." padded.
void fill_picture(Features<Cpu> view) {
  FeatureShape const s = view.shape;
  HashStream const stream("input.image", 0);
  for (index_t c = 0; c < s.c(); ++c)
    for (index_t p = 0; p < s.positions(); ++p) view.pixel(p)[c] = stream.uniform(c * s.positions() + p, -1.0, 1.0);
}

double peak_gib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / (1024.0 * 1024.0);
}

int serve(int height, int width, int threads, std::string const& out) {
  Cpu cpu(threads);
  auto list = std::make_shared<ParameterList>();
  Stack const backbone{Scope(*list)};
  Weights<Cpu> weights(cpu, list);
  fill_by_hash(weights, 0);
  std::vector<std::int32_t> ids{49406, 320, 1125, 539, 320, 1929, 525, 518, 2117};
  ids.resize(77, 49407);

  Plan<Cpu> once(cpu, list.get(), weights.flat()), plan(cpu, list.get(), weights.flat());
  PlanContext<Cpu> before(once), ctx(plan);
  auto const embedding = once.input({1, 1, 1, UNet::config.model_channels});
  auto const time = backbone.unet.time_projections(before, embedding);
  auto const texts = backbone.unet.keys_values(before, backbone.text(before, ids.data(), 1));
  for (auto const& v : time) once.keep(v);
  for (auto const& kv : texts) once.keep(kv.keys), once.keep(kv.values);
  once.finish();
  auto const e = timestep_embedding(1.0F, UNet::config.model_channels);
  std::copy(e.begin(), e.end(), once.view(embedding).data);

  auto const picture = plan.input({1, height, width, 3});
  UNetConditioning<PlannedValue> with;
  for (auto const& v : time) with.time.push_back(plan.bound(once.view(v)));
  for (auto const& kv : texts) with.texts.push_back({plan.bound(once.view(kv.keys)), plan.bound(once.view(kv.values))});
  auto const pyramid = pyramid_of(ctx, backbone.unet(ctx, latent_of(ctx, LatentPolicy{}, backbone.vae(ctx, picture)), with));
  for (auto const& v : pyramid) plan.keep(v);
  plan.finish();
  fill_picture(plan.view(picture));
  double const weights_gib = static_cast<double>(list->floats()) * 4.0 / (1024.0 * 1024.0 * 1024.0);
  std::printf("{\"ready\": true, \"weights_gib\": %.3f, \"arena_gib\": %.3f}\n", weights_gib, static_cast<double>(plan.arena_floats()) / (1 << 28));
  std::fflush(stdout);

  for (std::string line; std::getline(std::cin, line) && line != "quit";) {
    auto const begin = std::chrono::steady_clock::now();
    once.run(cpu);  // the text and the constants of t = 1, too: PyTorch computes them in every pass
    plan.run(cpu);
    double const seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    std::printf("{\"seconds\": %.4f, \"peak_gib\": %.3f}\n", seconds, peak_gib());
    std::fflush(stdout);
  }
  if (out.empty()) return 0;
  std::vector<std::vector<float>> values(4);
  std::vector<TensorToWrite> tensors;
  for (std::size_t level = 0; level < 4; ++level) {
    auto const view = plan.view(pyramid[level]);
    FeatureShape const s = view.shape;
    for (index_t c = 0; c < s.c(); ++c)
      for (index_t p = 0; p < s.positions(); ++p) values[level].push_back(view.pixel(p)[c]);
    tensors.push_back({.name = "pyramid." + std::to_string(level),
                       .dtype = Dtype::F32,
                       .shape = {1, static_cast<std::uint64_t>(s.c()), static_cast<std::uint64_t>(s.h()), static_cast<std::uint64_t>(s.w())},
                       .values = values[level]});
  }
  write_safetensors(out, tensors);
  return 0;
}

}  // namespace

int main(int argc, char** argv) try {
  auto const number = [&](int at, int otherwise) { return argc > at ? std::atoi(argv[at]) : otherwise; };
  return serve(number(1, 512), number(2, 512), number(3, 2), argc > 4 ? argv[4] : "");
} catch (tadp::Error const& error) {
  std::fprintf(stderr, "bench_backbone: %s\n", error.what());
  return 3;
}
