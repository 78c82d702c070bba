// SPDX-License-Identifier: Apache-2.0
// The tiny networks with hashed weights, for against_diffusers.py: writes their weights, decodes a latent, and samples.
#include "tadp/io/hash_rule.hpp"
#include "tadp/io/weights.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/runs/sampler.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace {

using namespace tadp;
using TinyBackbone = Backbone<UNetOf<tiny_unet>, TextEncoderOf<tiny_text>>;
using TinySampler = Sampler<TinyBackbone, VaeDecoderOf<tiny_vae>, Cpu>;

struct Stack {
  std::shared_ptr<ParameterList> list = std::make_shared<ParameterList>();
  TinyBackbone backbone{Scope(*list)};
  VaeDecoderOf<tiny_vae> decoder{Scope(*list) / "first_stage_model"};
  std::shared_ptr<Weights<Cpu>> weights = std::make_shared<Weights<Cpu>>(Cpu(1), list);
};

std::vector<float> read(char const* path) {
  auto const bytes = read_file(path);
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}
void write(char const* path, std::vector<float> const& values) { write_file_atomic(path, std::as_bytes(std::span(values))); }

/// Token ids of one text a picture, as "5,6,7;8".
TinySampler::Texts texts_of(std::string_view text) {
  TinySampler::Texts texts(1);
  std::int32_t number = 0;
  bool inside = false;
  auto const finish = [&] {
    if (inside) texts.back().push_back(number);
    number = 0, inside = false;
  };
  for (char const c : text) {
    if (c >= '0' && c <= '9') {
      number = number * 10 + (c - '0'), inside = true;
    } else {
      finish();
      if (c == ';') texts.emplace_back();
    }
  }
  finish();
  return texts;
}

int run(std::span<char* const> args) {
  std::string_view const verb = args.size() > 1 ? args[1] : "";
  Stack const stack;
  if (verb == "weights" && args.size() == 4) {
    fill_by_hash(*stack.weights, std::strtoull(args[2], nullptr, 10));
    save_weights(*stack.weights, args[3]);
    return 0;
  }
  if (verb != "run" || args.size() != 11) {
    std::fputs("usage: diffusion_tool weights SEED OUT.safetensors\n"
               "       diffusion_tool run SEED WIDTH HEIGHT STEPS GUIDANCE IDS NOISE.f32 LATENT.f32 PICTURE.f32\n", stderr);
    return 2;
  }
  fill_by_hash(*stack.weights, std::strtoull(args[2], nullptr, 10));
  auto const texts = texts_of(args[7]);
  TinySampler sampler(stack.backbone, stack.decoder, stack.weights,
                      {.width = std::atoi(args[3]), .height = std::atoi(args[4]), .batch = static_cast<int>(texts.size()), .steps = std::atoi(args[5]), .guidance = std::strtof(args[6], nullptr)});
  auto const latent = sampler.denoise(texts, read(args[8]));
  write(args[9], latent);
  write(args[10], sampler.decode(latent));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(std::span<char* const>(argv, static_cast<std::size_t>(argc)));
  } catch (std::exception const& error) {
    std::fprintf(stderr, "diffusion_tool: %s\n", error.what());
    return 1;
  }
}
