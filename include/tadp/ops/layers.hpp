// SPDX-License-Identifier: Apache-2.0
// Layers: an operation with parameters of its own, registered under the checkpoint's names when the layer is built.
// Calling one is the same text under every context and device.
#pragma once

#include "tadp/ops/norm.hpp"
#include "tadp/ops/pointwise.hpp"
#include "tadp/ops/spatial.hpp"

#include <optional>

namespace tadp {

/// Parameters weight (out, in, kernel, kernel) and bias (out); called with x (N, H, W, in).
class Conv2d {
 public:
  struct Options {
    bool bias = true;
    Init init = Init::fan_in;
    bool matrix_weight = false;  ///< the checkpoint holds a 1x1 weight as (out, in): a linear layer
    bool relu = false;           ///< the ReLU that follows is part of it
  };
  Conv2d(Scope const& scope, index_t in, index_t out, ConvGeometry geometry) : Conv2d(scope, in, out, geometry, Options{}) {}
  Conv2d(Scope const& scope, index_t in, index_t out, ConvGeometry geometry, Options options) : geometry_(geometry), out_(out), relu_(options.relu) {
    std::vector<index_t> shape{out, in};
    if (!options.matrix_weight) shape.insert(shape.end(), 2, geometry.kernel);
    ids_[0] = scope.add("weight", std::move(shape), options.init);
    // torch draws the bias like the weight; every start of ours sets it to zero instead.
    if (options.bias) ids_[1] = scope.add("bias", {out}, Init::zero);
  }

  /// relu?(conv(x) [+ shift, a vector a picture] [+ residual]).
  template <class Ctx>
  typename Ctx::Value operator()(Ctx& ctx, typename Ctx::Value const& x, typename Ctx::Value const& shift = {},
                                 typename Ctx::Value const& residual = {}) const {
    return ctx.apply(ConvolutionOp{geometry_, out_, ids_, relu_}, {x, shift, residual})[0];
  }

 private:
  ConvGeometry geometry_;
  index_t out_;
  bool relu_;
  std::array<ParameterId, 2> ids_{};
};

/// Parameters weight (out, in), bias (out): the convolution with a kernel of one.
class Linear : public Conv2d {
 public:
  Linear(Scope const& scope, index_t in, index_t out, bool bias = true, Init init = Init::fan_in)
      : Linear(scope, in, out, Options{.bias = bias, .init = init}) {}
  Linear(Scope const& scope, index_t in, index_t out, Options options) : Conv2d(scope, in, out, ConvGeometry::same(1), Options{options.bias, options.init, true, options.relu}) {}
};

/// Parameters weight, bias (C); `silu`: the activation that follows is part of it.
class GroupNorm {
 public:
  GroupNorm(Scope const& scope, index_t channels, int groups, float eps, bool silu)
      : op_{groups, eps, silu, {scope.add("weight", {channels}, Init::one), scope.add("bias", {channels}, Init::zero)}} {}

  template <class Ctx>
  typename Ctx::Value operator()(Ctx& ctx, typename Ctx::Value const& x) const {
    return ctx.apply(op_, {x})[0];
  }

 private:
  GroupNormOp op_;
};

class LayerNorm {
 public:
  LayerNorm(Scope const& scope, index_t channels, float eps = 1e-5F)
      : op_{eps, {scope.add("weight", {channels}, Init::one), scope.add("bias", {channels}, Init::zero)}} {}

  template <class Ctx>
  typename Ctx::Value operator()(Ctx& ctx, typename Ctx::Value const& x) const {
    return ctx.apply(op_, {x})[0];
  }

 private:
  LayerNormOp op_;
};

/// Parameters weight, bias, running_mean, running_var (C); ReLU follows when asked.
class BatchNorm {
 public:
  BatchNorm(Scope const& scope, index_t channels, bool relu)
      : relu_(relu), ids_{scope.add("weight", {channels}, Init::one), scope.add("bias", {channels}, Init::zero),
                          scope.add("running_mean", {channels}, Init::zero, false), scope.add("running_var", {channels}, Init::one, false)} {}

  template <class Ctx>
  typename Ctx::Value operator()(Ctx& ctx, typename Ctx::Value const& x) const {
    return ctx.apply(BatchNormOp<typename Ctx::Statistics>{1e-5F, 0.1F, relu_, ids_}, {x})[0];
  }

 private:
  bool relu_;
  std::array<ParameterId, 4> ids_;
};

}  // namespace tadp
