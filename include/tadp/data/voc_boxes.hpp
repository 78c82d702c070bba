// SPDX-License-Identifier: Apache-2.0
// A folder of the VOC form: JPEGImages/ or images/, Annotations/*.xml, ImageSets/Main/<split>.txt. All annotations of the split
// are read when it is opened, and all that is missing or wrong is said at once.
#pragma once

#include "tadp/core/fingerprint.hpp"
#include "tadp/data/kept_samples.hpp"
#include "tadp/data/voc_annotation.hpp"
#include "tadp/exec/control.hpp"

#include <set>
#include <unordered_set>

namespace tadp {

/// How corners are taken from a file. VOC counts pixels from 1; the paper's detector learns them unchanged and is scored so.
enum class VocCorners : std::uint8_t {
  as_written,
  from_zero,  ///< 1 less for xmin and ymin, as the loader of Watercolor2k and Comic2k has it (spec 6, Q16)
};

struct VocBoxesOptions {
  std::string split{};                 ///< a list of ImageSets/Main without its ending; empty: every annotation
  std::vector<std::string> classes{};  ///< for the labels 1, 2, ..; empty: VOC's twenty where no other name is found, else the names found, sorted
  std::filesystem::path captions{};    ///< empty: captions.json in the folder, where there is one
  bool incomplete = false;             ///< use the whole pictures and report the rest, in place of an error
  bool drop_boxes = false;             ///< leave out the boxes that cannot be used and report them, in place of an error
  VocCorners corners = VocCorners::as_written;
  std::uint64_t cache_bytes = 0;       ///< decoded samples that are kept in memory; 0: only the last one
  ImageLimits images{};
  VocLimits limits{};
  CaptionLimits caption_limits{};
};

class VocBoxes {
 public:
  /// Lists the folder, reads the annotations and the headers of the pictures. Error(io, format, limit, cancelled),
  /// Error(argument) for options that do not fit; an Error of the first kind of fault, with all of them, unless the options allow
  /// these.
  explicit VocBoxes(std::filesystem::path folder, VocBoxesOptions options = {}, Control const& control = {}) : folder_(std::move(folder)), options_(std::move(options)) {
    list();
    std::vector<VocAnnotation> annotations = read_annotations(control);
    find_classes(annotations, control);
    for (std::size_t i = 0; i < items_.size(); ++i) take_boxes(items_[i], annotations[i]);
    std::erase_if(items_, [](Item const& item) { return item.out; });
    report_.require_none(folder_, !options_.incomplete, !options_.drop_boxes);
    if (items_.empty())
      throw Error(Errc::format, "the data set has no picture with an annotation" + (report_.complete() ? std::string() : ": " + report_.text()),
                  {.file = folder_.string(), .expected = "JPEGImages/NAME.jpg, Annotations/NAME.xml"});
    read_captions();
    kept_ = KeptSamples(items_.size(), options_.cache_bytes);
  }

  std::size_t size() const { return items_.size(); }
  FolderReport const& report() const { return report_; }
  std::filesystem::path const& folder() const { return folder_; }
  /// Names of the labels 1, 2, ..; a head counts one class more, the background.
  std::vector<std::string> const& classes() const { return classes_; }
  /// File name of a picture; in the order of the split's list, or of the names.
  std::string const& name(std::size_t i) const { return items_[i].picture.name; }
  std::filesystem::path picture_path(std::size_t i) const { return folder_ / pictures_ / items_[i].picture.name; }
  std::filesystem::path annotation_path(std::size_t i) const { return folder_ / "Annotations" / items_[i].annotation.name; }
  std::string const& caption(std::size_t i) const { return items_[i].caption; }
  /// The objects of a picture, without its pixels.
  std::vector<TrueBox> const& boxes(std::size_t i) const { return items_[i].boxes; }

  /// Reads a sample, whose labels are all unknown. Errors as for read_image; Error(io) for a file that changed since the set was opened.
  Sample load(std::size_t i) const {
    Item const& item = items_[i];
    Sample sample{read_image(picture_path(i), options_.images), {}, item.caption, {}, {}, item.boxes};
    sample.labels = LabelMap(sample.picture.width, sample.picture.height, ignore_label);
    require_unchanged(picture_path(i), item.picture.stamp);
    require_unchanged(annotation_path(i), item.annotation.stamp);
    return sample;
  }
  /// The same, kept in memory as far as the options allow; valid until another sample is asked for. Not for two threads at once.
  Sample const& operator[](std::size_t i) {
    return kept_.get(i, [&] { return load(i); });
  }
  /// Reads everything once; the messages of what is wrong, at most `most` of them.
  std::vector<std::string> check(Control const& control = {}, std::size_t most = 20) const { return faults_of(*this, control, most); }
  /// A name for the content: names, captions, classes, the boxes that are taken and the bytes of all files. Error(cancelled)
  /// on request.
  std::string fingerprint(Control const& control = {}) const {
    Fingerprint f;
    for (std::string const& c : classes_) f.add(c);
    for (std::size_t i = 0; i < size(); ++i) {
      f.add(name(i)).add(caption(i)).add(read_file(picture_path(i), options_.images.max_file_bytes)).add(read_file(annotation_path(i), options_.limits.max_file_bytes));
      for (TrueBox const& b : boxes(i)) f.add(std::as_bytes(std::span(&b.box, 1))).add(std::to_string(b.label)).add(b.difficult ? "difficult" : "");
      control.step(i + 1, size());
    }
    return f.hex();
  }

 private:
  struct Item {
    ListedFile picture{}, annotation{};
    std::string caption{};
    std::vector<TrueBox> boxes{};
    int width = 0, height = 0;
    bool out = false;  ///< cannot be used
  };
  static std::string annotation_name(ListedFile const& file) { return "Annotations/" + file.name; }

  /// "000005 -1": whether a class is in a picture, as VOC's lists of one class have it.
  static bool has_flag(std::string_view line) {
    auto const blank = line.find_last_of(" \t");
    auto const flag = blank == std::string_view::npos ? std::string_view() : line.substr(blank + 1);
    return flag == "-1" || flag == "0" || flag == "1";
  }
  /// Error(format) where the list is one of a class's flags; a name may end with a number after a blank, but not all of them do.
  void require_names(std::vector<std::string> const& names, std::map<std::string, ListedFile> const& pictures) const {
    if (names.empty() || !std::all_of(names.begin(), names.end(), [&](std::string const& name) { return has_flag(name) && !pictures.contains(name); })) return;
    std::string const lists = "ImageSets/Main/", whole = options_.split.substr(options_.split.rfind('_') + 1);
    std::error_code ignored;
    bool const there = whole != options_.split && std::filesystem::exists(folder_ / (lists + whole + ".txt"), ignored);
    throw Error(Errc::format, "this list tells in which pictures one class is, and is no split",
                {.file = (folder_ / (lists + options_.split + ".txt")).string(), .key = "split", .expected = there ? whole + ", whose lines are names alone" : "a list whose lines are names alone, such as train", .found = printable(names.front(), 60)});
  }
  /// Names of the split, in the order of its list, each once.
  std::vector<std::string> split_names() {
    std::string const& split = options_.split;
    if (split.find_first_of("/\\") != std::string::npos || split == ".." || split.size() > 200)
      throw Error(Errc::argument, "a split is the name of a list, not a path", {.key = "split", .found = split});
    std::string const file = "ImageSets/Main/" + split + ".txt";
    auto const bytes = read_file(folder_ / file, detail::most_list_bytes);
    std::vector<std::string> names;
    std::unordered_set<std::string> seen;
    detail::for_each_line(detail::text_of(bytes), [&](std::size_t number, std::string_view line) {
      auto const where = "line " + std::to_string(number);
      if (line.size() > detail::most_name_bytes || line.find_first_of(std::string_view("/\\\0", 3)) != std::string_view::npos || line == "..")
        report_.add(FolderFault::list_line, file, where + ": " + printable(line, 60));
      else if (!seen.emplace(line).second)
        report_.add(FolderFault::listed_twice, file, where + ": " + printable(line, 60));
      else
        names.emplace_back(line);
    });
    return names;
  }
  void list() {
    std::error_code ignored;
    pictures_ = std::filesystem::exists(folder_ / "JPEGImages", ignored) ? "JPEGImages" : "images";
    auto const pictures = list_files(folder_, pictures_, {".jpg", ".jpeg", ".png"}, report_);
    all_annotations_ = list_files(folder_, "Annotations", {".xml"}, report_);
    std::vector<std::string> names;
    if (!options_.split.empty()) {
      names = split_names();
      require_names(names, pictures);
    } else {
      for (auto const& [stem, file] : pictures) names.push_back(stem);
      for (auto const& [stem, file] : all_annotations_)
        if (!pictures.contains(stem)) names.push_back(stem);
    }
    for (std::string const& stem : names) {
      auto const picture = pictures.find(stem);
      auto const annotation = all_annotations_.find(stem);
      if (picture == pictures.end()) report_.add(FolderFault::picture_missing, pictures_ + "/" + stem);
      if (annotation == all_annotations_.end()) report_.add(FolderFault::annotation_missing, "Annotations/" + stem + ".xml");
      if (picture != pictures.end() && annotation != all_annotations_.end()) items_.push_back({.picture = picture->second, .annotation = annotation->second});
    }
  }

  /// The annotation of every item; the item is out where it or its picture is damaged.
  std::vector<VocAnnotation> read_annotations(Control const& control) {
    std::vector<VocAnnotation> annotations(items_.size());
    for (std::size_t i = 0; i < items_.size(); ++i) {
      Item& item = items_[i];
      auto const guarded = [&](FolderFault fault, std::string const& file, auto const& read) {
        try {
          read();
        } catch (Error const& e) {
          if (e.code() == Errc::memory) throw;
          report_.add(e.code() == Errc::io ? FolderFault::unusable_file : fault, file, reason_of(e));
          item.out = true;
        }
      };
      guarded(FolderFault::damaged_annotation, annotation_name(item.annotation), [&] { annotations[i] = read_voc_annotation(annotation_path(i), options_.limits); });
      guarded(FolderFault::damaged_picture, pictures_ + "/" + item.picture.name, [&] {
        auto const header = read_picture_header(picture_path(i), options_.images);
        item.width = header.width, item.height = header.height;
      });
      if (!item.out) compare_sizes(item, annotations[i]);
      control.step(i + 1, items_.size());
    }
    return annotations;
  }
  void compare_sizes(Item& item, VocAnnotation const& a) {
    auto const text = [](int w, int h) { return detail::size_text(static_cast<std::uint64_t>(w), static_cast<std::uint64_t>(h)); };
    item.out = a.width != item.width || a.height != item.height;
    if (a.width == 0)
      report_.add(FolderFault::size_missing, annotation_name(item.annotation));
    else if (item.out)
      report_.add(FolderFault::sizes_differ, annotation_name(item.annotation), text(a.width, a.height) + " in place of " + text(item.width, item.height));
    if (!a.file_name.empty() && std::filesystem::path(a.file_name).stem() != std::filesystem::path(item.picture.name).stem())
      report_.remark(annotation_name(item.annotation), "names the picture " + a.file_name);
  }

  /// Of the whole folder and not of the split: a class keeps its label from one split to another.
  void find_classes(std::vector<VocAnnotation> const& annotations, Control const& control) {
    classes_ = options_.classes;
    if (classes_.empty()) {
      std::set<std::string> found;
      auto const add = [&](VocAnnotation const& a) {
        for (VocObject const& o : a.objects) found.insert(o.name);
        if (found.size() > options_.limits.max_classes)
          throw Error(Errc::limit, "the data set has too many classes", {.file = folder_.string(), .expected = "at most " + std::to_string(options_.limits.max_classes)});
      };
      std::unordered_set<std::string> read;
      for (std::size_t i = 0; i < items_.size(); ++i) add(annotations[i]), read.insert(items_[i].annotation.name);
      for (auto const& [stem, file] : all_annotations_) {
        if (read.contains(file.name)) continue;
        control.check();
        VocAnnotation other;
        try {
          other = read_voc_annotation(folder_ / "Annotations" / file.name, options_.limits);
        } catch (Error const& e) {
          if (e.code() == Errc::memory) throw;
          report_.remark(annotation_name(file), "not of this split, and damaged: " + reason_of(e));
        }
        add(other);
      }
      bool const voc = std::all_of(found.begin(), found.end(), [](std::string const& n) { return std::find(voc_class_names.begin(), voc_class_names.end(), n) != voc_class_names.end(); });
      if (voc && !found.empty())
        classes_.assign(voc_class_names.begin(), voc_class_names.end());
      else
        classes_.assign(found.begin(), found.end());
    }
    for (std::size_t i = 0; i < classes_.size(); ++i)
      if (classes_[i].empty() || !labels_.emplace(classes_[i], static_cast<int>(i) + 1).second)
        throw Error(Errc::argument, "the names of classes are not empty and differ", {.key = "classes", .found = classes_[i]});
  }
  /// The objects that can be learned from; pixels count from 0 or 1, so that corners from 0 to the side are inside.
  void take_boxes(Item& item, VocAnnotation const& a) {
    if (item.out) return;
    auto const file = annotation_name(item.annotation);
    for (FolderFinding const& f : a.faults) report_.add(f.fault, file, f.where);
    auto const w = static_cast<float>(item.width), h = static_cast<float>(item.height);
    float const shift = options_.corners == VocCorners::from_zero ? 1.0F : 0.0F;
    for (VocObject const& o : a.objects) {
      auto const label = labels_.find(o.name);
      Box const& b = o.box;
      if (label == labels_.end())
        report_.add(FolderFault::unknown_class, file, detail::object_text(o.number) + ": " + o.name);
      else if (b.x1 < shift || b.y1 < shift || b.x2 > w || b.y2 > h)
        report_.add(FolderFault::box_outside, file, detail::object_text(o));
      else
        item.boxes.push_back({{b.x1 - shift, b.y1 - shift, b.x2, b.y2}, label->second, o.difficult});
    }
  }
  void read_captions() {
    std::vector<std::string> names;
    for (Item const& item : items_) names.push_back(item.picture.name);
    auto captions = captions_of(names, folder_, options_.captions, options_.caption_limits, report_);
    for (std::size_t i = 0; i < items_.size(); ++i) items_[i].caption = std::move(captions[i]);
  }

  std::filesystem::path folder_;
  VocBoxesOptions options_;
  FolderReport report_;
  std::string pictures_;  ///< the folder's name
  std::map<std::string, ListedFile> all_annotations_;
  std::vector<std::string> classes_;
  std::unordered_map<std::string, int> labels_;
  std::vector<Item> items_;
  KeptSamples kept_;
};

}  // namespace tadp
