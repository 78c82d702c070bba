// SPDX-License-Identifier: Apache-2.0
// Fills a feature cache: windows of samples through a session's backbone, in batches, once.
// A cache that is there already is opened, and refused where weights, prompt, preprocessing or data are not those at hand.
#pragma once

#include "tadp/data/crop.hpp"
#include "tadp/exec/control.hpp"
#include "tadp/runs/feature_cache.hpp"
#include "tadp/runs/head_only.hpp"
#include "tadp/runs/prompt_rule.hpp"
#include "tadp/session.hpp"

namespace tadp {

struct FeatureCacheOptions {
  std::filesystem::path path{};
  Dtype dtype = Dtype::F16;
  int views = 1;             ///< windows of each sample
  CropOptions crop{};        ///< how they are cut; its size is replaced by the session's window
  std::uint64_t seed = 0;
  std::string data{};        ///< a name for the content of the source: Dataset::fingerprint(), or seeds
};

namespace detail {

/// Host copy of picture `n` of a batch of features, without gaps.
template <class Device>
void copy_picture(Device const& device, ConstFeatures<Device> v, index_t n, std::vector<float>& out) {
  FeatureShape const shape(v.shape);
  std::vector<float> raw(static_cast<std::size_t>((shape.positions() - 1) * v.pixel_stride + shape.c()));
  device.copy_to_host(raw.data(), v.pixel(n * shape.positions()), raw.size() * sizeof(float));
  out.resize(static_cast<std::size_t>(shape.positions() * shape.c()));
  for (index_t p = 0; p < shape.positions(); ++p) std::copy_n(raw.data() + p * v.pixel_stride, shape.c(), out.data() + p * shape.c());
}

/// add_crop makes [-1, 1]; models may want another normalisation.
inline void renormalise(std::span<float> pictures, Normalisation const& n) {
  Normalisation const made{};
  if (n == made) return;
  for (std::size_t i = 0; i < pictures.size(); ++i) pictures[i] = (pictures[i] * made.deviation[i % 3] + made.mean[i % 3] - n.mean[i % 3]) / n.deviation[i % 3];
}

template <class SessionType, class Source>
class FeatureBuilder {
 public:
  using Model = typename SessionType::Model;
  using Device = typename SessionType::Device;

  FeatureBuilder(SessionType& session, Weights<Device> const& weights, Source& source, PromptRule const& rule, FeatureCacheOptions const& options)
      : session_(session), weights_(weights), source_(source), rule_(rule), options_(options) {
    auto const& o = session.options();
    if (options.views < 1 || source.size() == 0) throw Error(Errc::argument, "there is nothing to make features of");
    if (Model::Prompt::has_text && o.texts < o.batch)
      throw Error(Errc::argument, "a session that fills a feature cache reads a text a window", {.key = "texts", .expected = std::to_string(o.batch), .found = std::to_string(o.texts)});
    options_.crop.height = o.window[0];
    options_.crop.width = o.window[1];
  }

  FeatureCacheKey key() const {
    auto const& o = session_.options();
    auto const& c = options_.crop;
    Fingerprint input;
    input.add(std::as_bytes(std::span(&o.normalisation, 1))).add(std::as_bytes(std::span(&o.latent.scale, 1)));
    std::string const window = std::to_string(c.width) + "x" + std::to_string(c.height);
    auto const number = [](auto value) { return std::to_string(value) + " "; };
    std::string const cut = number(options_.views) + "views, scale " + number(c.min_scale) + "to " + number(c.max_scale) + (c.mirror ? "mirrored " : "") + (c.photometric ? "photometric " : "") + "seed " + number(options_.seed);
    // The first prompt's tokens stand for the tokenizer; the texts of the others belong to the data.
    auto const ids = ids_of(source_[0]);
    Fingerprint tokens;
    tokens.add(std::as_bytes(std::span(ids)));
    return {backbone_fingerprint(session_.model(), weights_), rule_.name + ", tokens " + tokens.hex(),
            window + ", " + (o.latent.sample ? "sample " + number(o.seed) : "mode ") + input.hex() + ", " + cut + std::string(to_string(options_.dtype)), options_.data + ", " + std::to_string(source_.size()) + " samples"};
  }

  /// progress: items done of all.
  void build(FeatureCacheKey const& key, Control const& control) {
    std::size_t const items = source_.size() * static_cast<std::size_t>(options_.views), batch = static_cast<std::size_t>(session_.options().batch);
    std::optional<FeatureCacheWriter> writer;
    std::array<std::vector<float>, 4> levels;
    for (std::size_t first = 0; first < items; first += batch) {
      Batch const windows = run(first, items, control);
      if (!writer) writer.emplace(options_.path, key, layout(items));
      std::size_t const pixels = windows.labels.size() / batch, count = std::min(batch, items - first);
      for (std::size_t i = 0; i < count; ++i) {
        for (std::size_t l = 0; l < 4; ++l) copy_picture(weights_.device(), session_.pyramid(static_cast<int>(l)), static_cast<index_t>(i), levels[l]);
        writer->add({levels[0], levels[1], levels[2], levels[3]}, std::span(windows.labels).subspan(i * pixels, pixels));
      }
      control.step(first + count, items);
    }
    writer->commit();
  }

 private:
  std::vector<std::int32_t> ids_of(Sample const& sample) const {
    return tokens_of<typename Model::Prompt>(rule_.prompt(sample), session_.options().tokenizer, SessionType::text_config).ids;
  }
  /// Runs the batch that begins with an item; past the end the last item stands in.
  Batch run(std::size_t first, std::size_t items, Control const& control) {
    Batch batch;
    std::vector<std::int32_t> ids, texts;
    for (int i = 0; i < session_.options().batch; ++i) {
      std::size_t const item = std::min(first + static_cast<std::size_t>(i), items - 1);
      Sample const& sample = source_[item / static_cast<std::size_t>(options_.views)];
      add_crop(batch, sample, options_.crop, random_key(options_.seed, item));
      auto const own = ids_of(sample);
      if (!Model::Prompt::has_text) continue;
      ids.insert(ids.end(), own.begin(), own.end());
      texts.push_back(i);
    }
    renormalise(batch.pictures, session_.options().normalisation);
    std::vector<float> noise;
    if (session_.options().latent.sample) {
      noise.resize(static_cast<std::size_t>(session_.latent().shape.count()));
      // Keyed by item: features do not depend on how many are made at once.
      std::size_t const each = noise.size() / static_cast<std::size_t>(session_.options().batch);
      for (std::size_t i = 0; i < noise.size(); ++i) noise[i] = random_normal(random_key(session_.options().seed, first + i / each), i % each);
    }
    session_.run_raw({batch.pictures, ids, texts, noise}, Control{.stop = control.stop});
    return batch;
  }
  FeatureCacheLayout layout(std::size_t items) const {
    FeatureCacheLayout layout{.items = items, .labels = {options_.crop.height, options_.crop.width}, .dtype = options_.dtype};
    for (std::size_t l = 0; l < 4; ++l) {
      FeatureShape const shape(session_.pyramid(static_cast<int>(l)).shape);
      layout.levels[l] = {shape.h(), shape.w(), shape.c()};
    }
    return layout;
  }

  SessionType& session_;
  Weights<Device> const& weights_;
  Source& source_;
  PromptRule const& rule_;
  FeatureCacheOptions options_;
};

}  // namespace detail

/// Opens the cache of `options.path`, or fills it first where there is none: whole or not at all. `weights`: the session's.
/// Error(argument) where a cache is there that was made from something else; errors of source and session; Error(cancelled).
template <class SessionType, class Source>
FeatureCache open_or_build_features(SessionType& session, Weights<typename SessionType::Device> const& weights, Source& source, PromptRule const& rule, FeatureCacheOptions const& options,
                                    Control const& control = {}) {
  detail::FeatureBuilder<SessionType, Source> builder(session, weights, source, rule, options);
  FeatureCacheKey const key = builder.key();
  if (std::error_code ignored; !std::filesystem::exists(options.path, ignored)) builder.build(key, control);
  return FeatureCache(options.path, key);
}

}  // namespace tadp
