// SPDX-License-Identifier: Apache-2.0
// Operations between a pyramid and boxes: anchors, levels in one list, the best of each, suppression, pooled regions.
// Lists are (N, 1, rows, channels) at capacity, with a count where the data decides; boxes, their scores and counts are float.
#pragma once

#include "tadp/core/boxes.hpp"
#include "tadp/exec/inference.hpp"
#include "tadp/exec/training.hpp"

namespace tadp {

/// (1, 1, anchors, 4); no inputs.
struct AnchorsOp {
  AnchorGrid grid;
  static constexpr int outputs = 1;
  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const>) const { return {FeatureShape{1, 1, grid.count(), 4}}; }
  static constexpr FloatOperands floats() { return {.out = 1}; }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    anchors(device, grid, a.float_out(0));
  }
  template <class Device>
  void backward(Device&, Gradients<Device> const&) const {}
};

/// Levels (N, h, w, per * channels) -> one list (N, 1, rows, channels), cell by cell.
struct JoinRowsOp {
  index_t channels;
  int levels;
  static constexpr int outputs = 1;
  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const> in) const {
    index_t rows = 0;
    for (FeatureShape const& s : in) rows += rows_of(s);
    return {FeatureShape{in[0].n(), 1, rows, channels}};
  }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    index_t first = 0;
    for (std::size_t l = 0; l < static_cast<std::size_t>(levels); first += rows_of(a.in[l++].shape)) join_rows(device, a.in[l], first, a.out[0]);
  }
  template <class Device>
  void backward(Device& device, Gradients<Device> const& g) const {
    index_t first = 0;
    for (std::size_t l = 0; l < static_cast<std::size_t>(levels); first += rows_of(g.in[l++].shape))
      if (g.d_in[l]) join_rows_gradient(device, g.d_out[0], first, g.d_in[l]);
  }

 private:
  index_t rows_of(FeatureShape const& s) const { return s.positions() * s.c() / channels; }
};

/// Codes and the boxes that they are relative to -> boxes; nothing flows back.
struct DecodeBoxesOp {
  BoxCode code;
  static constexpr int outputs = 1;
  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const> in) const { return {in[0]}; }
  static constexpr FloatOperands floats() { return {.in = 0b11, .out = 1}; }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    decode_boxes(device, code, a.float_in(0), a.float_in(1), a.float_out(0));
  }
  template <class Device>
  void backward(Device&, Gradients<Device> const&) const {}
};

/// Scores (N, 1, A, 1) -> the best `most` of each level as (score, row).
struct TopRowsOp {
  std::array<index_t, most_levels> segments;
  index_t most;
  static constexpr int outputs = 1;
  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const> in) const {
    index_t rows = 0;
    for (index_t s : segments) rows += std::min(s, most);
    return {FeatureShape{in[0].n(), 1, rows, 2}};
  }
  static constexpr FloatOperands floats() { return {.in = 1, .out = 1}; }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    top_rows(device, segments, most, a.float_in(0), a.float_out(0));
  }
  template <class Device>
  void backward(Device&, Gradients<Device> const&) const {}
};

/// What TopRowsOp found and all boxes -> candidates (N, 1, R, 6).
struct ProposalCandidatesOp {
  CandidateRule rule;
  std::array<index_t, most_levels> segments;
  index_t most;
  static constexpr int outputs = 1;
  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const> in) const { return {in[0].with_channels(candidate_channels)}; }
  static constexpr FloatOperands floats() { return {.in = 0b11, .out = 1}; }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    proposal_candidates(device, rule, segments, most, a.float_in(0), a.float_in(1), a.float_out(0));
  }
  template <class Device>
  void backward(Device&, Gradients<Device> const&) const {}
};

/// Logits (rows, C), boxes (rows, 4 C) and counts (N, 1, 1, 1) -> candidates (N, 1, rows / N * (C - 1), 6).
struct DetectionCandidatesOp {
  CandidateRule rule;
  static constexpr int outputs = 1;
  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const> in) const {
    index_t const pictures = in[2].n();
    return {FeatureShape{pictures, 1, in[0].pixels() / pictures * (in[0].c() - 1), candidate_channels}};
  }
  static constexpr FloatOperands floats() { return {.in = 0b111, .out = 1}; }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    detection_candidates(device, rule, a.float_in(0), a.float_in(1), a.float_in(2), a.float_out(0));
  }
  template <class Device>
  void backward(Device&, Gradients<Device> const&) const {}
};

/// Candidates -> the best `most` that stay (N, 1, most, 7), and their counts (N, 1, 1, 1).
struct SuppressOp {
  SuppressionRule rule;
  index_t most;
  static constexpr int outputs = 2;
  std::array<FeatureShape, 2> out_shapes(std::span<FeatureShape const> in) const {
    return {FeatureShape{in[0].n(), 1, most, kept_channels}, FeatureShape{in[0].n(), 1, 1, 1}};
  }
  static constexpr FloatOperands floats() { return {.in = 1, .out = 0b11}; }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    suppress(device, rule, a.float_in(0), a.float_out(0), a.float_out(1));
  }
  template <class Device>
  void backward(Device&, Gradients<Device> const&) const {}
};

/// Levels of a pyramid, boxes (N, 1, R, 4 or more) and counts (or none) -> (1, 1, N R, C size^2). Boxes are constants.
struct RoiAlignOp {
  RoiGeometry geometry;
  int levels;
  static constexpr int outputs = 1;
  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const> in) const {
    return {FeatureShape{1, 1, in[static_cast<std::size_t>(levels)].pixels(), in[0].c() * geometry.cells()}};
  }
  FloatOperands floats() const { return {.in = 0b11U << levels}; }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    auto const n = static_cast<std::size_t>(levels);
    roi_align(device, geometry, std::span<ConstFeatures<Device> const>(a.in.data(), n), a.float_in(n), a.float_in(n + 1), a.out[0]);
  }
  template <class Device>
  void backward(Device& device, Gradients<Device> const& g) const {
    auto const n = static_cast<std::size_t>(levels);
    roi_align_gradient(device, geometry, g.d_out[0], g.float_in(n), g.float_in(n + 1), std::span<Features<Device> const>(g.d_in.data(), n));
  }
};

}  // namespace tadp
