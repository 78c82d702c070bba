// SPDX-License-Identifier: Apache-2.0
// What a model file says about one of its heads: task, classes, and the numbers by which a program finds the head's type.
// The defaults are those of the released checkpoints.
#pragma once

#include "tadp/io/description_json.hpp"

#include <cstdint>
#include <optional>

namespace tadp {

struct ClassDescription {
  std::string name{};
  std::array<std::uint8_t, 3> colour{};  ///< RGB
  friend bool operator==(ClassDescription const&, ClassDescription const&) = default;
};

/// The members of DepthConfig that a run needs, beside the width, which is `embed`.
struct DepthNumbers {
  int filters = 32, deconvs = 3, kernel = 2;
  float max_depth = 10.0F;  ///< metres
  float focal = 0.0F;       ///< pixels; 0: none was agreed on
  friend bool operator==(DepthNumbers const&, DepthNumbers const&) = default;
};

/// The members of DetectionConfig that a run needs, beside the width.
struct DetectionNumbers {
  int representation = 1024;
  int stride = 8;  ///< pixels a cell of the finest level
  std::array<int, 4> anchor_sizes{32, 64, 128, 256};
  int best_of_level = 1000, proposals = 1000, detections = 100;
  friend bool operator==(DetectionNumbers const&, DetectionNumbers const&) = default;
};

struct HeadDescription {
  std::string task = "segmentation";  ///< segmentation, segmentation_voc (SmpFpn), depth, detection, or a user's own
  int width = 256;                    ///< channels of the decoder or pyramid
  std::vector<ClassDescription> classes{};  ///< of the labels 0, 1, ..; a detector's first is the background; of depth: none
  DepthNumbers depth{};               ///< in the file where the task is depth
  DetectionNumbers detection{};       ///< in the file where the task is detection

  friend bool operator==(HeadDescription const&, HeadDescription const&) = default;
};

/// Whether the type of a task carries a DepthConfig, or a DetectionConfig.
template <class Task>
concept depth_task = requires { Task::config.max_depth; };
template <class Task>
concept detection_task = requires { Task::config.anchor_sizes; };

/// Fills in what the type of a task says. Of tasks without a configuration that is nothing: name and width are their maker's.
template <class Task>
HeadDescription describe_head(std::vector<ClassDescription> classes = {}) {
  HeadDescription head{.classes = std::move(classes)};
  if constexpr (depth_task<Task>) {
    constexpr auto c = Task::config;
    head.task = "depth", head.width = c.embed, head.depth = {c.filters, c.deconvs, c.kernel, c.max_depth, c.focal};
  } else if constexpr (detection_task<Task>) {
    constexpr auto c = Task::config;
    head.task = "detection", head.width = c.width;
    head.detection = {c.representation, c.stride, c.anchor_sizes, c.best_of_level, c.proposals, c.detections};
  }
  return head;
}

namespace description_detail {

inline constexpr std::size_t most_heads = 16, most_classes = 4096;

/// Calls use(name, field, least value) for every number of a head's configuration.
template <class Numbers, class Use>
  requires std::is_same_v<std::remove_const_t<Numbers>, DepthNumbers>
void for_numbers(Numbers& n, Use const& use) {
  use("filters", n.filters, 1.0), use("deconvs", n.deconvs, 1.0), use("kernel", n.kernel, 1.0), use("max_depth", n.max_depth, 1e-3), use("focal", n.focal, 0.0);
}
template <class Numbers, class Use>
  requires std::is_same_v<std::remove_const_t<Numbers>, DetectionNumbers>
void for_numbers(Numbers& n, Use const& use) {
  use("representation", n.representation, 1.0), use("stride", n.stride, 1.0), use("anchor_sizes", n.anchor_sizes, 1.0);
  use("best_of_level", n.best_of_level, 1.0), use("proposals", n.proposals, 1.0), use("detections", n.detections, 1.0);
}
template <class Numbers>
json numbers_json(Numbers const& numbers) {
  json out = json::object();
  for_numbers(numbers, [&](char const* name, auto const& value, double) { out[name] = value; });
  return out;
}
template <class Numbers>
void read_numbers(Reader const& reader, Numbers& numbers) {
  for_numbers(numbers, [&](char const* name, auto& value, double least) {
    if (least > 0.0 || reader.has(name)) reader.read(name, value, least, 1e6);  // what may be 0 was not always there
  });
}

inline json classes_json(std::vector<ClassDescription> const& classes) {
  json out = json::array();
  for (auto const& c : classes) out.push_back({{"name", c.name}, {"colour", c.colour}});
  return out;
}
/// Error(limit) where there are too many.
inline std::vector<ClassDescription> read_classes(Reader const& list) {
  list.require_at_most(most_classes, "classes");
  std::vector<ClassDescription> classes;
  list.each([&](Reader const& one) {
    ClassDescription& c = classes.emplace_back();
    one.read("name", c.name);
    one.read("colour", c.colour, 0, 255);
  });
  return classes;
}

inline json to_json(HeadDescription const& head) {
  json out{{"task", head.task}, {"width", head.width}, {"classes", classes_json(head.classes)}};
  if (head.task == "depth") out["depth"] = numbers_json(head.depth);
  if (head.task == "detection") out["detection"] = numbers_json(head.detection);
  return out;
}
inline void from_json(Reader const& reader, HeadDescription& head) {
  reader.read("task", head.task);
  reader.read("width", head.width, 1, 65536);
  head.classes = read_classes(reader.child("classes"));
  if (head.task == "depth") read_numbers(reader.child("depth"), head.depth);
  if (head.task == "detection") read_numbers(reader.child("detection"), head.detection);
}

/// Error(shape) unless a described head is the program's: task, width and numbers. The focal length is no part of the network:
/// it says which metres were learned, and a run follows the file (SessionOptions::focal).
inline void require_same(HeadDescription const& described, HeadDescription const& program, std::string const& file) {
  auto const require = [&](std::string const& field, json const& found, json const& expected) {
    if (found != expected)
      throw Error(Errc::shape, "the model file has another head than this program", {.file = file, .key = program.task + "." + field, .expected = expected.dump(), .found = found.dump()});
  };
  require("task", described.task, program.task);
  require("width", described.width, program.width);
  bool const depth = program.task == "depth";
  auto const found = depth ? numbers_json(described.depth) : numbers_json(described.detection), expected = depth ? numbers_json(program.depth) : numbers_json(program.detection);
  for (auto const& [field, value] : expected.items())
    if (field != "focal") require(field, found.at(field), value);
}

}  // namespace description_detail

/// Error(shape) unless the described head is the type's: its numbers and the count of its classes.
template <class Task>
void require_head(HeadDescription const& head, std::string const& file) {
  if constexpr (depth_task<Task> || detection_task<Task>) description_detail::require_same(head, describe_head<Task>(), file);
  if constexpr (!depth_task<Task>)
    if (auto const classes = static_cast<int>(head.classes.size()); Task::classes >= 0 && Task::classes != classes)
      throw Error(Errc::shape, "the model file has another count of classes than this program",
                  {.file = file, .key = "classes", .expected = std::to_string(Task::classes), .found = std::to_string(classes)});
}

}  // namespace tadp
