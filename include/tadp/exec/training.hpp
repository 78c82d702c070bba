// SPDX-License-Identifier: Apache-2.0
// The context under which model text runs at once and records how to go back: reverse mode, with blocks that may be
// forgotten and computed again. The same model text under PlanContext (exec/inference.hpp) only infers.
#pragma once

#include "tadp/exec/inference.hpp"
#include "tadp/exec/tape_slot.hpp"

namespace tadp {

/// What training does differently from the reference's defaults; every field is one decision of a policy class.
struct TapeOptions {
  bool checkpoint_blocks = false;  ///< forget the insides of blocks, compute them again in the backward pass
  bool map_gradients = false;      ///< let gradients flow through the attention maps (the original does not)
  bool dropout = true;
  std::uint64_t seed = 0;          ///< with step and site, the key of every random number
};

template <class DeviceType, class StatisticsType = BatchStatistics>
class TapeContext {
 public:
  using Device = DeviceType;
  using Value = TapeValue<Device>;
  using Statistics = StatisticsType;
  using Listener = std::function<void(std::string const&, Value)>;

  /// `gradients`: one pointer a parameter into the flat gradient buffer, null where frozen.
  TapeContext(Device device, Weights<home_of<Device>>& weights, std::vector<float*> gradients, TapeOptions options, Listener listener = {})
      : pool_(std::make_shared<BufferPool<Device>>(std::move(device))), weights_(&weights), elements_(pool_->device(), weights),
        gradients_(std::move(gradients)), options_(options), listener_(std::move(listener)) {}

  Value input(ConstFloats<Device> view) { return {std::make_shared<TapeSlot<Device>>(pool_, view), view.shape}; }
  /// A buffer of this context, for the caller to fill: in the device's element unless it is to be float.
  Value empty(FeatureShape const& shape, bool is_float = false) { return {std::make_shared<TapeSlot<Device>>(pool_, shape, is_float), shape}; }

  template <Operation Op>
  std::array<Value, Op::outputs> apply(Op op, std::initializer_list<Value> in) {
    return apply(std::move(op), std::span<Value const>(in.begin(), in.size()));
  }
  template <Operation Op>
  std::array<Value, Op::outputs> apply(Op op, std::span<Value const> in) {
    std::array<FeatureShape, max_op_inputs> shapes{};
    for (std::size_t i = 0; i < in.size(); ++i) shapes[i] = in[i].shape;
    auto const out_shapes = op.out_shapes(std::span<FeatureShape const>(shapes.data(), in.size()));
    bool const first_is_float = !in.empty() && in[0] && in[0].slot->is_float();
    FloatOperands const floats = float_operands(op, first_is_float);
    std::vector<Value> inputs(in.begin(), in.end());
    for (std::size_t i = 0; i < inputs.size(); ++i) inputs[i] = as(std::move(inputs[i]), (floats.in >> i & 1U) != 0);
    Operands<Device> operands{.list = &weights_->list(), .weights = weights_->flat(), .elements = elements_.data(), .state = again_ ? nullptr : weights_->flat()};
    std::array<Value, Op::outputs> out;
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (inputs[i]) operands.in[i] = inputs[i].slot->raw();
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = empty(out_shapes[i], (floats.out >> i & 1U) != 0);
      operands.out[i] = out[i].slot->raw();
    }
    run_forward(op, device(), operands, first_is_float);
    bool learns = false;
    for (Value const& v : inputs) learns = learns || (v && v.slot->learns);
    for (ParameterId id : op.parameters()) learns = learns || (id && gradients_[static_cast<std::size_t>(id.index)] != nullptr);
    if (learns && recording_) {
      for (Value& v : out) v.slot->learns = true;
      nodes_.push_back(std::make_unique<OpNode<Op>>(std::move(op), std::move(inputs), std::vector<Value>(out.begin(), out.end()), first_is_float));
    }
    return out;
  }
  Value slice(Value v, index_t first, index_t count) {
    v = as(std::move(v), false);
    Value part = empty(v.shape.with_channels(count));
    copy(device(), ConstFeatures<Device>(v.slot->data().channels(first, count)), part.slot->data());
    if (v.slot->learns && recording_) {
      part.slot->learns = true;
      nodes_.push_back(std::make_unique<SliceNode>(std::vector<Value>{v}, part, first));
    }
    return part;
  }
  Value concatenate(std::span<Value const> parts) {
    index_t channels = 0;
    bool learns = false;
    std::vector<Value> elements;
    for (Value const& part : parts) {
      channels += part.shape.c();
      learns = learns || part.slot->learns;
      elements.push_back(as(part, false));
    }
    Value whole = empty(parts[0].shape.with_channels(channels));
    channels = 0;
    for (Value const& part : elements) {
      copy(device(), ConstFeatures<Device>(part.slot->data()), whole.slot->data().channels(channels, part.shape.c()));
      channels += part.shape.c();
    }
    if (learns && recording_) {
      whole.slot->learns = true;
      nodes_.push_back(std::make_unique<JoinNode>(std::move(elements), whole));
    }
    return whole;
  }

  void note(std::string const& name, Value v) {
    if (listener_ && !again_) listener_(name, v);
  }
  bool listening() const { return static_cast<bool>(listener_); }

  /// block(context, span of values) -> array of values. Under checkpointing only its inputs and outputs are kept.
  template <class Block>
  auto checkpoint(Block const& block, std::initializer_list<Value> in) {
    std::span<Value const> const inputs(in.begin(), in.size());
    if (!options_.checkpoint_blocks || !recording_) return block(*this, inputs);
    std::uint64_t const site = site_;
    recording_ = false;
    auto out = block(*this, inputs);
    recording_ = true;
    // Whether anything inside learns shows only when it is recorded: a block is taken to learn.
    for (Value& v : out)
      if (v) v.slot->learns = true;
    nodes_.push_back(std::make_unique<BlockNode<Block>>(block, std::vector<Value>(in.begin(), in.end()), std::vector<Value>(out.begin(), out.end()), site));
    return out;
  }
  /// The same numbers as a constant.
  Value detached(Value v) {
    if (!v.slot->learns) return v;
    v = as(std::move(v), false);
    Value constant = empty(v.shape);
    copy(device(), ConstFeatures<Device>(v.slot->data()), constant.slot->data());
    return constant;
  }
  Value map_of(Value v) { return options_.map_gradients ? v : detached(v); }
  TapeOptions const& options() const { return options_; }
  /// A key for random numbers that is the same when a block runs again.
  std::uint64_t next_site() { return site_++; }
  std::uint64_t step() const { return step_; }
  void begin_step(std::uint64_t step) {
    step_ = step;
    site_ = 0;
    nodes_.clear();
  }

  /// Adds the gradient of `loss` (one number) to every parameter that learns, and forgets the tape.
  void backward(Value const& loss, float upstream = 1.0F) {
    if (!loss.slot->learns) return;
    device().copy_from_host(loss.slot->float_gradient().data, &upstream, sizeof upstream);
    go_back(0);
  }
  Device& device() { return pool_->device(); }
  Weights<home_of<Device>>& weights() { return *weights_; }
  /// Takes the weights as they are now: to be called after they have changed.
  void refresh_weights() { elements_.refresh(); }

 private:
  struct Node {
    std::vector<Value> in, out;
    Node(std::vector<Value> i, std::vector<Value> o) : in(std::move(i)), out(std::move(o)) {}
    virtual ~Node() = default;
    virtual void backward(TapeContext& context) = 0;
    bool reached() const {
      for (Value const& v : out)
        if (v && v.slot->has_gradient()) return true;
      return false;
    }
  };
  template <class Op>
  struct OpNode final : Node {
    OpNode(Op operation, std::vector<Value> i, std::vector<Value> o, bool f) : Node(std::move(i), std::move(o)), op(std::move(operation)), first_is_float(f) {}
    void backward(TapeContext& context) override {
      Gradients<Device> g{.list = &context.weights_->list(), .weights = context.weights_->flat(), .elements = context.elements_.data(), .d_weights = context.gradients_.data()};
      for (std::size_t i = 0; i < this->in.size(); ++i) {
        if (!this->in[i]) continue;
        g.in[i] = this->in[i].slot->raw();
        if (this->in[i].slot->learns) g.d_in[i] = this->in[i].slot->raw_gradient();
      }
      for (std::size_t i = 0; i < this->out.size(); ++i) {
        g.out[i] = this->out[i].slot->raw();
        if (this->out[i].slot->has_gradient()) g.d_out[i] = this->out[i].slot->raw_gradient();
      }
      run_backward(op, context.device(), g, first_is_float);
    }
    Op op;
    bool first_is_float;
  };
  /// The same numbers in float, or in the device's element.
  struct ConvertNode final : Node {
    ConvertNode(Value i, Value o) : Node({std::move(i)}, {std::move(o)}) {}
    void backward(TapeContext& context) override {
      auto& from = *this->in[0].slot;
      auto& to = *this->out[0].slot;
      if (from.is_float())
        accumulate(context.device(), 1.0F, ConstFeatures<Device>(to.gradient()), from.float_gradient());
      else
        accumulate(context.device(), 1.0F, ConstFloats<Device>(to.float_gradient()), from.gradient());
    }
  };
  struct SliceNode final : Node {
    SliceNode(std::vector<Value> i, Value o, index_t f) : Node(std::move(i), {std::move(o)}), first(f) {}
    void backward(TapeContext& context) override {
      accumulate(context.device(), 1.0F, ConstFeatures<Device>(this->out[0].slot->gradient()),
                 this->in[0].slot->gradient().channels(first, this->out[0].shape.c()));
    }
    index_t first;
  };
  struct JoinNode final : Node {
    JoinNode(std::vector<Value> i, Value o) : Node(std::move(i), {std::move(o)}) {}
    void backward(TapeContext& context) override {
      index_t channels = 0;
      for (Value& part : this->in) {
        if (part.slot->learns)
          accumulate(context.device(), 1.0F, ConstFeatures<Device>(this->out[0].slot->gradient().channels(channels, part.shape.c())), part.slot->gradient());
        channels += part.shape.c();
      }
    }
  };
  template <class Block>
  struct BlockNode final : Node {
    BlockNode(Block b, std::vector<Value> i, std::vector<Value> o, std::uint64_t s) : Node(std::move(i), std::move(o)), block(std::move(b)), site(s) {}
    void backward(TapeContext& context) override {
      // The inputs stand in as themselves: their gradients are added to directly.
      std::size_t const base = context.nodes_.size();
      std::uint64_t const site_after = std::exchange(context.site_, site);
      bool const again_before = std::exchange(context.again_, true);
      auto const results = block(context, std::span<Value const>(this->in));
      for (std::size_t i = 0; i < this->out.size(); ++i)
        if (this->out[i] && this->out[i].slot->has_gradient() && results[i].slot->learns)
          accumulate(context.device(), 1.0F, ConstFeatures<Device>(this->out[i].slot->gradient()), results[i].slot->gradient());
      context.go_back(base);
      context.site_ = site_after;
      context.again_ = again_before;
    }
    Block block;
    std::uint64_t site;
  };

  /// The value in float, or in the device's element; where both are float, every value is both.
  Value as(Value v, bool is_float) {
    if constexpr (computes_in_float<Device>) {
      return v;
    } else {
      if (!v || v.slot->is_float() == is_float) return v;
      Value other = empty(v.shape, is_float);
      if (is_float)
        convert(device(), ConstFeatures<Device>(v.slot->data()), other.slot->float_data());
      else
        convert(device(), ConstFloats<Device>(v.slot->float_data()), other.slot->data());
      if (v.slot->learns && recording_) {
        other.slot->learns = true;
        nodes_.push_back(std::make_unique<ConvertNode>(std::move(v), other));
      }
      return other;
    }
  }
  void go_back(std::size_t base) {
    while (nodes_.size() > base) {
      std::unique_ptr<Node> node = std::move(nodes_.back());
      nodes_.pop_back();
      if (!node->reached()) continue;
      node->backward(*this);
      for (Value& v : node->out)
        if (v) v.slot->drop_gradient();
    }
  }

  std::shared_ptr<BufferPool<Device>> pool_;
  Weights<home_of<Device>>* weights_;
  ElementWeights<Device> elements_;
  std::vector<float*> gradients_;
  TapeOptions options_;
  Listener listener_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::uint64_t step_ = 0, site_ = 0;
  bool recording_ = true, again_ = false;
};

}  // namespace tadp
