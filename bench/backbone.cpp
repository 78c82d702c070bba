// SPDX-License-Identifier: Apache-2.0
// The Stable Diffusion v1.5 backbone at 512x512, once over a clean latent: picture to feature pyramid, one pass a line of
// standard input. bench/against_pytorch.py drives it beside PyTorch and compares times, memory and numbers.
// Built twice: for the processor, and, where there is the CUDA part, for a CUDA device (TADP_BENCH_CUDA), there in any element.
//   backbone [HEIGHT WIDTH THREADS OUT float|tf32|half|bfloat16]
#include "tadp/exec/session_device.hpp"
#include "tadp/io/hash_rule.hpp"
#include "tadp/io/safetensors_write.hpp"
#if defined(TADP_BENCH_CUDA)
#include "tadp/kernels/cuda.hpp"
#else
#include "tadp/kernels/cpu.hpp"
#endif
#include "tadp/model.hpp"

#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

namespace {

using namespace tadp;
using Stack = Backbone<UNet, TextEncoder>;
#if defined(TADP_BENCH_CUDA)
/// What the whole device holds.
double peak_gib() {
  std::size_t free = 0, total = 0;
  require_cuda(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  return static_cast<double>(total - free) / (1024.0 * 1024.0 * 1024.0);
}
#else
double peak_gib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / (1024.0 * 1024.0);
}
#endif

/// The reference's picture and text: the hash rule's, and "a photo of a ..." padded.
template <class Device>
void fill_picture(Device& device, Floats<Device> view) {
  FeatureShape const s = view.shape;
  HashStream const stream("input.image", 0);
  std::vector<float> picture(static_cast<std::size_t>(s.count()));
  for (index_t c = 0; c < s.c(); ++c)
    for (index_t p = 0; p < s.positions(); ++p) picture[static_cast<std::size_t>(p * s.c() + c)] = stream.uniform(c * s.positions() + p, -1.0, 1.0);
  device.copy_from_host(view.data, picture.data(), picture.size() * sizeof(float));
}

template <class Device>
int serve(Device device, int height, int width, int threads, std::string const& out) {
  auto list = std::make_shared<ParameterList>();
  Stack const backbone{Scope(*list)};
  Weights<home_of<Device>> weights(device, list);
  ThreadPool pool(threads);
  fill_by_hash(weights, 0, pool);
  ElementWeights<Device> const elements(device, weights);
  std::vector<std::int32_t> ids{49406, 320, 1125, 539, 320, 1929, 525, 518, 2117};
  ids.resize(77, 49407);
  Uploaded<std::int32_t, Device> there;

  Plan<Device> once(device, elements.view()), plan(device, elements.view());
  PlanContext<Device> before(once), ctx(plan);
  auto const embedding = once.input({1, 1, 1, UNet::config.model_channels});
  auto const time = backbone.unet.time_projections(before, embedding);
  auto const texts = backbone.unet.keys_values(before, backbone.text(before, there(device, ids), 1));
  std::vector<PlannedValue> time_floats;
  for (auto const& v : time) time_floats.push_back(once.keep(once.in_float(v)));
  for (auto const& kv : texts) once.keep(kv.keys), once.keep(kv.values);
  once.finish();
  auto const e = timestep_embedding(1.0F, UNet::config.model_channels);
  device.copy_from_host(once.float_view(embedding).data, e.data(), e.size() * sizeof(float));

  auto const picture = plan.input({1, height, width, 3});
  UNetConditioning<PlannedValue> with;
  for (auto const& v : time_floats) with.time.push_back(plan.bound(ConstFloats<Device>(once.float_view(v))));
  for (auto const& kv : texts) with.texts.push_back({plan.bound(once.view(kv.keys)), plan.bound(once.view(kv.values))});
  auto const pyramid = pyramid_of(ctx, backbone.unet(ctx, latent_of(ctx, LatentPolicy{}, backbone.vae(ctx, picture)), with));
  std::array<PlannedValue, 4> levels;
  for (std::size_t i = 0; i < levels.size(); ++i) levels[i] = plan.keep(plan.in_float(pyramid[i]));
  plan.finish();
  fill_picture(device, plan.float_view(picture));
  std::size_t const weight_bytes = sizeof(float) + (computes_in_float<Device> ? 0 : sizeof(element_of<Device>));
  double const weights_gib = static_cast<double>(list->floats()) * static_cast<double>(weight_bytes) / (1024.0 * 1024.0 * 1024.0);
  std::printf("{\"ready\": true, \"weights_gib\": %.3f, \"arena_gib\": %.3f}\n", weights_gib, static_cast<double>(plan.arena_floats()) / (1 << 28));
  std::fflush(stdout);

  for (std::string line; std::getline(std::cin, line) && line != "quit";) {
    auto const begin = std::chrono::steady_clock::now();
    once.run(device);  // the text and the constants of t = 1, too: PyTorch computes them in every pass
    plan.run(device);
    finish(device);
    double const seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    std::printf("{\"seconds\": %.4f, \"peak_gib\": %.3f}\n", seconds, peak_gib());
    std::fflush(stdout);
  }
  if (out.empty()) return 0;
  std::vector<std::vector<float>> values(4);
  std::vector<TensorToWrite> tensors;
  for (std::size_t level = 0; level < 4; ++level) {
    auto const view = plan.float_view(levels[level]);
    FeatureShape const s = view.shape;
    std::vector<float> pixels(static_cast<std::size_t>((s.pixels() - 1) * view.pixel_stride + s.c()));  // a level may be a slice
    device.copy_to_host(pixels.data(), view.data, pixels.size() * sizeof(float));
    for (index_t c = 0; c < s.c(); ++c)
      for (index_t p = 0; p < s.positions(); ++p) values[level].push_back(pixels[static_cast<std::size_t>(p * view.pixel_stride + c)]);
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
  std::string const out = argc > 4 ? argv[4] : "", element = argc > 5 ? argv[5] : "float";
  auto const run = [&](auto device) { return serve(std::move(device), number(1, 512), number(2, 512), number(3, 2), out); };
#if defined(TADP_BENCH_CUDA)
  if (element == "float") return run(Cuda(0));
  if (element == "tf32") return run(Cuda(0, CudaMath::tf32));
  if (element == "half") return run(InElement<Cuda, Half>(Cuda(0)));
  if (element == "bfloat16") return run(InElement<Cuda, BFloat16>(Cuda(0)));
#else
  if (element == "float") return run(Cpu(number(3, 2)));
#endif
  throw Error(Errc::argument, "this program computes in no such element", {.found = element});
} catch (tadp::Error const& error) {
  std::fprintf(stderr, "bench_backbone: %s\n", error.what());
  return 3;
}
