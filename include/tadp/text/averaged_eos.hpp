// SPDX-License-Identifier: Apache-2.0
// Class embeddings computed in process (spec 3.3): a name in each template, the text encoder's state at the end token after
// the final layer norm, and the mean of these. No projection, no norm.
#pragma once

#include "tadp/exec/control.hpp"
#include "tadp/exec/inference.hpp"
#include "tadp/io/class_embeddings.hpp"
#include "tadp/text/clip.hpp"
#include "tadp/text/modifier.hpp"
#include "tadp/text/templates.hpp"
#include "tadp/text/tokens.hpp"

namespace tadp {

struct AveragedEosOptions {
  std::vector<std::string> templates = imagenet_templates();  ///< "{}" stands for the name
  int length = 20;                                            ///< tokens of a text, begin and end included; longer ones are cut
  int batch = 16;                                             ///< texts a pass
};

namespace averaged_eos_detail {

/// The first `length` tokens, the last of which is the end: what a tokenizer of this length makes.
inline std::vector<std::int32_t> cut(std::vector<std::int32_t> ids, int length, std::int32_t end) {
  ids.resize(static_cast<std::size_t>(length), end);
  ids.back() = end;
  return ids;
}

/// Texts of a fixed count and length through the encoder.
template <class TextEncoder, class Device>
class EosPass {
 public:
  EosPass(Device device, Weights<Device> const& weights, TextEncoder const& encoder, int texts, int length)
      : device_(std::move(device)), plan_(device_, &weights.list(), weights.flat()), ids_(device_, Shape<1>{{index_t{texts} * length}}) {
    PlanContext<Device> ctx(plan_);
    hidden_ = encoder(ctx, ids_.data(), texts, length);
    plan_.keep(hidden_);
    plan_.finish();
  }
  /// ids: texts x length. Calls `take(text, state)` with the state of width `width` at each text's first end token.
  template <class Take>
  void run(std::span<std::int32_t const> ids, Control const& control, Take const& take) {
    device_.copy_from_host(ids_.data(), ids.data(), ids.size_bytes());
    plan_.run(device_, [&](std::size_t, std::size_t) { control.check(); });
    auto const view = plan_.view(hidden_);
    states_.resize(static_cast<std::size_t>(view.shape.count()));
    device_.copy_to_host(states_.data(), view.data, states_.size() * sizeof(float));
    auto const length = static_cast<std::size_t>(view.shape[2]), width = static_cast<std::size_t>(view.shape.channels());
    for (std::size_t t = 0; t < ids.size() / length; ++t) {
      auto const text = ids.subspan(t * length, length);
      auto const end = static_cast<std::size_t>(std::find(text.begin(), text.end(), TextEncoder::config.end_token) - text.begin());
      take(t, std::span<float const>(states_).subspan((t * length + end) * width, width));
    }
  }

 private:
  Device device_;
  Plan<Device> plan_;
  Tensor<std::int32_t, 1, Device> ids_;
  PlannedValue hidden_{};
  std::vector<float> states_;
};

/// The ids of every name in every template, (names x templates x length); the checks of averaged_eos.
inline std::vector<std::int32_t> ids_of(Tokenizer const& tokenizer, std::span<std::string const> names, AveragedEosOptions const& options, TextEncoderConfig const& config) {
  auto const refuse = [](char const* message, std::string key, std::string found) { throw Error(Errc::argument, message, {.key = std::move(key), .found = std::move(found)}); };
  if (!tokenizer) refuse("class embeddings need a tokenizer", "tokenizer", "none");
  if (names.empty() || options.templates.empty()) refuse("class embeddings need names and templates", names.empty() ? "names" : "templates", "none");
  if (options.length < 3 || options.length > config.length) refuse("this length does not fit the text encoder", "length", std::to_string(options.length));
  if (options.batch < 1) refuse("a pass needs a text", "batch", std::to_string(options.batch));
  std::vector<std::int32_t> ids;
  for (std::string const& name : names) {
    if (name.find_first_not_of(" _\t\n") == std::string::npos) refuse("a class has no name", "names", printable(name));
    std::string words = name;
    std::replace(words.begin(), words.end(), '_', ' ');
    for (std::string const& one : options.templates) {
      if (one.find("{}") == std::string::npos) refuse("a template has no place for the name", "templates", printable(one));
      auto const text = cut(tokenizer(modified(one, words)).ids, options.length, config.end_token);
      ids.insert(ids.end(), text.begin(), text.end());
    }
  }
  return ids;
}

}  // namespace averaged_eos_detail

/// One embedding a name, underscores read as blanks. Error(argument) without names, templates or a tokenizer, for a name
/// without text or a template without "{}", or where an option does not fit the encoder; errors of the tokenizer;
/// Error(cancelled). Progress in texts.
template <class TextEncoder, class Device>
ClassEmbeddings averaged_eos(Device device, Weights<Device> const& weights, TextEncoder const& encoder, Tokenizer const& tokenizer, std::vector<std::string> names, AveragedEosOptions const& options = {},
                             Control const& control = {}) {
  constexpr TextEncoderConfig const& config = TextEncoder::config;
  auto const ids = averaged_eos_detail::ids_of(tokenizer, names, options, config);
  auto const length = static_cast<std::size_t>(options.length), width = static_cast<std::size_t>(config.width), batch = static_cast<std::size_t>(options.batch);
  auto const texts = names.size() * options.templates.size();
  averaged_eos_detail::EosPass<TextEncoder, Device> pass(std::move(device), weights, encoder, options.batch, options.length);
  std::vector<double> sums(names.size() * width);
  for (std::size_t first = 0; first < texts; first += batch) {
    auto const count = std::min(batch, texts - first);
    auto part = std::vector<std::int32_t>(ids.begin() + static_cast<std::ptrdiff_t>(first * length), ids.begin() + static_cast<std::ptrdiff_t>((first + count) * length));
    part.resize(batch * length, config.end_token);  // the rest of the last pass is not looked at
    pass.run(part, control, [&](std::size_t t, std::span<float const> state) {
      if (t >= count) return;
      double* const sum = sums.data() + (first + t) / options.templates.size() * width;
      for (std::size_t c = 0; c < width; ++c) sum[c] += static_cast<double>(state[c]);
    });
    control.step(first + count, texts);
  }
  ClassEmbeddings result{static_cast<index_t>(names.size()), config.width, std::vector<float>(sums.size()), std::move(names)};
  for (std::size_t i = 0; i < sums.size(); ++i) result.values[i] = static_cast<float>(sums[i] / static_cast<double>(options.templates.size()));
  return result;
}

}  // namespace tadp
