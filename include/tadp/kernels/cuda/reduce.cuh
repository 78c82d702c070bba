// SPDX-License-Identifier: Apache-2.0
// Sums over pixels, of one number or of one a channel, in two steps: fixed chunks, then the chunks in order, in double.
// No atomics: the same bytes in every run.
#pragma once

#include "tadp/kernels/cuda/element.cuh"

namespace tadp::cuda {

/// `Count` sums side by side.
template <int Count>
struct Sums {
  double value[Count];
};

/// partial[chunk] = the sums over the chunk's pixels of what term(pixel, sums) adds.
template <class Term>
struct PixelSums {
  static constexpr int threads = 256;
  static constexpr index_t chunk = 2048;
  using Shared = Nothing;
  using Totals = Sums<Term::sums>;
  Term term;
  index_t pixels;
  Totals* partial;

  index_t blocks() const { return blocks_for(pixels, chunk); }
  template <class Block>
  TADP_DEVICE void operator()(Block& block) const {
    typename Block::template PerThread<Totals> mine;
    block.each([&](int t) {
      mine[t] = {};
      index_t const first = block.index() * chunk, last = first + chunk < pixels ? first + chunk : pixels;
      for (index_t p = first + t; p < last; p += threads) term(p, mine[t].value);
    });
    for (int s = 0; s < Term::sums; ++s) {
      typename Block::template PerThread<double> one;
      block.each([&](int t) { one[t] = mine[t].value[s]; });
      double const total = block.join(one, Sum{});
      block.each([&](int t) {
        if (t == 0) partial[block.index()].value[s] = total;
      });
    }
  }
};

/// done(sums): the chunks joined, by one block.
template <int Count, class Done>
struct FinishPixelSums {
  static constexpr int threads = 256;
  using Shared = Nothing;
  Sums<Count> const* partial;
  index_t chunks;
  Done done;

  index_t blocks() const { return 1; }
  template <class Block>
  TADP_DEVICE void operator()(Block& block) const {
    Sums<Count> totals{};
    for (int s = 0; s < Count; ++s) {
      typename Block::template PerThread<double> one;
      block.each([&](int t) {
        one[t] = 0.0;
        for (index_t i = t; i < chunks; i += threads) one[t] += partial[i].value[s];
      });
      totals.value[s] = block.join(one, Sum{});
    }
    block.each([&](int t) {
      if (t == 0) done(totals.value);
    });
  }
};

/// For `segments` of `pixels` pixels each, partial[segment][chunk][channel] = the sums over the chunk of what
/// term(pixel, channel, sums) adds.
template <class Term>
struct ChannelSums {
  static constexpr int columns = warp, rows = 8, threads = columns * rows;
  static constexpr index_t chunk = 256;
  using Totals = Sums<Term::sums>;
  struct Shared {
    Totals row[rows][columns];
  };
  Term term;
  index_t segments, pixels, channels;
  Totals* partial;

  index_t chunks() const { return blocks_for(pixels, chunk); }
  index_t blocks() const { return segments * chunks() * blocks_for(channels, columns); }
  template <class Block>
  TADP_DEVICE void operator()(Block& block) const {
    index_t const tiles = (channels + columns - 1) / columns, all = (pixels + chunk - 1) / chunk;
    index_t const tile = block.index() % tiles, part = block.index() / tiles % all, segment = block.index() / tiles / all;
    index_t const first = part * chunk, last = first + chunk < pixels ? first + chunk : pixels;
    block.each([&](int t) {
      Totals mine{};
      index_t const c = tile * columns + t % columns;
      if (c < channels)
        for (index_t p = first + t / columns; p < last; p += rows) term(segment * pixels + p, c, mine.value);
      block.shared().row[t / columns][t % columns] = mine;
    });
    block.each([&](int t) {
      index_t const c = tile * columns + t;
      if (t >= columns || c >= channels) return;
      Totals total{};
      for (int r = 0; r < rows; ++r)
        for (int s = 0; s < Term::sums; ++s) total.value[s] += block.shared().row[r][t].value[s];
      partial[(segment * all + part) * channels + c] = total;
    });
  }
};

/// done(segment, channel, sums) for every channel: a work of ForEach over (segments, channels).
template <int Count, class Done>
struct FinishChannelSums {
  Sums<Count> const* partial;
  index_t chunks, channels;
  Done done;

  TADP_DEVICE void operator()(index_t segment, index_t c) const {
    Sums<Count> total{};
    for (index_t i = 0; i < chunks; ++i)
      for (int s = 0; s < Count; ++s) total.value[s] += partial[(segment * chunks + i) * channels + c].value[s];
    done(segment, c, total.value);
  }
};

/// Keeps sums for the kernels that follow: [segment][channel], or one.
template <int Count>
struct KeepSums {
  Sums<Count>* to;
  index_t channels = 1;
  TADP_DEVICE void operator()(double const* sums) const {
    for (int s = 0; s < Count; ++s) to->value[s] = sums[s];
  }
  TADP_DEVICE void operator()(index_t segment, index_t c, double const* sums) const {
    for (int s = 0; s < Count; ++s) to[segment * channels + c].value[s] = sums[s];
  }
};

/// A term of ChannelSums: the values themselves.
template <class T>
struct Values {
  static constexpr int sums = 1;
  Rows<T const> x;
  TADP_DEVICE void operator()(index_t p, index_t c, double* sum) const { *sum += static_cast<double>(x.get(p, c)); }
};

/// Adds the sums of all segments to one number a channel.
struct AddSums {
  float* to;
  TADP_DEVICE void operator()(index_t, index_t c, double const* sum) const { to[c] += static_cast<float>(*sum); }
};

}  // namespace tadp::cuda
