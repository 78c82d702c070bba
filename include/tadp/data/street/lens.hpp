// SPDX-License-Identifier: Apache-2.0
// From light to bytes as a small camera does it: exposure, white balance, vignette, tone, sharpening, noise, soft
// colour. The last step of a rendered picture.
#pragma once

#include "tadp/core/picture.hpp"
#include "tadp/data/street/shade.hpp"

namespace tadp::street {

/// Tone curve from linear [0, 1.5] to [0, 255], sampled once a scene because pow is dear.
inline std::vector<float> tone_table(Light const& l) {
  std::vector<float> table(2048);
  for (std::size_t i = 0; i < table.size(); ++i) {
    float const v = static_cast<float>(i) * (1.5F / 2047.0F);
    float const g = std::pow(v < 1.0F ? v : 1.0F, 1.0F / 2.2F);
    float const s =
        g < 0.42F ? 0.42F * std::pow(g / 0.42F, l.contrast) : 1.0F - 0.58F * std::pow((1.0F - g) / 0.58F, l.contrast);
    table[i] = 255.0F * s;
  }
  return table;
}

inline float tone(std::vector<float> const& table, float v) {
  float const x = (v < 0 ? 0.0F : (v > 1.49F ? 1.49F : v)) * (2047.0F / 1.5F);
  auto const i = static_cast<std::size_t>(x);
  return mix(table[i], table[i + 1], x - static_cast<float>(i));
}

/// Luma and two colour differences, planes of the picture's size.
struct Planes {
  int width = 0, height = 0;
  std::vector<float> y{}, u{}, v{};
};

/// The gain that brings the mean brightness of a picture to `l.luma`, as an automatic camera chooses it; within a
/// factor of 3.
inline float auto_gain(Shaded const& in, Light const& l, std::vector<float> const& table) {
  float low = 0.33F, high = 3.0F;
  std::size_t const step = 1 + in.colour.size() / 1500;
  for (int round = 0; round < 9; ++round) {
    float const gain = std::sqrt(low * high);
    double sum = 0;
    int n = 0;
    for (std::size_t i = 0; i < in.colour.size(); i += step, ++n)
      sum += static_cast<double>(tone(table, (in.colour[i].x + in.colour[i].y + in.colour[i].z) * (gain / 3.0F)));
    (sum > static_cast<double>(l.luma) * n ? high : low) = gain;
  }
  return std::sqrt(low * high);
}

inline Planes expose(Shaded const& in, Light const& l) {
  Planes p{.width = in.width, .height = in.height};
  p.y.resize(in.colour.size()), p.u.resize(in.colour.size()), p.v.resize(in.colour.size());
  auto const table = tone_table(l);
  float const exposure = auto_gain(in, l, table);
  std::size_t at = 0;
  for (int y = 0; y < in.height; ++y)
    for (int x = 0; x < in.width; ++x, ++at) {
      float const dx = (static_cast<float>(x) + 0.5F) / static_cast<float>(in.width) - 0.5F,
                  dy = (static_cast<float>(y) + 0.5F) / static_cast<float>(in.height) - 0.5F;
      float const gain = exposure * (1.0F - l.vignette * 2.0F * (dx * dx + dy * dy));
      Colour const c = in.colour[at] * l.balance * gain;
      float const r = tone(table, c.x), g = tone(table, c.y), b = tone(table, c.z);
      p.y[at] = 0.299F * r + 0.587F * g + 0.114F * b;
      p.u[at] = b - p.y[at], p.v[at] = r - p.y[at];
    }
  return p;
}

/// Three taps each way; `amount` above 0 sharpens, below 0 blurs.
inline void sharpen(Planes& p, float amount) {
  std::vector<float> row(p.y.size());
  auto const w = static_cast<std::size_t>(p.width), h = static_cast<std::size_t>(p.height);
  auto const pass = [&](std::vector<float> const& from, std::vector<float>& to, std::size_t step, std::size_t count,
                        std::size_t lines, std::size_t jump) {
    for (std::size_t line = 0; line < lines; ++line)
      for (std::size_t i = 0; i < count; ++i) {
        std::size_t const at = line * jump + i * step;
        float const before = from[i > 0 ? at - step : at], after = from[i + 1 < count ? at + step : at];
        to[at] = from[at] + amount * (2.0F * from[at] - before - after);
      }
  };
  pass(p.y, row, 1, w, h, w);
  pass(row, p.y, w, h, w, 1);
}

inline void soften_colour(Planes& p) {  // one value for each 2 x 2, as 4:2:0 files keep
  for (auto* plane : {&p.u, &p.v})
    for (int y = 0; y + 1 < p.height; y += 2)
      for (int x = 0; x + 1 < p.width; x += 2) {
        std::size_t const a = static_cast<std::size_t>(y) * static_cast<std::size_t>(p.width) +
                              static_cast<std::size_t>(x),
                          b = a + static_cast<std::size_t>(p.width);
        float const mean = 0.25F * ((*plane)[a] + (*plane)[a + 1] + (*plane)[b] + (*plane)[b + 1]);
        (*plane)[a] = (*plane)[a + 1] = (*plane)[b] = (*plane)[b + 1] = mean;
      }
}

inline std::uint8_t to_byte(float v) {
  return static_cast<std::uint8_t>(v <= 0 ? 0.0F : (v >= 255.0F ? 255.0F : v + 0.5F));
}

inline Picture develop(Shaded const& in, Light const& l, std::uint32_t seed) {
  Planes p = expose(in, l);
  sharpen(p, l.sharpen);
  soften_colour(p);
  Picture out(in.width, in.height);
  std::size_t at = 0;
  for (int y = 0; y < in.height; ++y)
    for (int x = 0; x < in.width; ++x, ++at) {
      std::uint32_t const h = hash2(x, y, seed);
      float const white =
          static_cast<float>((h & 255U) + ((h >> 8) & 255U) + ((h >> 16) & 255U) + (h >> 24)) * (1.0F / 147.8F) - 3.45F;
      float const luma = p.y[at] + white * l.noise * (p.y[at] > 250.0F ? 0.2F : 1.0F);
      float const r = luma + p.v[at], b = luma + p.u[at], g = luma - 0.509F * p.v[at] - 0.194F * p.u[at];
      std::uint8_t* pixel = out.pixel(x, y);
      pixel[0] = to_byte(r), pixel[1] = to_byte(g), pixel[2] = to_byte(b);
    }
  return out;
}

}  // namespace tadp::street
