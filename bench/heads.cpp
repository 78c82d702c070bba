// SPDX-License-Identifier: Apache-2.0
// What depth and boxes cost beside labels, on one pass of the backbone: rounds of labels alone and of all three in turn.
//     heads [ROUNDS] [THREADS]              Stable Diffusion v1.5 at 512x512, weights at random
//     heads ROUNDS THREADS FILE PICTURE     the street model of a file with all three heads, on a picture
#include "tadp/io/image.hpp"
#include "tadp/io/weights.hpp"
#include "tadp/runs/described_model.hpp"
#include "tadp/runs/street_heads.hpp"
#include "tadp/session.hpp"
#include "tadp/train/initialize.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace {

using namespace tadp;
using Sd15 = Model<Backbone<UNet, TextEncoder>, PromptPolicy<Caption>, Heads<Head<Segmentation>, Head<Depth>, Head<Detection>>>;

/// What passes took, in seconds: by the clock, and of all processors together, which other programs disturb less.
struct Times {
  std::vector<double> clock{}, processors{};
};

double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
  return v[v.size() / 2];
}

template <class Function>
void measure(Times& times, Function const& f) {
  auto const begin = std::chrono::steady_clock::now();
  std::clock_t const used = std::clock();
  f();
  times.processors.push_back(static_cast<double>(std::clock() - used) / CLOCKS_PER_SEC);
  times.clock.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
}

/// The first pass of each kind is not counted.
template <class M>
void compare(Session<M, Inference<Cpu>>& session, PictureView const& picture, Prompt const& prompt, int rounds) {
  Times labels, all;
  std::size_t boxes = 0;
  for (int round = 0; round <= rounds; ++round) {
    if (round == 1) labels = {}, all = {};
    measure(labels, [&] { (void)session(picture, prompt); });
    measure(all, [&] { boxes = std::get<2>(session.perceive(picture, prompt)).objects.size(); });
    if (round == 0) continue;
    std::printf("round %d: labels %.3f s, labels with depth and boxes %.3f s; of processors %.3f s, %.3f s\n", round, labels.clock.back(), all.clock.back(), labels.processors.back(), all.processors.back());
    std::fflush(stdout);
  }
  std::printf("ratios of medians: %.3f, of processors %.3f; boxes found: %zu\n", median(all.clock) / median(labels.clock), median(all.processors) / median(labels.processors), boxes);
}

void sd15(int rounds, int threads) {
  auto const model = std::make_shared<Sd15 const>();
  auto const weights = std::make_shared<Weights<Cpu>>(Cpu(threads), model->parameters());
  initialize(*weights, 1, [](ParameterSpec const&) { return true; });
  Session<Sd15, Inference<Cpu>> session(model, weights, {.window = {512, 512}, .threads = threads});
  std::vector<std::uint8_t> pixels(std::size_t{3} * 512 * 512);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(255.0F * random_unit(1, i));
  Prompt prompt;
  prompt.ids = {49406, 320, 1125, 539, 320, 1929, 525, 518, 2117};
  prompt.ids.resize(77, 49407);
  compare(session, PictureView{pixels.data(), 512, 512}, prompt, rounds);
}

void street_model(int rounds, int threads, std::string const& path, std::string const& picture_path) {
  SafetensorsFile const file(path);
  auto const d = description_of(file.metadata(), path);
  require_model<StreetPerception>(d, path);
  auto const model = std::make_shared<StreetPerception const>(sizes_of<StreetPerception>(d, path));
  auto const weights = std::make_shared<Weights<Cpu>>(Cpu(threads), model->parameters());
  load_weights(*weights, {path});
  Session<StreetPerception, Inference<Cpu>> session(model, weights, {.window = d.window, .fit = d.fit, .threads = threads, .latent = d.latent, .tokenizer = street_tokenizer()});
  Picture const picture = read_image(picture_path);
  compare(session, PictureView(picture), {.caption = "a street photo"}, rounds);
}

}  // namespace

int main(int argc, char** argv) try {
  auto const number = [&](int at, int otherwise) { return std::max(1, argc > at ? std::atoi(argv[at]) : otherwise); };
  if (argc > 4)
    street_model(number(1, 3), number(2, 2), argv[3], argv[4]);
  else
    sd15(number(1, 3), number(2, 2));
  return 0;
} catch (tadp::Error const& error) {
  std::fprintf(stderr, "bench_heads: %s\n", error.what());
  return 3;
}
