// SPDX-License-Identifier: Apache-2.0
// The CUDA kernels of detection on the host against plain loops: anchors, codes, the best of each level, suppression,
// matching, sampling, losses, pooled regions; ties and pictures without a box included.
#include "box_blocks.hpp"
#include "element_trials.hpp"

using namespace host_cuda;

namespace {

/// Minus infinity is no number to compare: it becomes one.
void name_absent(auto const& candidates) {
  for (index_t p = 0; p < candidates.shape.pixels(); ++p)
    if (std::isinf(candidates.pixel(p)[4])) candidates.pixel(p)[4] = -1.0F;
}

}  // namespace

TEST_CASE("the kernels of joined levels and of picked rows are plain loops'") {
  elements_agree(
      201,
      [](Dice& dice) {
        index_t const c = dice.odd(0, 6), n = dice.integer(1, 3);
        FeatureShape const level{n, dice.odd(0, 6), dice.odd(0, 6), c * dice.odd(0, 5)};
        return Trial{"join " + to_string(level) + " by " + std::to_string(c), {block(dice, level)}, {list(n, level.positions() * level.c() / c + 3, c)}};
      },
      [](auto& device, auto const& in, auto const& out) { join_rows(device, in[0], 3, out[0]); },
      [](auto& device, auto const&, auto const&, auto const& d_out, auto const& d_in) {
        if (d_in[0]) join_rows_gradient(device, d_out[0], 3, d_in[0]);
      });
  elements_agree(
      202,
      [](Dice& dice) {
        index_t const n = dice.integer(1, 3), rows = dice.odd(0, 30), picked = dice.odd(0, 40), c = dice.odd(0, 9);
        return Trial{"gather " + std::to_string(picked) + " of " + std::to_string(rows), {block(dice, list(n, rows, c)), picks(dice, n, picked, rows, 1)}, {list(n, picked, c)}};
      },
      [](auto& device, auto const& in, auto const& out) { gather_rows(device, in[0], in[1], out[0]); },
      [](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
        if (d_in[0]) gather_rows_gradient(device, d_out[0], in[1], d_in[0]);
      });
}

TEST_CASE("the kernels of anchors and codes are plain loops'") {
  AnchorGrid grid;
  kernels_agree(
      203,
      [&](Dice& dice) {
        for (auto& level : grid.level) level = {dice.integer(0, 9), dice.odd(0, 9), dice.integer(1, 64), dice.integer(1, 64), static_cast<int>(dice.integer(1, 300))};
        return Trial{"anchors", {}, {list(1, grid.count(), 4)}};
      },
      [&](auto& device, auto const&, auto const& out) { anchors(device, grid, out[0]); });
  BoxCode code;
  kernels_agree(
      204,
      [&](Dice& dice) {
        index_t const n = dice.integer(1, 3), rows = dice.odd(0, 30), k = dice.odd(0, 5);
        code.weights = dice.coin() ? std::array{1.0F, 1.0F, 1.0F, 1.0F} : std::array{10.0F, 10.0F, 5.0F, 5.0F};
        return Trial{"decode", {block(dice, list(n, rows, 4 * k), 4.0F), boxes(dice, list(dice.coin() ? n : 1, rows, 4), 100.0F)}, {list(n, rows, 4 * k)}};
      },
      [&](auto& device, auto const& in, auto const& out) { decode_boxes(device, code, in[0], in[1], out[0]); });
}

TEST_CASE("the kernels of the best of each level and their candidates are plain loops', ties in order") {
  std::array<index_t, 4> segments{};
  index_t most = 0;
  CandidateRule rule{100.0F, 90.0F, 0.0F};
  index_t n = 0, all = 0, kept = 0;
  auto const lengths = [&](Dice& dice) {
    n = dice.integer(1, 3), most = dice.integer(1, 50), all = kept = 0;
    for (index_t& s : segments) s = dice.integer(1, 60), all += s, kept += std::min(s, most);
  };
  kernels_agree(
      205,
      [&](Dice& dice) {
        lengths(dice);
        bool const coarse = dice.coin();  // many are alike
        return Trial{"top", {filled(block(dice, list(n, all, 1)), [&](index_t, index_t) { return coarse ? static_cast<float>(dice.integer(0, 4)) : dice.number(); })}, {list(n, kept, 2)}};
      },
      [&](auto& device, auto const& in, auto const& out) { top_rows(device, segments, most, in[0], out[0]); });
  kernels_agree(
      206,
      [&](Dice& dice) {
        lengths(dice);
        rule.smallest = dice.coin() ? 1e-3F : 10.0F;
        auto const top = filled(block(dice, list(n, kept, 2)), [&](index_t, index_t c) { return c == 0 ? dice.number(5.0F) : static_cast<float>(dice.integer(0, all - 1)); });
        return Trial{"candidates", {top, boxes(dice, list(n, all, 4), 100.0F)}, {list(n, kept, candidate_channels)}};
      },
      [&](auto& device, auto const& in, auto const& out) {
        proposal_candidates(device, rule, segments, most, in[0], in[1], out[0]);
        name_absent(out[0]);
      });
}

TEST_CASE("the kernel of the best of a level puts scores that are no numbers last") {
  std::vector<float> scores(200), top(2 * 100);
  for (std::size_t i = 0; i < scores.size(); ++i) scores[i] = i % 3 == 0 ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(i);
  std::array<index_t, 1> const segments{200};
  Device device;
  top_rows(device, segments, 100, {scores.data(), list(1, 200, 1)}, {top.data(), list(1, 100, 2)});
  CHECK(top[0] == 199.0F);
  for (std::size_t i = 1; i < 100; ++i) CHECK(top[2 * i] < top[2 * (i - 1)]);
}

TEST_CASE("the kernel of detections of classes is plain loops', past the count there are none") {
  CandidateRule rule{100.0F, 90.0F, 1e-2F, 0.05F};
  kernels_agree(
      207,
      [&](Dice& dice) {
        index_t const n = dice.integer(1, 3), rows = dice.odd(0, 20), classes = dice.integer(2, 7);
        rule.score = dice.coin() ? 0.05F : 0.3F;
        return Trial{"candidates",
                     {block(dice, list(1, n * rows, classes), 3.0F), boxes(dice, list(1, n * rows, 4 * classes), 100.0F), counts(dice, n, rows)},
                     {list(n, rows * (classes - 1), candidate_channels)}};
      },
      [&](auto& device, auto const& in, auto const& out) {
        detection_candidates(device, rule, in[0], in[1], in[2], out[0]);
        name_absent(out[0]);
      });
}

TEST_CASE("the kernels of suppression keep what plain loops keep, at any capacity") {
  SuppressionRule rule{0.5};
  int trial = 0;
  kernels_agree(
      208,
      [&](Dice& dice) {
        bool const many = trial++ % 10 == 0;
        index_t const n = dice.integer(1, 3), rows = many ? 1200 : dice.odd(0, 400), most = dice.integer(1, many ? 400 : 100);
        rule.overlap = dice.coin() ? 0.5 : 0.7;
        index_t const absent = dice.integer(0, 3) == 0 ? 10 : 2;  // of ten
        auto candidates = boxes(dice, list(n, rows, candidate_channels), 100.0F);
        for (index_t p = 0; p < n * rows; ++p) {
          float* const row = candidates.view<Device>().pixel(p);
          row[4] = dice.integer(0, 9) < absent ? -std::numeric_limits<float>::infinity() : dice.coin() ? 0.5F : dice.number();
          row[5] = static_cast<float>(dice.integer(0, 3));
        }
        return Trial{"suppress " + std::to_string(rows), {candidates}, {list(n, most, kept_channels), list(n, 1, 1)}};
      },
      [&](auto& device, auto const& in, auto const& out) { suppress(device, rule, in[0], out[0], out[1]); });
}

TEST_CASE("the kernels of matches and of joined lists are plain loops'") {
  MatchRule rule{};
  kernels_agree(
      209,
      [&](Dice& dice) {
        index_t const n = dice.integer(1, 3), rows = dice.odd(0, 90), truths = dice.integer(1, 6);
        bool const shared = dice.coin();
        rule = dice.coin() ? MatchRule{0.7F, 0.3F, true} : MatchRule{0.5F, 0.5F, false};
        return Trial{"match",
                     {boxes(dice, list(shared ? 1 : n, rows, 4), 60.0F), shared ? Block<float>{} : counts(dice, n, rows), boxes(dice, list(n, truths, 4), 60.0F), counts(dice, n, truths)},
                     {list(n, rows, 1)}};
      },
      [&](auto& device, auto const& in, auto const& out) { match_boxes(device, rule, in[0], in[1], in[2], in[3], out[0]); });
  kernels_agree(
      210,
      [&](Dice& dice) {
        index_t const n = dice.integer(1, 3), kept = dice.integer(1, 40), truths = dice.integer(1, 6);
        return Trial{"append",
                     {boxes(dice, list(n, kept, kept_channels), 60.0F), counts(dice, n, kept), boxes(dice, list(n, truths, 4), 60.0F), counts(dice, n, truths)},
                     {list(n, kept + truths, 4), list(n, 1, 1)}};
      },
      [&](auto& device, auto const& in, auto const& out) { append_boxes(device, in[0], in[1], in[2], in[3], out[0], out[1]); });
}

TEST_CASE("the kernels of samples and targets are plain loops'") {
  SampleRule rule{};
  kernels_agree(
      211,
      [&](Dice& dice) {
        index_t const n = dice.integer(1, 3), rows = dice.odd(0, 90), last = dice.coin() ? -1 : 5;
        rule = {dice.integer(1, 50), dice.integer(0, 30), static_cast<std::uint64_t>(dice.integer(0, 1000)), dice.coin()};
        return Trial{"sample",
                     {filled(block(dice, list(n, rows, 1)), [&](index_t, index_t) { return static_cast<float>(dice.integer(-2, last)); }), dice.coin() ? Block<float>{} : counts(dice, n, rows)},
                     {list(n, rule.count, 2), list(n, 1, 1)}};
      },
      [&](auto& device, auto const& in, auto const& out) { sample_rows(device, rule, in[0], in[1], out[0], out[1]); });
  kernels_agree(
      212,
      [&](Dice& dice) {
        index_t const n = dice.integer(1, 3), rows = dice.odd(0, 90), truths = dice.integer(1, 6), kept = dice.integer(1, 40);
        auto const sound = [](Block<float> b) {  // codes of boxes with an area
          for (index_t p = 0; p < b.shape.pixels(); ++p) {
            float* const v = b.view<Device>().pixel(p);
            v[2] = std::max(v[2], v[0] + 1.0F), v[3] = std::max(v[3], v[1] + 1.0F);
          }
          return b;
        };
        auto const labels = filled(block(dice, list(n, truths, 1)), [&](index_t, index_t) { return static_cast<float>(dice.integer(1, 9)); });
        return Trial{"targets",
                     {picks(dice, n, kept, rows, truths), sound(boxes(dice, list(dice.coin() ? 1 : n, rows, 4), 60.0F)), sound(boxes(dice, list(n, truths, 4), 60.0F)),
                      dice.coin() ? labels : Block<float>{}},
                     {list(n, kept, 5)}};
      },
      [](auto& device, auto const& in, auto const& out) { targets_of_rows(device, BoxCode{}, in[0], in[1], in[2], in[3], out[0]); });
}

TEST_CASE("the kernels of the losses of detection are plain loops'") {
  auto const rows = [](Dice& dice) { return FeatureShape{dice.integer(1, 3), 1, dice.odd(0, 70), 1}; };
  elements_agree(
      213,
      [&](Dice& dice) {
        FeatureShape const s = rows(dice);
        return Trial{"binary " + to_string(s), {block(dice, s, 6.0F), targets(dice, s, 2)}, {one}};
      },
      [](auto& device, auto const& in, auto const& out) { binary_cross_entropy(device, in[0], in[1], out[0]); },
      [](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
        if (d_in[0]) binary_cross_entropy_gradient(device, in[0], in[1], number(d_out[0]), d_in[0]);
      });
  elements_agree(
      214,
      [&](Dice& dice) {
        FeatureShape const s = rows(dice).with_channels(dice.integer(2, 30));
        return Trial{"classes " + to_string(s), {block(dice, s, 6.0F), targets(dice, s, s.c())}, {one}};
      },
      [](auto& device, auto const& in, auto const& out) { row_cross_entropy(device, in[0], in[1], out[0]); },
      [](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
        if (d_in[0]) row_cross_entropy_gradient(device, in[0], in[1], number(d_out[0]), d_in[0]);
      });
  elements_agree(
      215,
      [&](Dice& dice) {
        index_t const classes = dice.integer(2, 6);
        FeatureShape const s = rows(dice).with_channels(dice.coin() ? 4 : 4 * classes);
        return Trial{"codes " + to_string(s), {block(dice, s), targets(dice, s, classes)}, {one}};
      },
      [](auto& device, auto const& in, auto const& out) { smooth_l1(device, 1.0F / 9.0F, in[0], in[1], out[0]); },
      [](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
        if (d_in[0]) smooth_l1_gradient(device, 1.0F / 9.0F, in[0], in[1], number(d_out[0]), d_in[0]);
      });
}

TEST_CASE("the kernels of pooled regions are plain loops', forward and backward") {
  RoiGeometry g;
  std::size_t levels = 4;
  auto const pyramid = [&](auto const& in) {
    std::vector<decltype(view_of(in[0]))> maps;
    for (std::size_t l = 0; l < levels; ++l) maps.push_back(in[l]);
    return maps;
  };
  elements_agree(
      216,
      [&](Dice& dice) {
        levels = dice.coin() ? 4 : 1;
        g = {static_cast<int>(dice.integer(1, 7)), static_cast<int>(dice.integer(1, 3)), static_cast<int>(dice.integer(1, 4))};
        index_t const n = dice.integer(1, 2), rows = dice.odd(0, 12), c = dice.odd(0, 40), side = dice.odd(0, 16);
        Trial t{"regions", {}, {list(1, n * rows, c * g.cells())}, {}};
        for (std::size_t l = 0; l < levels; ++l) {
          t.in.push_back(block(dice, {n, std::max<index_t>(1, side >> l), std::max<index_t>(1, (side + 4) >> l), c}));
          t.learns.push_back(l);
        }
        t.in.push_back(boxes(dice, list(n, rows, dice.coin() ? 4 : kept_channels), 260.0F));
        t.in.push_back(dice.coin() ? Block<float>{} : counts(dice, n, rows));
        return t;
      },
      [&](auto& device, auto const& in, auto const& out) {
        auto const maps = pyramid(in);
        roi_align(device, g, std::span(maps), in[levels], in[levels + 1], out[0]);
      },
      [&](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
        auto const maps = pyramid(d_in);
        roi_align_gradient(device, g, d_out[0], in[levels], in[levels + 1], std::span(maps));
      });
}
