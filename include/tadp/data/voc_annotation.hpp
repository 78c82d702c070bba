// SPDX-License-Identifier: Apache-2.0
// One annotation file of the VOC form, by pugixml: the picture's size and its objects, and what is wrong with each of them.
// A file that declares a document type is refused: annotations have none, and entities are declared there.
#pragma once

#include "tadp/core/boxes.hpp"
#include "tadp/data/folder_files.hpp"

#include <pugixml.hpp>

#include <charconv>

namespace tadp {

/// What an annotation file may hold; above it Error(limit).
struct VocLimits {
  std::uint64_t max_file_bytes = std::uint64_t{4} << 20;
  std::size_t max_objects = 10'000;  ///< of a picture
  std::size_t max_name = 200;        ///< bytes of a class's name
  std::size_t max_classes = 1'000;   ///< of a data set
};

/// The twenty classes of VOC in the order of its labels 1 to 20.
inline constexpr std::array<std::string_view, 20> voc_class_names = {"aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
                                                                     "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"};

/// An object as the file has it.
struct VocObject {
  std::size_t number = 0;  ///< of the file's objects, from 0
  std::string name{};
  Box box{};  ///< xmin, ymin, xmax, ymax as they are written
  bool difficult = false;
};
struct VocAnnotation {
  std::string file_name{};    ///< the picture's, as the file says
  int width = 0, height = 0;  ///< 0: not said
  std::vector<VocObject> objects{};
  std::vector<FolderFinding> faults{};  ///< of the objects that are not in the list; without the file's name
};

namespace detail {

inline std::string object_text(std::size_t number) { return "object " + std::to_string(number); }
inline std::string object_text(VocObject const& o) {
  std::string text = object_text(o.number) + ":";
  char digits[64];
  for (float const v : {o.box.x1, o.box.y1, o.box.x2, o.box.y2}) text.append(" ").append(digits, std::to_chars(digits, digits + sizeof digits, v).ptr);
  return text;
}

template <class Number>
bool read_number(std::string_view text, Number& value) {
  auto const t = trimmed(text);
  auto const [end, code] = std::from_chars(t.data(), t.data() + t.size(), value);
  return !t.empty() && code == std::errc{} && end == t.data() + t.size();
}

/// Adds an object of the file to its list, or why not.
inline void add_object(VocAnnotation& to, pugi::xml_node const& node, std::size_t number, VocLimits const& limits) {
  VocObject object{.number = number, .name = std::string(trimmed(node.child_value("name")))};
  auto const refuse = [&](FolderFault fault, std::string const& text) { to.faults.push_back({fault, {}, object_text(number) + text}); };
  if (object.name.empty() || object.name.size() > limits.max_name) return refuse(FolderFault::object_unnamed, "");
  pugi::xml_node const corners = node.child("bndbox");
  constexpr std::pair<char const*, float Box::*> fields[] = {{"xmin", &Box::x1}, {"ymin", &Box::y1}, {"xmax", &Box::x2}, {"ymax", &Box::y2}};
  for (auto const& [name, field] : fields) {
    std::string_view const text = corners.child_value(name);
    if (!read_number(text, object.box.*field) || !std::isfinite(object.box.*field))
      return refuse(FolderFault::box_no_number, std::string(": ") + name + (text.empty() ? " is missing" : " is \"" + printable(text, 40) + "\""));
  }
  std::string_view const difficult = trimmed(node.child_value("difficult"));
  if (!difficult.empty() && difficult != "0" && difficult != "1") return refuse(FolderFault::box_no_number, ": difficult is \"" + printable(difficult, 40) + "\"");
  object.difficult = difficult == "1";
  Box const& b = object.box;
  if (b.x2 < b.x1 || b.y2 < b.y1) return refuse(FolderFault::box_inverted, object_text(object).substr(object_text(number).size()));
  if (!(b.x2 > b.x1 && b.y2 > b.y1)) return refuse(FolderFault::box_empty, object_text(object).substr(object_text(number).size()));
  to.objects.push_back(std::move(object));
}

}  // namespace detail

/// Reads an annotation held in memory; `file` only names it in errors. Error(format) for what is no XML, declares a document
/// type or has another root, Error(limit), Error(memory).
inline VocAnnotation parse_voc_annotation(std::span<std::byte const> bytes, VocLimits const& limits = {}, std::string const& file = {}) {
  pugi::xml_document document;
  auto const parsed = document.load_buffer(bytes.data(), bytes.size(), pugi::parse_default | pugi::parse_doctype);
  if (parsed.status == pugi::status_out_of_memory) throw Error(Errc::memory, "no memory for the annotation", {.file = file});
  if (!parsed)
    throw Error(Errc::format, std::string("a damaged annotation: ") + parsed.description(), {.file = file, .expected = "XML", .offset = static_cast<std::uint64_t>(std::max<std::ptrdiff_t>(parsed.offset, 0))});
  for (pugi::xml_node const& node : document.children())
    if (node.type() == pugi::node_doctype) throw Error(Errc::format, "an annotation that declares a document type", {.file = file, .expected = "no <!DOCTYPE>"});
  pugi::xml_node const root = document.child("annotation");
  if (!root) throw Error(Errc::format, "no annotation of the VOC form", {.file = file, .expected = "<annotation>", .found = "<" + printable(document.document_element().name(), 60) + ">"});
  VocAnnotation out{.file_name = printable(detail::trimmed(root.child_value("filename")))};
  pugi::xml_node const size = root.child("size");
  if (!detail::read_number(size.child_value("width"), out.width) || !detail::read_number(size.child_value("height"), out.height) || out.width <= 0 || out.height <= 0) out.width = out.height = 0;
  std::size_t number = 0;
  for (pugi::xml_node const& object : root.children("object")) {
    if (number >= limits.max_objects)
      throw Error(Errc::limit, "an annotation with too many objects", {.file = file, .expected = "at most " + std::to_string(limits.max_objects)});
    detail::add_object(out, object, number++, limits);
  }
  return out;
}

/// The same from a file; Error(io), and Error(limit) for one that is too large.
inline VocAnnotation read_voc_annotation(std::filesystem::path const& path, VocLimits const& limits = {}) {
  return parse_voc_annotation(read_file(path, limits.max_file_bytes), limits, path.string());
}

}  // namespace tadp
