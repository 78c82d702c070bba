// SPDX-License-Identifier: Apache-2.0
// Which countable thing each pixel shows, and the box around what is seen of it.
// Read from the same samples as the label map, so that boxes, labels and distances never disagree.
#pragma once

#include "tadp/data/street/labels.hpp"
#include "tadp/data/street/shade.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace tadp {

/// What is seen of one thing: pixels from (x1, y1) to before (x2, y2), each side touched by at least one of them.
struct Box2D {
  std::uint8_t label = 255;    ///< index into street_class_names()
  int x1 = 0, y1 = 0, x2 = 0, y2 = 0;
  int pixels = 0;              ///< how many are seen
  float visible = 1.0F;        ///< the share that is seen of what nothing would hide, within the frame; (0, 1]
};

namespace street {

/// The classes whose things are told apart; whatever else a face belongs to has no box.
inline constexpr std::uint8_t countable[] = {sign, car, pedestrian, bicyclist};

/// Fewer pixels or a shorter side tell nobody what the thing is, and overlap with any answer is then decided by rounding.
inline constexpr int fewest_pixels = 12, shortest_side = 3;

struct Instances {
  std::vector<Box2D> boxes{};           // in the order in which the things were placed
  std::vector<std::uint16_t> map{};     // (height, width): 1 + index into boxes, 0 where no box counts the pixel
};

/// How many samples each thing of the stage has, of those for which face_at(sample) is one of its faces.
template <class FaceAt>
std::vector<int> samples_of_things(Scene const& s, FaceAt&& face_at) {
  std::vector<int> of_face(s.seen.faces.size()), of_thing(s.stage.things.size());
  for (std::size_t at = 0; at < s.seen.face.size(); ++at)
    if (std::uint32_t const face = face_at(at); face < sees_ground) ++of_face[face];
  for (std::size_t i = 0; i < of_face.size(); ++i) of_thing[s.seen.faces[i].object] += of_face[i];
  return of_thing;
}

/// Samples that each wanted thing would cover with nothing before it; `wanted` by thing.
inline std::vector<int> whole_samples(Scene const& s, std::vector<bool> const& wanted) {
  std::vector<std::pair<std::uint16_t, std::uint32_t>> parts;
  for (std::uint32_t i = 0; i < s.seen.faces.size(); ++i)
    if (wanted[s.seen.faces[i].object]) parts.emplace_back(s.seen.faces[i].object, i);
  std::sort(parts.begin(), parts.end());  // a thing at a time: then one mark a sample is enough
  std::vector<std::uint16_t> mark(s.seen.face.size());
  std::vector<int> count(wanted.size());
  for (auto const& [object, face] : parts)
    cover(
        s.seen, s.cam, face, s.stage.looks,
        [&, o = object](std::size_t at, float iz) { return iz > 0.0F && mark[at] != o; },
        [&, o = object](std::size_t at, float) { mark[at] = o, ++count[o]; });
  return count;
}

/// The boxes of a picture, and which pixels are theirs.
inline Instances find_instances(Scene const& s, Shaded const& picture) {
  std::vector<Box2D> found(s.stage.things.size(), Box2D{.x1 = picture.width, .y1 = picture.height});
  std::size_t at = 0;
  for (int y = 0; y < picture.height; ++y)
    for (int x = 0; x < picture.width; ++x, ++at) {
      if (picture.object[at] == 0) continue;
      Box2D& b = found[picture.object[at]];
      b.x1 = std::min(b.x1, x), b.x2 = std::max(b.x2, x + 1), b.y1 = std::min(b.y1, y), b.y2 = y + 1, ++b.pixels;
    }
  std::vector<bool> kept(found.size());
  for (std::size_t i = 1; i < found.size(); ++i) {
    Box2D& b = found[i];
    b.label = s.stage.things[i].label;
    kept[i] = b.pixels >= fewest_pixels && b.x2 - b.x1 >= shortest_side && b.y2 - b.y1 >= shortest_side &&
              std::find(std::begin(countable), std::end(countable), b.label) != std::end(countable);
  }
  auto const whole = whole_samples(s, kept),
             seen = samples_of_things(s, [&](std::size_t i) { return s.seen.labelling(i); });
  Instances out;
  std::vector<std::uint16_t> number(found.size());
  for (std::size_t i = 1; i < found.size(); ++i) {
    if (!kept[i]) continue;
    found[i].visible = static_cast<float>(seen[i]) / static_cast<float>(std::max(whole[i], 1));
    out.boxes.push_back(found[i]);
    number[i] = static_cast<std::uint16_t>(out.boxes.size());
  }
  out.map.reserve(picture.object.size());
  for (std::uint16_t const object : picture.object) out.map.push_back(number[object]);
  return out;
}

}  // namespace street

}  // namespace tadp
