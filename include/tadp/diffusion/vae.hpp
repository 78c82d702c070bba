// SPDX-License-Identifier: Apache-2.0
// The autoencoder of Stable Diffusion under the CompVis names: pictures to the moments of a latent, latents to pictures.
// Perception needs the encoder alone; the decoder trains the small stack and shows what it learned.
#pragma once

#include "tadp/core/config.hpp"
#include "tadp/core/preprocessing.hpp"
#include "tadp/ops/attention.hpp"
#include "tadp/ops/layers.hpp"

namespace tadp {

/// Names norm1, conv1, norm2, conv2, nin_shortcut.
class VaeResBlock {
 public:
  VaeResBlock(Scope const& s, int groups, index_t in, index_t out)
      : norm1_(s / "norm1", in, groups, 1e-6F, true), conv1_(s / "conv1", in, out, ConvGeometry::same(3)),
        norm2_(s / "norm2", out, groups, 1e-6F, true), conv2_(s / "conv2", out, out, ConvGeometry::same(3)) {
    if (in != out) shortcut_.emplace(s / "nin_shortcut", in, out, ConvGeometry::same(1));
  }
  template <class Ctx>
  typename Ctx::Value operator()(Ctx& ctx, typename Ctx::Value const& x) const {
    auto const h = conv1_(ctx, norm1_(ctx, x));
    auto const skip = shortcut_ ? (*shortcut_)(ctx, x) : x;
    return conv2_(ctx, norm2_(ctx, h), {}, skip);
  }

 private:
  GroupNorm norm1_;
  Conv2d conv1_;
  GroupNorm norm2_;
  Conv2d conv2_;
  std::optional<Conv2d> shortcut_;
};

/// One head over all channels; names norm, q, k, v, proj_out.
class VaeAttention {
 public:
  VaeAttention(Scope const& s, int groups, index_t c)
      : norm_(s / "norm", c, groups, 1e-6F, false), q_(s / "q", c, c, ConvGeometry::same(1)), k_(s / "k", c, c, ConvGeometry::same(1)),
        v_(s / "v", c, c, ConvGeometry::same(1)), proj_out_(s / "proj_out", c, c, ConvGeometry::same(1)) {}
  template <class Ctx>
  typename Ctx::Value operator()(Ctx& ctx, typename Ctx::Value const& x) const {
    auto const h = norm_(ctx, x);
    auto const attended = ctx.apply(AttentionOp{{1, false}}, {q_(ctx, h), k_(ctx, h), v_(ctx, h)})[0];
    return proj_out_(ctx, attended, {}, x);
  }

 private:
  GroupNorm norm_;
  Conv2d q_, k_, v_, proj_out_;
};

/// mid.block_1, mid.attn_1 (where the configuration has it), mid.block_2.
class VaeMiddle {
 public:
  VaeMiddle(Scope const& s, VaeConfig const& config, index_t c) : block1_(s / "block_1", config.norm_groups, c, c) {
    if (config.mid_attention) attention_.emplace(s / "attn_1", config.norm_groups, c);
    block2_.emplace(s / "block_2", config.norm_groups, c, c);
  }
  template <class Ctx>
  typename Ctx::Value operator()(Ctx& ctx, std::string const& name, typename Ctx::Value h) const {
    ctx.note(name + ".block_1", h = block1_(ctx, h));
    if (attention_) ctx.note(name + ".attn_1", h = (*attention_)(ctx, h));
    ctx.note(name + ".block_2", h = (*block2_)(ctx, h));
    return h;
  }

 private:
  VaeResBlock block1_;
  std::optional<VaeAttention> attention_;
  std::optional<VaeResBlock> block2_;  // optional for the order of the parameters: it comes after the attention
};

template <VaeConfig Config>
class VaeEncoderOf {
 public:
  static constexpr VaeConfig config = Config;

  /// Names start at `scope`, the checkpoint's first_stage_model.
  explicit VaeEncoderOf(Scope const& s)
      : conv_in_(s / "encoder" / "conv_in", Config.in_channels, Config.base_channels, ConvGeometry::same(3)), levels_(build(s / "encoder" / "down")),
        middle_(s / "encoder" / "mid", Config, top), norm_out_(s / "encoder" / "norm_out", top, Config.norm_groups, 1e-6F, true),
        conv_out_(s / "encoder" / "conv_out", top, 2 * Config.z_channels, ConvGeometry::same(3)),
        quant_conv_(s / "quant_conv", 2 * Config.z_channels, 2 * Config.z_channels, ConvGeometry::same(1)) {}

  /// picture (N, H, W, 3), normalised, H and W multiples of stride() -> mean and log variance, (N, H / stride, W / stride, 2 z).
  template <class Ctx>
  typename Ctx::Value operator()(Ctx& ctx, typename Ctx::Value const& picture) const {
    auto h = conv_in_(ctx, picture);
    ctx.note("vae.conv_in", h);
    for (std::size_t i = 0; i < levels_.size(); ++i) {
      std::string const name = "vae.down." + std::to_string(i);
      for (std::size_t j = 0; j < levels_[i].blocks.size(); ++j) ctx.note(name + ".block." + std::to_string(j), h = levels_[i].blocks[j](ctx, h));
      if (levels_[i].downsample) ctx.note(name + ".downsample", h = (*levels_[i].downsample)(ctx, h));
    }
    h = conv_out_(ctx, norm_out_(ctx, middle_(ctx, "vae.mid", h)));
    ctx.note("vae.conv_out", h);
    h = quant_conv_(ctx, h);
    ctx.note("vae.moments", h);
    return h;
  }

 private:
  static constexpr index_t top = Config.channels(Config.levels - 1);
  struct Level {
    std::vector<VaeResBlock> blocks;
    std::optional<Conv2d> downsample;
  };
  static std::vector<Level> build(Scope const& s) {
    // Right and bottom are padded by one, left and top are not (spec 1.1).
    constexpr ConvGeometry half{.kernel = 3, .stride = 2, .pad_bottom = 1, .pad_right = 1};
    std::vector<Level> levels;
    index_t channels = Config.base_channels;
    for (int i = 0; i < Config.levels; ++i) {
      Level& level = levels.emplace_back();
      for (int j = 0; j < Config.num_res_blocks; ++j) {
        level.blocks.emplace_back(s / i / "block" / j, Config.norm_groups, channels, Config.channels(i));
        channels = Config.channels(i);
      }
      if (i + 1 < Config.levels) level.downsample.emplace(s / i / "downsample" / "conv", channels, channels, half);
    }
    return levels;
  }

  Conv2d conv_in_;
  std::vector<Level> levels_;
  VaeMiddle middle_;
  GroupNorm norm_out_;
  Conv2d conv_out_, quant_conv_;
};

template <VaeConfig Config>
class VaeDecoderOf {
 public:
  explicit VaeDecoderOf(Scope const& s)
      : post_quant_conv_(s / "post_quant_conv", Config.z_channels, Config.z_channels, ConvGeometry::same(1)),
        conv_in_(s / "decoder" / "conv_in", Config.z_channels, top, ConvGeometry::same(3)), middle_(s / "decoder" / "mid", Config, top),
        levels_(build(s / "decoder" / "up")), norm_out_(s / "decoder" / "norm_out", Config.base_channels, Config.norm_groups, 1e-6F, true),
        conv_out_(s / "decoder" / "conv_out", Config.base_channels, Config.in_channels, ConvGeometry::same(3)) {}

  /// latent (N, h, w, z), not scaled -> picture (N, h * stride, w * stride, 3).
  template <class Ctx>
  typename Ctx::Value operator()(Ctx& ctx, typename Ctx::Value const& latent) const {
    auto h = middle_(ctx, "vae.decoder.mid", conv_in_(ctx, post_quant_conv_(ctx, latent)));
    for (Level const& level : levels_) {  // from the coarsest
      for (VaeResBlock const& block : level.blocks) h = block(ctx, h);
      if (level.upsample) h = (*level.upsample)(ctx, h);
    }
    return conv_out_(ctx, norm_out_(ctx, h));
  }

 private:
  static constexpr index_t top = Config.channels(Config.levels - 1);
  struct Level {
    std::vector<VaeResBlock> blocks;
    std::optional<Conv2d> upsample;
  };
  static std::vector<Level> build(Scope const& s) {
    ConvGeometry doubled = ConvGeometry::same(3);
    doubled.upsample = true;
    std::vector<Level> levels;
    index_t channels = top;
    for (int i = Config.levels - 1; i >= 0; --i) {
      Level& level = levels.emplace_back();
      for (int j = 0; j <= Config.num_res_blocks; ++j) {
        level.blocks.emplace_back(s / i / "block" / j, Config.norm_groups, channels, Config.channels(i));
        channels = Config.channels(i);
      }
      if (i > 0) level.upsample.emplace(s / i / "upsample" / "conv", channels, channels, doubled);
    }
    return levels;
  }

  Conv2d post_quant_conv_, conv_in_;
  VaeMiddle middle_;
  std::vector<Level> levels_;
  GroupNorm norm_out_;
  Conv2d conv_out_;
};

/// moments (N, h, w, 2 z) -> latent (N, h, w, z). `noise`: standard normal, read where the policy samples.
template <class Ctx>
typename Ctx::Value latent_of(Ctx& ctx, LatentPolicy const& policy, typename Ctx::Value const& moments, typename Ctx::Value const& noise = {}) {
  if (policy.sample) return ctx.apply(PosteriorSampleOp{policy.scale}, {moments, noise})[0];
  return scaled(ctx, policy.scale, ctx.slice(moments, 0, moments.shape.c() / 2));
}

}  // namespace tadp
