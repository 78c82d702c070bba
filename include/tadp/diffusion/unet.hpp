// SPDX-License-Identifier: Apache-2.0
// The denoising UNet of Stable Diffusion under the CompVis names: latents, time and texts in; four feature levels and
// averaged attention maps out, or the prediction of the noise. Time and the `out` layers are ordinary input and layers.
#pragma once

#include "tadp/diffusion/blocks.hpp"

#include <cmath>

namespace tadp {

/// [cos(t w_0) .. cos(t w_{h-1}), sin(t w_0) ..], w_j = 10000^(-j / h), h = dim / 2 (spec 1.3).
inline std::vector<float> timestep_embedding(float t, int dim) {
  std::vector<float> e(static_cast<std::size_t>(dim));
  int const half = dim / 2;
  for (int j = 0; j < half; ++j) {
    // In float, as the original: the rounding of the exponent shows at large t.
    float const w = std::exp(-9.210340371976184F * static_cast<float>(j) / static_cast<float>(half));
    e[static_cast<std::size_t>(j)] = std::cos(t * w);
    e[static_cast<std::size_t>(half + j)] = std::sin(t * w);
  }
  return e;
}

/// What the UNet gives to the pyramid. Levels count from the finest: features[0] has the latent's size.
template <class Value>
struct UNetFeatures {
  std::array<Value, 4> features{};
  std::array<Value, 4> cross_maps{};  // (N, h, w, text length): mean over heads and layers; levels 1 and 2 only
  std::array<Value, 4> self_maps{};   // (N, h, w, h * w), where asked for
  Value last{};                       // what the `out` layers read
};

/// Everything that the UNet reads beside the latent: one time projection a residual block, keys and values a transformer.
template <class Value>
struct UNetConditioning {
  std::vector<Value> time;
  std::vector<KeysValues<Value>> texts;
  std::int32_t const* text = nullptr;  ///< on the device: the text of each picture; null: picture n reads text n
};

template <UNetConfig Config>
class UNetOf {
 public:
  static constexpr UNetConfig config = Config;

  /// Names start at `scope`, the checkpoint's model.diffusion_model.
  explicit UNetOf(Scope const& s)
      : time0_(s / "time_embed" / 0, Config.model_channels, Config.time_dim()), time2_(s / "time_embed" / 2, Config.time_dim(), Config.time_dim()) {
    build_input(s / "input_blocks");
    build_middle(s / "middle_block");
    build_output(s / "output_blocks");
    out_norm_.emplace(s / "out" / 0, Config.model_channels, Config.norm_groups, 1e-5F, true);
    out_conv_.emplace(s / "out" / 2, Config.model_channels, Config.out_channels, ConvGeometry::same(3), Conv2d::Options{.init = Init::zero});
  }

  /// embedding (N or 1, 1, 1, model_channels), of timestep_embedding -> one projection for every residual block.
  template <class Ctx>
  std::vector<typename Ctx::Value> time_projections(Ctx& ctx, typename Ctx::Value const& embedding) const {
    auto const emb = time2_(ctx, activate(ctx, Activation::silu, time0_(ctx, embedding)));
    ctx.note("unet.emb", emb);
    auto const silu = activate(ctx, Activation::silu, emb);
    std::vector<typename Ctx::Value> all;
    for_each_block([&](Block const& b) {
      for (auto const* res : {&b.res, &b.second})
        if (*res) all.push_back((*res)->time_projection(ctx, silu));
    });
    return all;
  }
  /// context (T, 1, length, context_dim) -> the keys and values of every transformer.
  template <class Ctx>
  std::vector<KeysValues<typename Ctx::Value>> keys_values(Ctx& ctx, typename Ctx::Value const& context) const {
    std::vector<KeysValues<typename Ctx::Value>> all;
    for_each_block([&](Block const& b) {
      if (b.transformer) all.push_back(b.transformer->keys_values(ctx, context));
    });
    return all;
  }

  /// latent (N, h, w, in_channels), h and w multiples of 8, else Error(shape).
  template <class Ctx>
  UNetFeatures<typename Ctx::Value> operator()(Ctx& ctx, typename Ctx::Value const& latent, UNetConditioning<typename Ctx::Value> const& with,
                                               bool self_maps = false) const {
    using Value = typename Ctx::Value;
    require_whole_halvings(latent.shape);
    Pass<Value> pass{with, self_maps};
    Value h = latent;
    std::vector<Value> skips;
    for (std::size_t i = 0; i < input_.size(); ++i) {
      h = run(ctx, pass, input_[i], "unet.input_blocks." + std::to_string(i), h);
      skips.push_back(h);
    }
    h = run(ctx, pass, middle_, "unet.middle_block", h);
    UNetFeatures<Value> result;
    for (std::size_t i = 0; i < output_.size(); ++i) {
      Value const parts[] = {h, skips.back()};
      skips.pop_back();
      h = run(ctx, pass, output_[i], "unet.output_blocks." + std::to_string(i), ctx.concatenate(parts));
      if (output_[i].tap >= 0) result.features[static_cast<std::size_t>(output_[i].tap)] = h;
    }
    result.last = h;
    for (std::size_t level = 1; level <= 2; ++level) {
      if (!pass.cross[level].empty()) result.cross_maps[level] = mean(ctx, std::span<Value const>(pass.cross[level]));
      if (!pass.self[level].empty()) result.self_maps[level] = mean(ctx, std::span<Value const>(pass.self[level]));
    }
    return result;
  }

  /// The prediction of the noise, (N, h, w, out_channels).
  template <class Ctx>
  typename Ctx::Value noise(Ctx& ctx, UNetFeatures<typename Ctx::Value> const& features) const {
    return (*out_conv_)(ctx, (*out_norm_)(ctx, features.last));
  }

 private:
  /// One entry of input_blocks, middle_block or output_blocks: its modules in their order.
  struct Block {
    std::optional<Conv2d> first;  // input_blocks.0
    std::optional<ResBlock> res;
    std::optional<SpatialTransformer> transformer;
    std::optional<ResBlock> second;  // of the middle block
    std::optional<Conv2d> resample;
    int level = 0;
    int tap = -1;            // the pyramid level that reads this block's output
    bool maps = false;       // its attention maps are averaged (the middle block's are not)
  };
  template <class Value>
  struct Pass {
    UNetConditioning<Value> const& with;
    bool self_maps;
    std::size_t next_time = 0, next_text = 0;
    std::array<std::vector<Value>, 4> cross{}, self{};
  };

  /// What is halved with a rest comes back one larger than its skip connection.
  static void require_whole_halvings(FeatureShape const& latent) {
    constexpr index_t multiple = index_t{1} << (UNetConfig::levels - 1);
    if (latent.h() % multiple != 0 || latent.w() % multiple != 0)
      throw Error(Errc::shape, "the UNet takes latents whose sides are multiples of " + std::to_string(multiple) + ": pad the picture",
                  {.expected = "multiples of " + std::to_string(multiple), .found = std::to_string(latent.h()) + " x " + std::to_string(latent.w())});
  }

  template <class Use>
  void for_each_block(Use const& use) const {
    for (Block const& b : input_) use(b);
    use(middle_);
    for (Block const& b : output_) use(b);
  }

  template <class Ctx>
  typename Ctx::Value run(Ctx& ctx, Pass<typename Ctx::Value>& pass, Block const& b, std::string const& name, typename Ctx::Value h) const {
    using Value = typename Ctx::Value;
    int module = 0;
    auto const note = [&](Value const& v) { ctx.note(name + "." + std::to_string(module++), v); };
    if (b.first) note(h = (*b.first)(ctx, h));
    if (b.res) {
      ResBlock const* const res = &*b.res;
      h = ctx.checkpoint([res](Ctx& c, std::span<Value const> in) { return std::array<Value, 1>{(*res)(c, in[0], in[1])}; },
                         {h, pass.with.time[pass.next_time++]})[0];
      note(h);
    }
    if (b.transformer) {
      SpatialTransformer const* const transformer = &*b.transformer;
      KeysValues<Value> const& kv = pass.with.texts[pass.next_text++];
      bool const averaged = b.maps && (b.level == 1 || b.level == 2);
      MapsWanted const want{averaged || ctx.listening(), pass.self_maps && averaged};
      auto const out = ctx.checkpoint(
          [transformer, text = pass.with.text, want](Ctx& c, std::span<Value const> in) {
            auto const r = (*transformer)(c, in[0], {in[1], in[2]}, text, want);
            return std::array<Value, 3>{r.x, r.cross_map, r.self_map};
          },
          {h, kv.keys, kv.values});
      h = out[0];
      if (want.cross) ctx.note(name + "." + std::to_string(module) + ".attn2.map", out[1]);
      if (averaged) pass.cross[static_cast<std::size_t>(b.level)].push_back(ctx.map_of(out[1]));
      if (want.self) pass.self[static_cast<std::size_t>(b.level)].push_back(ctx.map_of(out[2]));
      note(h);
    }
    if (b.second) {
      ResBlock const* const res = &*b.second;
      h = ctx.checkpoint([res](Ctx& c, std::span<Value const> in) { return std::array<Value, 1>{(*res)(c, in[0], in[1])}; },
                         {h, pass.with.time[pass.next_time++]})[0];
      note(h);
    }
    if (b.resample) note(h = (*b.resample)(ctx, h));
    return h;
  }

  void build_input(Scope const& s) {
    input_.reserve(16);
    index_t channels = Config.model_channels;
    input_.emplace_back().first.emplace(s / 0 / 0, Config.in_channels, channels, ConvGeometry::same(3));
    skip_channels_.push_back(channels);
    for (int level = 0; level < Config.levels; ++level) {
      for (int i = 0; i < Config.num_res_blocks; ++i) {
        Scope const at = s / static_cast<int>(input_.size());
        Block& b = input_.emplace_back();
        b.level = level;
        b.maps = true;
        b.res.emplace(at / 0, Config, channels, Config.channels(level));
        channels = Config.channels(level);
        if (Config.attention[static_cast<std::size_t>(level)]) b.transformer.emplace(at / 1, Config, channels);
        skip_channels_.push_back(channels);
      }
      if (level + 1 == Config.levels) break;
      Scope const at = s / static_cast<int>(input_.size());
      Block& b = input_.emplace_back();
      b.resample.emplace(at / 0 / "op", channels, channels, ConvGeometry::same(3, 2));
      skip_channels_.push_back(channels);
    }
  }
  void build_middle(Scope const& s) {
    index_t const channels = Config.channels(Config.levels - 1);
    middle_.level = Config.levels - 1;
    middle_.res.emplace(s / 0, Config, channels, channels);
    middle_.transformer.emplace(s / 1, Config, channels);
    middle_.second.emplace(s / 2, Config, channels, channels);
  }
  void build_output(Scope const& s) {
    output_.reserve(16);
    index_t channels = Config.channels(Config.levels - 1);
    for (int level = Config.levels - 1; level >= 0; --level)
      for (int i = 0; i <= Config.num_res_blocks; ++i) {
        Scope const at = s / static_cast<int>(output_.size());
        Block& b = output_.emplace_back();
        b.level = level;
        b.maps = true;
        b.res.emplace(at / 0, Config, channels + skip_channels_.back(), Config.channels(level));
        skip_channels_.pop_back();
        channels = Config.channels(level);
        int modules = 1;
        if (Config.attention[static_cast<std::size_t>(level)]) b.transformer.emplace(at / modules++, Config, channels);
        // The tap is the last block of its level that does not double the size; at the finest level the very last one.
        if (i == Config.num_res_blocks && level > 0) {
          ConvGeometry doubled = ConvGeometry::same(3);
          doubled.upsample = true;
          b.resample.emplace(at / modules / "conv", channels, channels, doubled);
        }
        if (i == (level > 0 ? Config.num_res_blocks - 1 : Config.num_res_blocks)) b.tap = level;
      }
  }

  Linear time0_, time2_;
  std::vector<Block> input_;
  Block middle_;
  std::vector<Block> output_;
  std::optional<GroupNorm> out_norm_;
  std::optional<Conv2d> out_conv_;
  std::vector<index_t> skip_channels_;
};

/// The UNet of Stable Diffusion v1.5.
using UNet = UNetOf<sd15_unet>;

}  // namespace tadp
