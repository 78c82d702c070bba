// SPDX-License-Identifier: Apache-2.0
// Detection's kernels against plain loops: lists of odd lengths, pictures without boxes, boxes outside and without area,
// counts below the capacity, rows that were not picked.
#include "box_blocks.hpp"

using namespace against_plain;

TEST_CASE("levels join in one list, and rows are picked from it, with their gradients") {
  agree(81, 30,
        [](Dice& dice, index_t limit) {
          index_t const c = dice.odd(0, 6), n = dice.integer(1, 3);
          FeatureShape const level{n, dice.odd(0, 6), dice.odd(0, 6), c * dice.odd(0, limit > 5 ? 5 : 2)};
          return Trial{"join " + to_string(level) + " by " + std::to_string(c), {block(dice, level)}, {list(n, level.positions() * level.c() / c + 3, c)}};
        },
        [](auto& device, auto const& in, auto const& out) { join_rows(device, in[0], 3, out[0]); },
        [](auto& device, auto const&, auto const&, auto const& d_out, auto const& d_in) {
          if (d_in[0]) join_rows_gradient(device, d_out[0], 3, d_in[0]);
        });
  agree(82, 30,
        [](Dice& dice, index_t) {
          index_t const n = dice.integer(1, 3), rows = dice.odd(0, 30), picked = dice.odd(0, 40);
          return Trial{"gather " + std::to_string(picked) + " of " + std::to_string(rows), {block(dice, list(n, rows, dice.odd(0, 9))), picks(dice, n, picked, rows, 1)}, {list(n, picked, 1)}};
        },
        [](auto& device, auto const& in, auto const& out) { gather_rows(device, in[0].channels(0, 1), in[1], out[0]); },
        [](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
          if (d_in[0]) gather_rows_gradient(device, d_out[0], in[1], d_in[0].channels(0, 1));
        });
}

TEST_CASE("anchors and codes are those of plain loops") {
  Dice dice(83);
  for (int i = 0; i < 30; ++i) {
    AnchorGrid grid;
    for (auto& level : grid.level) level = {dice.integer(0, 9), dice.odd(0, 9), dice.integer(1, 64), dice.integer(1, 64), static_cast<int>(dice.integer(1, 300))};
    forward_agrees(dice, {"anchors", {}, {list(1, grid.count(), 4)}}, [&](auto& device, auto const&, auto const& out) { anchors(device, grid, out[0]); });
    index_t const n = dice.integer(1, 3), rows = dice.odd(0, 30), k = dice.odd(0, 5);
    BoxCode const code{dice.coin() ? std::array{1.0F, 1.0F, 1.0F, 1.0F} : std::array{10.0F, 10.0F, 5.0F, 5.0F}};
    forward_agrees(dice, {"decode", {block(dice, list(n, rows, 4 * k), 4.0F), boxes(dice, list(dice.coin() ? n : 1, rows, 4), 100.0F)}, {list(n, rows, 4 * k)}},
                   [&](auto& device, auto const& in, auto const& out) { decode_boxes(device, code, in[0], in[1], out[0]); });
  }
}

TEST_CASE("the best of each level are those of plain loops, ties in order") {
  Dice dice(84);
  for (int i = 0; i < 40; ++i) {
    std::array<index_t, 4> segments{};
    for (index_t& s : segments) s = dice.integer(0, 60);
    index_t const n = dice.integer(1, 3), most = dice.integer(1, 50);
    index_t all = 0, kept = 0;
    for (index_t s : segments) all += s, kept += std::min(s, most);
    bool const coarse = dice.coin();  // many are alike
    auto const scores = filled(block(dice, list(n, all, 1)), [&](index_t, index_t) { return coarse ? static_cast<float>(dice.integer(0, 4)) : dice.number(); });
    forward_agrees(dice, {"top", {scores}, {list(n, kept, 2)}}, [&](auto& device, auto const& in, auto const& out) { top_rows(device, segments, most, in[0], out[0]); });
    CandidateRule const rule{100.0F, 90.0F, dice.coin() ? 1e-3F : 10.0F};
    auto const top = filled(block(dice, list(n, kept, 2)), [&](index_t, index_t c) { return c == 0 ? dice.number(5.0F) : static_cast<float>(dice.integer(0, all - 1)); });
    if (all > 0)
      forward_agrees(dice, {"candidates", {top, boxes(dice, list(n, all, 4), 100.0F)}, {list(n, kept, candidate_channels)}}, [&](auto& device, auto const& in, auto const& out) {
        proposal_candidates(device, rule, segments, most, in[0], in[1], out[0].channels(0, 6));
        // Minus infinity is no number to compare: it becomes one.
        for (index_t p = 0; p < out[0].shape.pixels(); ++p)
          if (std::isinf(out[0].pixel(p)[4])) out[0].pixel(p)[4] = -1.0F;
      });
  }
}

TEST_CASE("a score that is no number comes last") {
  std::vector<float> scores(200);
  for (std::size_t i = 0; i < scores.size(); ++i) scores[i] = i % 3 == 0 ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(i);
  std::vector<float> top(2 * 100);
  std::array<index_t, 1> const segments{200};
  top_rows(cpu(1), segments, 100, ConstFeatures<Cpu>{scores.data(), list(1, 200, 1)}, Features<Cpu>{top.data(), list(1, 100, 2)});
  CHECK(top[0] == 199.0F);
  for (std::size_t i = 1; i < 100; ++i) CHECK(top[2 * i] < top[2 * (i - 1)]);
}

TEST_CASE("detections of classes are those of plain loops, past the count there are none") {
  Dice dice(85);
  for (int i = 0; i < 30; ++i) {
    index_t const n = dice.integer(1, 3), rows = dice.odd(0, 20), classes = dice.integer(2, 7);
    CandidateRule const rule{100.0F, 90.0F, 1e-2F, dice.coin() ? 0.05F : 0.3F};
    forward_agrees(dice, {"candidates", {block(dice, list(1, n * rows, classes), 3.0F), boxes(dice, list(1, n * rows, 4 * classes), 100.0F), counts(dice, n, rows)}, {list(n, rows * (classes - 1), candidate_channels)}},
                   [&](auto& device, auto const& in, auto const& out) {
                     detection_candidates(device, rule, in[0], in[1], in[2], out[0]);
                     for (index_t p = 0; p < out[0].shape.pixels(); ++p)
                       if (std::isinf(out[0].pixel(p)[4])) out[0].pixel(p)[4] = -1.0F;
                   });
  }
}

TEST_CASE("suppression keeps what plain loops keep, at any capacity") {
  Dice dice(86);
  for (int i = 0; i < 40; ++i) {
    index_t const n = dice.integer(1, 3), rows = i % 10 == 0 ? 1200 : dice.odd(0, 150), most = dice.integer(1, i % 10 == 0 ? 400 : 100);
    SuppressionRule const rule{dice.coin() ? 0.5 : 0.7};
    index_t const absent = dice.integer(0, 3) == 0 ? 10 : 2;  // of ten
    auto candidates = boxes(dice, list(n, rows, candidate_channels), 100.0F);
    for (index_t p = 0; p < n * rows; ++p) {
      float* const row = candidates.view<Cpu>().pixel(p);
      row[4] = dice.integer(0, 9) < absent ? -std::numeric_limits<float>::infinity() : dice.coin() ? 0.5F : dice.number();
      row[5] = static_cast<float>(dice.integer(0, 3));
    }
    forward_agrees(dice, {"suppress " + std::to_string(rows), {candidates}, {list(n, most, kept_channels), list(n, 1, 1)}},
                   [&](auto& device, auto const& in, auto const& out) { suppress(device, rule, in[0], out[0], out[1]); });
  }
}

TEST_CASE("matches, samples and targets are those of plain loops") {
  Dice dice(87);
  for (int i = 0; i < 40; ++i) {
    index_t const n = dice.integer(1, 3), rows = dice.odd(0, 90), truths = dice.integer(1, 6), kept = dice.integer(1, 40);
    bool const shared = dice.coin();
    MatchRule const rule = dice.coin() ? MatchRule{0.7F, 0.3F, true} : MatchRule{0.5F, 0.5F, false};
    auto const known = counts(dice, n, truths), there = shared ? Block<float>{} : counts(dice, n, rows);
    auto const from = boxes(dice, list(shared ? 1 : n, rows, 4), 60.0F), to = boxes(dice, list(n, truths, 4), 60.0F);
    forward_agrees(dice, {"match", {from, there, to, known}, {list(n, rows, 1)}},
                   [&](auto& device, auto const& in, auto const& out) { match_boxes(device, rule, in[0], in[1], in[2], in[3], out[0]); });
    SampleRule const sample{dice.integer(1, 50), dice.integer(0, 30), static_cast<std::uint64_t>(i), dice.coin()};
    auto const matches = filled(block(dice, list(n, rows, 1)), [&](index_t, index_t) { return static_cast<float>(dice.integer(-2, dice.coin() ? -1 : truths - 1)); });
    forward_agrees(dice, {"sample", {matches, there}, {list(n, sample.count, 2), list(n, 1, 1)}},
                   [&](auto& device, auto const& in, auto const& out) { sample_rows(device, sample, in[0], in[1], out[0], out[1]); });
    auto const labels = filled(block(dice, list(n, truths, 1)), [&](index_t, index_t) { return static_cast<float>(dice.integer(1, 9)); });
    auto const sound = [&](Block<float> b) {  // codes of boxes with an area
      for (index_t p = 0; p < b.shape.pixels(); ++p) {
        float* const v = b.view<Cpu>().pixel(p);
        v[2] = std::max(v[2], v[0] + 1.0F), v[3] = std::max(v[3], v[1] + 1.0F);
      }
      return b;
    };
    forward_agrees(dice, {"targets", {picks(dice, n, kept, rows, truths), sound(from), sound(to), dice.coin() ? labels : Block<float>{}}, {list(n, kept, 5)}},
                   [&](auto& device, auto const& in, auto const& out) { targets_of_rows(device, BoxCode{}, in[0], in[1], in[2], in[3], out[0]); });
    forward_agrees(dice, {"append", {boxes(dice, list(n, kept, kept_channels), 60.0F), counts(dice, n, kept), to, known}, {list(n, kept + truths, 4), list(n, 1, 1)}},
                   [&](auto& device, auto const& in, auto const& out) { append_boxes(device, in[0], in[1], in[2], in[3], out[0], out[1]); });
  }
}

TEST_CASE("what is drawn depends on the key alone") {
  std::vector<float> const matches(400, match_nothing);
  auto const drawn = [&](std::uint64_t key) {
    std::vector<float> picked(2 * 32), count(1);
    sample_rows(cpu(1), {32, 16, key}, ConstFeatures<Cpu>{matches.data(), list(1, 400, 1)}, {}, Features<Cpu>{picked.data(), list(1, 32, 2)}, Features<Cpu>{count.data(), one});
    CHECK(count[0] == 32.0F);
    return picked;
  };
  CHECK(drawn(1) == drawn(1));
  CHECK(drawn(1) != drawn(2));
}

TEST_CASE("the losses of detection and their gradients are those of plain loops") {
  auto const rows = [](Dice& dice, index_t limit) { return FeatureShape{dice.integer(1, 3), 1, dice.odd(0, limit), 1}; };
  agree(88, 30, [&](Dice& dice, index_t limit) { FeatureShape const s = rows(dice, limit); return Trial{"binary " + to_string(s), {block(dice, s, 6.0F), targets(dice, s, 2)}, {one}}; },
        [](auto& device, auto const& in, auto const& out) { binary_cross_entropy(device, in[0], in[1], out[0]); },
        [](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
          if (d_in[0]) binary_cross_entropy_gradient(device, in[0], in[1], number(d_out[0]), d_in[0]);
        });
  agree(89, 30,
        [&](Dice& dice, index_t limit) {
          FeatureShape const s = rows(dice, limit).with_channels(dice.integer(2, 30));
          return Trial{"classes " + to_string(s), {block(dice, s, 6.0F), targets(dice, s, s.c())}, {one}};
        },
        [](auto& device, auto const& in, auto const& out) { row_cross_entropy(device, in[0], in[1], out[0]); },
        [](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
          if (d_in[0]) row_cross_entropy_gradient(device, in[0], in[1], number(d_out[0]), d_in[0]);
        });
  agree(90, 30,
        [&](Dice& dice, index_t limit) {
          index_t const classes = dice.integer(2, 6);
          FeatureShape const s = rows(dice, limit).with_channels(dice.coin() ? 4 : 4 * classes);
          return Trial{"codes " + to_string(s), {block(dice, s), targets(dice, s, classes)}, {one}};
        },
        [](auto& device, auto const& in, auto const& out) { smooth_l1(device, 1.0F / 9.0F, in[0], in[1], out[0]); },
        [](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
          if (d_in[0]) smooth_l1_gradient(device, 1.0F / 9.0F, in[0], in[1], number(d_out[0]), d_in[0]);
        });
}

TEST_CASE("regions are pooled as plain loops pool them, forward and backward") {
  RoiGeometry g;
  int levels = 4;
  auto const pyramid = [&](auto const& in) { return std::vector(in.begin(), in.begin() + levels); };
  agree(91, 24,
        [&](Dice& dice, index_t limit) {
          levels = dice.coin() ? 4 : 1;
          g = {static_cast<int>(dice.integer(1, limit > 5 ? 7 : 3)), static_cast<int>(dice.integer(1, 3)), static_cast<int>(dice.integer(1, 4))};
          index_t const n = dice.integer(1, 2), rows = dice.odd(0, 12), c = dice.odd(0, limit), side = dice.odd(0, 16);
          Trial t{"regions", {}, {list(1, n * rows, c * g.cells())}, {}};
          for (int l = 0; l < levels; ++l) {
            t.in.push_back(block(dice, {n, std::max<index_t>(1, side >> l), std::max<index_t>(1, (side + 4) >> l), c}));
            t.learns.push_back(static_cast<std::size_t>(l));
          }
          t.in.push_back(boxes(dice, list(n, rows, dice.coin() ? 4 : kept_channels), 260.0F));
          t.in.push_back(dice.coin() ? Block<float>{} : counts(dice, n, rows));
          return t;
        },
        [&](auto& device, auto const& in, auto const& out) {
          auto const maps = pyramid(in);
          roi_align(device, g, std::span(maps), in[static_cast<std::size_t>(levels)], in[static_cast<std::size_t>(levels) + 1], out[0]);
        },
        [&](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
          auto const maps = pyramid(d_in);
          roi_align_gradient(device, g, d_out[0], in[static_cast<std::size_t>(levels)], in[static_cast<std::size_t>(levels) + 1], std::span(maps));
        });
}
