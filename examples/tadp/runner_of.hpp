// SPDX-License-Identifier: Apache-2.0
// The interface of runner.hpp over one stack, its heads and each of its prompts: included by few files, as it compiles long.
#pragma once

#include "tadp/runner.hpp"

#include "tadp/core/random.hpp"
#include "tadp/io/weights.hpp"
#include "tadp/kernels/cpu.hpp"
#if defined(TADP_PROGRAM_CUDA)
#include "tadp/kernels/cuda.hpp"
#endif
#include "tadp/runs/described_model.hpp"
#include "tadp/runs/features_file.hpp"
#include "tadp/session.hpp"

namespace program {

/// The device itself, before a session makes one of its own of it.
template <class Device>
Device opened_device() {
  if constexpr (std::is_same_v<Device, tadp::Cpu>)
    return tadp::Cpu(1);
  else
    return Device(0);
}

template <class Model, class Device>
class RunnerOf final : public Runner {
  using Session = tadp::Session<Model, tadp::Inference<Device>>;

 public:
  RunnerOf(ModelFile const& file, RunnerOptions const& options) : description_(file.description), words_(model_words(file, options.words)), model_(model_of(file, words_)), weights_(weights_of(file)), session_(model_, weights_, options_of(file, options, words_)) {}

  tadp::Tokens const& encode(tadp::Prompt const& prompt, tadp::Control const& control) override {
    session_.set_prompt(prompt, control);
    return session_.tokens();
  }
  std::vector<NamedPosition> positions() const override {
    std::vector<NamedPosition> named;
    tadp::Tokens const& tokens = session_.tokens();
    if constexpr (Model::Prompt::has_words)
      for (std::size_t i = 0; i < tokens.ids.size(); ++i) {
        if (tokens.words.empty() && i > 0 && tokens.ids[i] == text.end_token) break;
        if (!tokens.words.empty() && !tokens.words[i].empty()) named.push_back({static_cast<int>(i), tokens.words[i]});
        if (tokens.words.empty() && tokens.ids[i] != text.begin_token) named.push_back({static_cast<int>(i), "id" + std::to_string(tokens.ids[i])});
      }
    if constexpr (Model::Prompt::has_classes) {
      int const first = Model::Prompt::has_text ? text.length : 0;
      for (int i = 0; i < description_.class_embeddings; ++i) {
        auto const at = static_cast<std::size_t>(i);
        named.push_back({first + i, at < description_.classes.size() ? description_.classes[at].name : "class" + std::to_string(i)});
      }
    }
    return named;
  }
  tadp::SegmentationResult segment(tadp::PictureView picture, tadp::Prompt const& prompt, tadp::Wanted const& wanted, tadp::Control const& control) override {
    if constexpr (Session::template answers<tadp::SegmentationResult>) return session_.run(picture, prompt, wanted, control);
    refuse("segmentation");
  }
  tadp::DepthMap depth(tadp::PictureView picture, tadp::Prompt const& prompt, tadp::Control const& control) override {
    if constexpr (Session::template answers<tadp::DepthMap>) return session_.depth(picture, prompt, control);
    refuse("depth");
  }
  tadp::DetectionResult detect(tadp::PictureView picture, tadp::Prompt const& prompt, tadp::Control const& control) override {
    if constexpr (Session::template answers<tadp::DetectionResult>) return session_.detect(picture, prompt, control);
    refuse("detection");
  }
  Perception perceive(tadp::PictureView picture, tadp::Prompt const& prompt, tadp::Wanted const& wanted, tadp::Control const& control) override {
    auto answers = session_.perceive(picture, prompt, wanted, control);
    Perception out;
    std::apply([&](auto&... answer) { (keep(out, answer), ...); }, answers);
    out.maps = out.labels ? std::move(out.labels->maps) : session_.maps();
    return out;
  }
  void write_features(fs::path const& path, tadp::PictureView picture, tadp::Control const& control) override {
    if constexpr (!std::is_same_v<Device, tadp::Cpu>)
      throw tadp::Error(tadp::Errc::unsupported, "features are written from the processor", {.key = "--device", .expected = tadp::Cpu::name, .found = Device::name});
    else
      write_features_of(path, picture, control);
  }
  std::array<int, 2> window() const override { return session_.options().window; }
  std::vector<int> stride() const override {
    auto const& o = session_.options();
    if (o.shifts > 0) return {};
    if (o.stride > 0) return {o.stride, o.stride};
    return {static_cast<int>(tadp::default_stride(o.window[0])), static_cast<int>(tadp::default_stride(o.window[1]))};
  }
  std::span<tadp::TokenEmbedding const> learned() const override { return words_.learned; }

 private:
  static constexpr tadp::TextEncoderConfig text = Model::Backbone::TextEncoder::config;

  void write_features_of(fs::path const& path, tadp::PictureView picture, tadp::Control const& control) {
    auto input = tadp::features_input(picture, session_.tokens().ids, description_.normalisation, description_.latent);
    if (description_.latent.sample) {
      constexpr int stride = tadp::VaeConfig(Model::Backbone::VaeEncoder::config).stride();
      input.noise.resize(static_cast<std::size_t>(picture.height / stride) * static_cast<std::size_t>(picture.width / stride) * static_cast<std::size_t>(description_.vae.z_channels));
      for (std::size_t i = 0; i < input.noise.size(); ++i) input.noise[i] = tadp::random_normal(tadp::random_key(0, 0, 0), i);  // what a session draws for its first window
    }
    tadp::write_features(path, *model_, *weights_, input, session_.options().threads, control);
  }
  static void keep(Perception& out, tadp::SegmentationResult& answer) { out.labels = std::move(answer); }
  static void keep(Perception& out, tadp::DepthMap& answer) { out.depth = std::move(answer); }
  static void keep(Perception& out, tadp::DetectionResult& answer) { out.boxes = std::move(answer); }
  [[noreturn]] void refuse(std::string const& task) const {
    throw tadp::Error(tadp::Errc::unsupported, "the model has no head for this task", {.key = "task", .expected = task, .found = description_.task});
  }

  static std::shared_ptr<Model const> model_of(ModelFile const& file, ModelWords const& words) {
    tadp::ModelDescription fitting = file.description;
    fitting.prompt_parts = Model::Prompt::names();  // parts without tokens of their own: one type serves with and without
    tadp::require_model<Model>(fitting, file.path.string());
    auto sizes = tadp::sizes_of<Model>(file.description, file.path.string());
    sizes.learned_tokens = tadp::row_count(words.learned);
    return std::make_shared<Model const>(sizes);
  }
  std::shared_ptr<tadp::Weights<Device> const> weights_of(ModelFile const& file) const {
    auto weights = std::make_shared<tadp::Weights<Device>>(opened_device<Device>(), model_->parameters());
    load_weights_with(*weights, file, words_);
    return weights;
  }
  static tadp::SessionOptions options_of(ModelFile const& file, RunnerOptions const& o, ModelWords const& words) {
    auto options = tadp::session_options_of(file.description);
    if (o.window[0] > 0) options.window = o.window, options.stride = 0;
    if (o.stride >= 0) options.stride = o.stride, options.shifts = 0;
    if (o.fit) options.fit = *o.fit, options.stretch = false;
    options.batch = o.batch;
    options.threads = o.threads;
    options.tokenizer = words.tokenizer;
    return options;
  }

  tadp::ModelDescription description_;
  ModelWords words_;
  std::shared_ptr<Model const> model_;
  std::shared_ptr<tadp::Weights<Device> const> weights_;
  Session session_;
};

/// The parts that decide a model's type: texts of any maker are one kind, and what has no tokens of its own is none.
inline std::vector<std::string> deciding_parts(std::vector<std::string> parts) {
  for (std::string& part : parts)
    if (part == "class_names" || part == "oracle" || part == "nouns") part = "caption";
  for (char const* const part : {"modifier", "learned_token", "personalised"}) std::erase(parts, part);
  std::sort(parts.begin(), parts.end());
  return parts;
}

/// A caption with all that goes around it and into it.
template <class... More>
using Words = tadp::PromptPolicy<tadp::Caption, tadp::Modifier, tadp::LearnedToken, tadp::Personalised, More...>;

/// The runner of a model where its policy is the one that the file's parts name; null otherwise.
template <class Model>
std::unique_ptr<Runner> runner_where_named(ModelFile const& file, RunnerOptions const& options) {
  if (deciding_parts(file.description.prompt_parts) != deciding_parts(Model::Prompt::names())) return nullptr;
#if defined(TADP_PROGRAM_CUDA)
  if (options.device == tadp::Cuda::name) return std::make_unique<RunnerOf<Model, tadp::Cuda>>(file, options);
#endif
  return std::make_unique<RunnerOf<Model, tadp::Cpu>>(file, options);
}
/// The same for the first of several policies.
template <class Backbone, class HeadOrHeads, class... Policies>
std::unique_ptr<Runner> runner_of_prompts(ModelFile const& file, RunnerOptions const& options) {
  std::unique_ptr<Runner> runner;
  ((runner = runner ? std::move(runner) : runner_where_named<tadp::Model<Backbone, Policies, HeadOrHeads>>(file, options)), ...);
  return runner;
}

/// Labels by mmsegmentation's decoder with the prompts that each stack is built for. `Width`: of the decoder.
template <class Backbone, int Width>
std::unique_ptr<Runner> runner_of_labels(ModelFile const& file, RunnerOptions const& options) {
  using namespace tadp;
  return runner_of_prompts<Backbone, Head<SegmentationOf<dynamic, Width>>, Words<>, Words<AveragedEos>, PromptPolicy<Null>, PromptPolicy<AveragedEos>>(file, options);
}

}  // namespace program
