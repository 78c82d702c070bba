// SPDX-License-Identifier: Apache-2.0
// A pinhole camera: from places in the street to samples of the picture and back.
// Distances along the optical axis are kept as 1/z, which is linear across the picture for every plane.
#pragma once

#include "tadp/data/street/plan.hpp"
#include "tadp/data/street/stage.hpp"

#include <cmath>

namespace tadp::street {

struct Camera {
  Vec3 eye{}, right{1, 0, 0}, up{0, 1, 0}, ahead{0, 0, 1};
  float focal = 300, cx = 160, cy = 120;  // in samples
  int width = 320, height = 240;          // in samples

  /// Not of length 1: reaches the plane one metre ahead.
  Vec3 ray(float sx, float sy) const { return ahead + right * ((sx - cx) / focal) - up * ((sy - cy) / focal); }
  Vec3 to_camera(Vec3 p) const {
    Vec3 const d = p - eye;
    return {dot(d, right), dot(d, up), dot(d, ahead)};
  }
  Point2 project(Vec3 c) const { return {cx + focal * c.x / c.z, cy - focal * c.y / c.z}; }
};

/// A value a * sx + b * sy + c of the picture.
struct Linear {
  float a = 0, b = 0, c = 0;
  float at(float sx, float sy) const { return a * sx + b * sy + c; }
};

/// dot(v, ray) as a linear value.
inline Linear along_rays(Camera const& cam, Vec3 v) {
  float const r = dot(v, cam.right) / cam.focal, u = dot(v, cam.up) / cam.focal;
  return {r, -u, dot(v, cam.ahead) - r * cam.cx + u * cam.cy};
}

/// The camera of a view; `scale` samples a pixel.
inline Camera make_camera(Plan const& plan, View const& view, int width, int height, int scale) {
  Camera cam;
  float const cyaw = std::cos(view.yaw), syaw = std::sin(view.yaw), cp = std::cos(view.pitch),
              sp = std::sin(view.pitch), cr = std::cos(view.roll), sr = std::sin(view.roll);
  Vec3 const flat_right{cyaw, 0, -syaw};
  cam.ahead = {syaw * cp, sp, cyaw * cp};
  Vec3 const level_up = cross(cam.ahead, flat_right);
  cam.right = flat_right * cr + level_up * sr;
  cam.up = level_up * cr - flat_right * sr;
  cam.eye = plan.at(view.eye_lat, 0, view.eye_height);
  cam.width = width * scale, cam.height = height * scale;
  cam.focal = view.focal * most(static_cast<float>(cam.width), static_cast<float>(cam.height) * (4.0F / 3.0F));
  cam.cx = static_cast<float>(cam.width) * 0.5F, cam.cy = static_cast<float>(cam.height) * 0.5F;
  return cam;
}

}  // namespace tadp::street
