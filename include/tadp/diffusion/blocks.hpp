// SPDX-License-Identifier: Apache-2.0
// The blocks of the UNet: residual block with its time projection, spatial transformer with its maps, the samplers.
// Feature maps stay (N, H, W, C) throughout: a token matrix is the same memory.
#pragma once

#include "tadp/core/config.hpp"
#include "tadp/ops/attention.hpp"
#include "tadp/ops/layers.hpp"

namespace tadp {

/// The keys and values that a cross-attention layer makes of the texts: computed once a text.
template <class Value>
struct KeysValues {
  Value keys, values;
};

/// Names in_layers.{0,2}, emb_layers.1, out_layers.{0,3}, skip_connection.
class ResBlock {
 public:
  ResBlock(Scope const& s, UNetConfig const& c, index_t in, index_t out)
      : in_norm_(s / "in_layers" / 0, in, c.norm_groups, 1e-5F, true), in_conv_(s / "in_layers" / 2, in, out, ConvGeometry::same(3)),
        time_(s / "emb_layers" / 1, c.time_dim(), out), out_norm_(s / "out_layers" / 0, out, c.norm_groups, 1e-5F, true),
        out_conv_(s / "out_layers" / 3, out, out, ConvGeometry::same(3), {.init = Init::zero}) {
    if (in != out) skip_.emplace(s / "skip_connection", in, out, ConvGeometry::same(1));
  }

  /// The block's own projection of silu(time embedding): (N or 1, 1, 1, out).
  template <class Ctx>
  typename Ctx::Value time_projection(Ctx& ctx, typename Ctx::Value const& silu_embedding) const {
    return time_(ctx, silu_embedding);
  }
  template <class Ctx>
  typename Ctx::Value operator()(Ctx& ctx, typename Ctx::Value const& x, typename Ctx::Value const& time) const {
    auto const h = in_conv_(ctx, in_norm_(ctx, x), time);
    auto const skip = skip_ ? (*skip_)(ctx, x) : x;
    return out_conv_(ctx, out_norm_(ctx, h), {}, skip);
  }

 private:
  GroupNorm in_norm_;
  Conv2d in_conv_;
  Linear time_;
  GroupNorm out_norm_;
  Conv2d out_conv_;
  std::optional<Conv2d> skip_;
};

/// What a spatial transformer is asked for beside its result.
struct MapsWanted {
  bool cross = false;
  bool self = false;
};

/// Names norm, proj_in, transformer_blocks.0.{attn1,attn2,ff,norm1,norm2,norm3}, proj_out.
class SpatialTransformer {
 public:
  SpatialTransformer(Scope const& s, UNetConfig const& c, index_t channels) : SpatialTransformer(s, s / "transformer_blocks" / 0, c, channels) {}

  template <class Ctx>
  KeysValues<typename Ctx::Value> keys_values(Ctx& ctx, typename Ctx::Value const& context) const {
    return {key2_(ctx, context), value2_(ctx, context)};
  }

  template <class Value>
  struct Result {
    Value x;          // (N, H, W, C)
    Value cross_map;  // (N, H, W, text length), mean over heads; empty unless wanted
    Value self_map;   // (N, H, W, H * W)
  };
  /// `text`: on the device, which text each picture reads.
  template <class Ctx>
  Result<typename Ctx::Value> operator()(Ctx& ctx, typename Ctx::Value const& x, KeysValues<typename Ctx::Value> const& kv,
                                         std::int32_t const* text, MapsWanted want) const {
    auto h = proj_in_(ctx, norm_(ctx, x));
    auto const n1 = norm1_(ctx, h);
    auto const self = ctx.apply(AttentionOp{{heads_, false}, want.self}, {query1_(ctx, n1), key1_(ctx, n1), value1_(ctx, n1)});
    h = out1_(ctx, self[0], {}, h);
    auto const cross = ctx.apply(AttentionOp{{heads_, false}, want.cross, text}, {query2_(ctx, norm2_(ctx, h)), kv.keys, kv.values});
    h = out2_(ctx, cross[0], {}, h);
    auto const inner = ctx.apply(GegluOp{}, {feed_in_(ctx, norm3_(ctx, h))})[0];
    h = feed_out_(ctx, inner, {}, h);
    using Value = typename Ctx::Value;
    return {proj_out_(ctx, h, {}, x), want.cross ? cross[2] : Value{}, want.self ? self[2] : Value{}};
  }

 private:
  SpatialTransformer(Scope const& s, Scope const& b, UNetConfig const& c, index_t channels)
      : heads_(c.num_heads), norm_(s / "norm", channels, c.norm_groups, 1e-6F, false), proj_in_(s / "proj_in", channels, channels, ConvGeometry::same(1)),
        query1_(b / "attn1" / "to_q", channels, channels, false), key1_(b / "attn1" / "to_k", channels, channels, false),
        value1_(b / "attn1" / "to_v", channels, channels, false), out1_(b / "attn1" / "to_out" / 0, channels, channels),
        feed_in_(b / "ff" / "net" / 0 / "proj", channels, 8 * channels), feed_out_(b / "ff" / "net" / 2, 4 * channels, channels),
        query2_(b / "attn2" / "to_q", channels, channels, false), key2_(b / "attn2" / "to_k", c.context_dim, channels, false),
        value2_(b / "attn2" / "to_v", c.context_dim, channels, false), out2_(b / "attn2" / "to_out" / 0, channels, channels),
        norm1_(b / "norm1", channels), norm2_(b / "norm2", channels), norm3_(b / "norm3", channels),
        proj_out_(s / "proj_out", channels, channels, ConvGeometry::same(1), {.init = Init::zero}) {}

  int heads_;
  GroupNorm norm_;
  Conv2d proj_in_;
  Linear query1_, key1_, value1_, out1_, feed_in_, feed_out_, query2_, key2_, value2_, out2_;
  LayerNorm norm1_, norm2_, norm3_;
  Conv2d proj_out_;
};

}  // namespace tadp
