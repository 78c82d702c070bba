// SPDX-License-Identifier: Apache-2.0
// A folder of pictures with labels and captions: images/*.{png,jpg}, labels/*.png, captions.json, and classes.json in the
// folder or above it. What is wrong with it is said with file and pixel, at once or when a sample is read.
#pragma once

#include "tadp/core/fingerprint.hpp"
#include "tadp/data/classes.hpp"
#include "tadp/data/folder_files.hpp"
#include "tadp/data/kept_samples.hpp"
#include "tadp/io/captions.hpp"
#include "tadp/io/image.hpp"

#include <map>
#include <optional>

namespace tadp {

struct DatasetOptions {
  std::filesystem::path captions{};  ///< empty: captions.json in the folder, where there is one
  std::filesystem::path classes{};   ///< empty: classes.json in the folder or the nearest of three above it
  bool incomplete = false;           ///< use the complete pairs and report the rest, in place of an error
  std::uint64_t cache_bytes = 0;     ///< decoded samples that are kept in memory; 0: only the last one
  ImageLimits images{};
  CaptionLimits caption_limits{};
};

/// What does not fit in a data set's folder; names without folders.
struct DatasetReport {
  std::vector<std::string> without_label{};    ///< pictures
  std::vector<std::string> without_picture{};  ///< labels
  std::vector<std::string> unusable{};         ///< "name: why": folders, loops of links, what is not a file
  std::vector<std::string> without_caption{};  ///< pictures; no error, their caption is empty
  std::vector<std::string> ignored{};          ///< files of other kinds
  bool complete() const { return without_label.empty() && without_picture.empty() && unusable.empty(); }
};

class Dataset {
 public:
  /// Lists the folder; reads captions and classes, no pictures. Error(io, key, format or limit); Error(key) for
  /// an incomplete set unless the options allow it, names that differ only in case or ending, captions of another set.
  explicit Dataset(std::filesystem::path folder, DatasetOptions options = {}) : folder_(std::move(folder)), options_(std::move(options)) {
    list();
    read_captions();
    classes_ = read_classes(classes_file());
    kept_ = KeptSamples(items_.size(), options_.cache_bytes);
  }

  std::size_t size() const { return items_.size(); }
  DatasetReport const& report() const { return report_; }
  std::filesystem::path const& folder() const { return folder_; }
  std::vector<ClassDescription> const& classes() const { return classes_.classes; }
  std::vector<std::string> const& class_phrases() const { return classes_.phrases; }
  /// File name of a picture; samples are in the order of these names' bytes.
  std::string const& name(std::size_t i) const { return items_[i].name; }
  std::filesystem::path picture_path(std::size_t i) const { return folder_ / "images" / items_[i].name; }
  std::filesystem::path label_path(std::size_t i) const { return folder_ / "labels" / items_[i].label; }
  std::string const& caption(std::size_t i) const { return items_[i].caption; }

  /// Reads a sample. Error(shape) where sizes differ, Error(format) for labels that are no indices and for a
  /// label that is no class, with its pixel, Error(io) for a file that changed since the set was opened.
  Sample load(std::size_t i) const {
    Item const& item = items_[i];
    Sample sample{read_image(picture_path(i), options_.images), read_labels(label_path(i), options_.images), item.caption, {}};
    require_unchanged(picture_path(i), item.picture_stamp);
    require_unchanged(label_path(i), item.label_stamp);
    auto const& p = sample.picture;
    auto const& l = sample.labels;
    if (p.width != l.width || p.height != l.height)
      throw Error(Errc::shape, "picture and labels have different sizes",
                  {.file = label_path(i).string(), .expected = detail::size_text(static_cast<std::uint64_t>(p.width), static_cast<std::uint64_t>(p.height)),
                   .found = detail::size_text(static_cast<std::uint64_t>(l.width), static_cast<std::uint64_t>(l.height))});
    for (std::size_t k = 0; k < l.labels.size(); ++k)
      if (l.labels[k] >= classes_.classes.size() && l.labels[k] != ignore_label) {
        auto const width = static_cast<std::size_t>(l.width);
        throw Error(Errc::format, "a label is no class of the data set",
                    {.file = label_path(i).string(), .key = "pixel (" + std::to_string(k % width) + ", " + std::to_string(k / width) + ")",
                     .expected = "0 to " + std::to_string(classes_.classes.size() - 1) + ", or 255", .found = std::to_string(l.labels[k])});
      }
    return sample;
  }
  /// The same, kept in memory as far as the options allow; valid until another sample is asked for. Not for two threads at once.
  Sample const& operator[](std::size_t i) {
    return kept_.get(i, [&] { return load(i); });
  }

  /// Reads everything once; the messages of what is wrong, at most `most` of them.
  std::vector<std::string> check(Control const& control = {}, std::size_t most = 20) const { return faults_of(*this, control, most); }
  /// A name for the content: names, captions and the bytes of all files. Error(cancelled) on request.
  std::string fingerprint(Control const& control = {}) const {
    Fingerprint f;
    for (std::size_t i = 0; i < size(); ++i) {
      f.add(items_[i].name).add(items_[i].caption).add(read_file(picture_path(i), options_.images.max_file_bytes)).add(read_file(label_path(i), options_.images.max_file_bytes));
      control.step(i + 1, size());
    }
    return f.hex();
  }

 private:
  using Path = std::filesystem::path;
  struct Item {
    std::string name, label, caption;
    FileStamp picture_stamp, label_stamp;
  };

  /// Files of a folder by stem, in the order of their names.
  std::map<std::string, std::pair<std::string, FileStamp>> files_of(char const* part, std::vector<std::string> const& endings) {
    std::error_code failed;
    std::vector<std::string> names;
    for (std::filesystem::directory_iterator at(folder_ / part, failed), end; !failed && at != end; at.increment(failed)) names.push_back(at->path().filename().string());
    if (failed)
      throw Error(Errc::io, "a data set's folder cannot be listed: " + failed.message(), {.file = (folder_ / part).string(), .expected = "a folder with images/, labels/ and captions.json"});
    std::sort(names.begin(), names.end());
    std::map<std::string, std::pair<std::string, FileStamp>> files;
    std::map<std::string, std::string> folded;
    for (std::string const& name : names) {
      auto const ending = detail::lower_case(Path(name).extension().string());
      if (std::find(endings.begin(), endings.end(), ending) == endings.end()) {
        report_.ignored.push_back(part + ("/" + name));
        continue;
      }
      std::string why;
      auto const stamp = stamp_of(folder_ / part / name, why);
      if (!stamp) {
        report_.unusable.push_back(part + ("/" + name) + ": " + why);
        continue;
      }
      auto const stem = Path(name).stem().string();
      auto const [twin, fresh] = folded.emplace(detail::lower_case(stem), name);
      if (!fresh) throw Error(Errc::key, "two files of a data set differ only in case or ending", {.file = (folder_ / part).string(), .key = name, .found = twin->second});
      files.emplace(stem, std::pair{name, *stamp});
    }
    return files;
  }
  void list() {
    auto const pictures = files_of("images", {".png", ".jpg", ".jpeg"});
    auto labels = files_of("labels", {".png"});
    for (auto const& [stem, picture] : pictures) {
      auto const label = labels.find(stem);
      if (label == labels.end()) {
        report_.without_label.push_back(picture.first);
        continue;
      }
      items_.push_back({picture.first, label->second.first, {}, picture.second, label->second.second});
      labels.erase(label);
    }
    for (auto const& [stem, label] : labels) report_.without_picture.push_back(label.first);
    // Names, not stems: "a.jpg" and "a-b.jpg" change places between the two.
    std::sort(items_.begin(), items_.end(), [](Item const& a, Item const& b) { return a.name < b.name; });
    if (!options_.incomplete) require_complete();
    if (items_.empty()) throw Error(Errc::format, "the data set has no picture with labels", {.file = folder_.string(), .expected = "images/NAME.jpg or .png, labels/NAME.png"});
  }
  void require_complete() const {
    struct Row {
      std::vector<std::string> const& names;
      char const* what;
    };
    for (Row const& row : {Row{report_.unusable, "files that cannot be used"}, Row{report_.without_label, "pictures without labels"}, Row{report_.without_picture, "labels without a picture"}}) {
      if (row.names.empty()) continue;
      std::string some;
      for (std::size_t i = 0; i < row.names.size() && i < 3; ++i) some += (i > 0 ? ", " : "") + row.names[i];
      throw Error(Errc::key, std::string("the data set has ") + row.what, {.file = folder_.string(), .expected = "none", .found = std::to_string(row.names.size()) + " (" + some + (row.names.size() > 3 ? ", ..." : "") + ")"});
    }
  }
  void read_captions() {
    Path const file = options_.captions.empty() ? folder_ / "captions.json" : options_.captions;
    std::vector<std::string> names;
    for (Item const& item : items_) names.push_back(item.name);
    if (std::error_code ignored; options_.captions.empty() && !std::filesystem::exists(file, ignored)) {
      report_.without_caption = std::move(names);
      return;
    }
    CaptionFile const captions(file, options_.caption_limits);
    report_.without_caption = captions.match(names).missing;
    for (Item& item : items_)
      if (std::string const* const caption = captions.find(item.name)) item.caption = *caption;
  }
  Path classes_file() const {
    if (!options_.classes.empty()) return options_.classes;
    std::error_code ignored;
    Path at = std::filesystem::absolute(folder_, ignored);
    if (!at.has_filename()) at = at.parent_path();  // a name that ends with a slash
    for (int up = 0; up < 4; ++up, at = at.parent_path())
      if (std::filesystem::exists(at / "classes.json", ignored)) return at / "classes.json";
    return folder_ / "classes.json";
  }

  Path folder_;
  DatasetOptions options_;
  DatasetReport report_;
  ClassList classes_;
  std::vector<Item> items_;
  KeptSamples kept_;
};

}  // namespace tadp
