// SPDX-License-Identifier: Apache-2.0
// The interface of runner.hpp over one stack and each of its prompts: included by one file a stack, as it compiles long.
#pragma once

#include "tadp/runner.hpp"

#include "tadp/core/random.hpp"
#include "tadp/io/weights.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/runs/features_file.hpp"
#include "tadp/session.hpp"
#include "tadp/text/word_tokenizer.hpp"

namespace program {

template <class Model>
class RunnerOf final : public Runner {
 public:
  RunnerOf(ModelFile const& file, RunnerOptions const& options) : description_(file.description), model_(model_of(file)), weights_(weights_of(file)), session_(model_, weights_, options_of(file, options)) {}

  tadp::Tokens const& encode(tadp::Prompt const& prompt, tadp::Control const& control) override {
    session_.set_prompt(prompt, control);
    return session_.tokens();
  }
  std::vector<NamedPosition> positions() const override {
    std::vector<NamedPosition> named;
    tadp::Tokens const& tokens = session_.tokens();
    if constexpr (Model::Prompt::template has<tadp::Caption>)
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
    return session_.run(picture, prompt, wanted, control);
  }
  void write_features(fs::path const& path, tadp::PictureView picture, tadp::Control const& control) override {
    auto input = tadp::features_input(picture, session_.tokens().ids, description_.normalisation, description_.latent);
    if (description_.latent.sample) {
      constexpr int stride = tadp::VaeConfig(Model::Backbone::VaeEncoder::config).stride();
      input.noise.resize(static_cast<std::size_t>(picture.height / stride) * static_cast<std::size_t>(picture.width / stride) * static_cast<std::size_t>(description_.vae.z_channels));
      for (std::size_t i = 0; i < input.noise.size(); ++i) input.noise[i] = tadp::random_normal(tadp::random_key(0, 0, 0), i);  // what a session draws for its first window
    }
    tadp::write_features(path, *model_, *weights_, input, session_.options().threads, control);
  }
  int classes() const override { return static_cast<int>(session_.classes()); }
  std::array<int, 2> window() const override { return session_.options().window; }
  int stride() const override { return session_.options().stride; }

 private:
  static constexpr tadp::TextEncoderConfig text = Model::Backbone::TextEncoder::config;

  static std::shared_ptr<Model const> model_of(ModelFile const& file) {
    tadp::ModelDescription fitting = file.description;
    fitting.prompt_parts = Model::Prompt::names();  // a modifier has no tokens of its own: one type serves with and without
    tadp::require_model<Model>(fitting, file.path.string());
    auto const count = [](std::size_t n) { return static_cast<tadp::index_t>(n); };
    return std::make_shared<Model const>(tadp::ModelSizes{.classes = count(file.description.classes.size()), .class_embeddings = file.description.class_embeddings});
  }
  std::shared_ptr<tadp::Weights<tadp::Cpu> const> weights_of(ModelFile const& file) const {
    auto weights = std::make_shared<tadp::Weights<tadp::Cpu>>(tadp::Cpu(1), model_->parameters());
    tadp::load_weights_from(*weights, std::span(&file.tensors, 1), file.path.string(), {.wanted = file.wanted()});
    return weights;
  }
  static tadp::SessionOptions options_of(ModelFile const& file, RunnerOptions const& o) {
    tadp::ModelDescription const& d = file.description;
    tadp::SessionOptions options{.window = o.window[0] > 0 ? o.window : d.window,
                                 .stride = o.stride >= 0 ? o.stride : o.window[0] > 0 ? 0 : d.stride,
                                 .fit = o.fit.value_or(d.fit),
                                 .batch = o.batch,
                                 .threads = o.threads,
                                 .latent = d.latent,
                                 .normalisation = d.normalisation};
    if (!d.vocabulary.empty()) options.tokenizer = tadp::WordTokenizer(d.vocabulary, text);
    return options;
  }

  tadp::ModelDescription description_;
  std::shared_ptr<Model const> model_;
  std::shared_ptr<tadp::Weights<tadp::Cpu> const> weights_;
  tadp::Session<Model, tadp::Inference<tadp::Cpu>> session_;
};

/// The prompts that a stack is built for. `Width`: of the head.
template <class Backbone, int Width>
std::unique_ptr<Runner> runner_of_stack(ModelFile const& file, RunnerOptions const& options) {
  using Head = tadp::Head<tadp::SegmentationOf<tadp::dynamic, Width>>;
  using Parts = std::vector<std::string>;
  auto const make = [&]<class... P>(std::type_identity<tadp::PromptPolicy<P...>>) -> std::unique_ptr<Runner> {
    return std::make_unique<RunnerOf<tadp::Model<Backbone, tadp::PromptPolicy<P...>, Head>>>(file, options);
  };
  Parts const& parts = file.description.prompt_parts;
  if (parts == Parts{"caption"} || parts == Parts{"caption", "modifier"}) return make(std::type_identity<tadp::PromptPolicy<tadp::Caption, tadp::Modifier>>{});
  if (parts == Parts{"null"}) return make(std::type_identity<tadp::PromptPolicy<tadp::Null>>{});
  if (parts == Parts{"averaged_eos"}) return make(std::type_identity<tadp::PromptPolicy<tadp::AveragedEos>>{});
  return nullptr;
}

}  // namespace program
