// SPDX-License-Identifier: Apache-2.0
// Pictures with depth from a plain folder: by a list ("picture depth [focal]" a line), or images/ and depth/ by stem.
// Sizes and kinds are looked at when it is opened, and all that is missing or wrong is said at once.
#pragma once

#include "tadp/core/fingerprint.hpp"
#include "tadp/data/depth_image.hpp"
#include "tadp/data/depth_list.hpp"
#include "tadp/data/kept_samples.hpp"
#include "tadp/exec/control.hpp"

namespace tadp {

struct DepthDatasetOptions {
  std::filesystem::path list{};      ///< as it is, or in the folder; empty: list.txt where there is one, else images/ and depth/
  double depth_scale = 0.0;          ///< units a metre of PNG files; 0: what the list says, else 1000
  float max_depth = std::numeric_limits<float>::infinity();  ///< metres; what is farther counts as not measured
  std::filesystem::path captions{};  ///< empty: captions.json in the folder, where there is one
  bool incomplete = false;           ///< use the whole pairs and report the rest, in place of an error
  bool read_depths = true;           ///< when opened, for maps without a measured pixel and for the summary; else heads alone
  std::uint64_t cache_bytes = 0;     ///< decoded samples that are kept in memory; 0: only the last one
  ImageLimits images{};
  CaptionLimits caption_limits{};
};

class DepthDataset {
 public:
  /// Error(io, format, limit, cancelled), Error(argument) for options that do not fit; an Error of the first kind of fault, with
  /// all of them, unless the options allow these.
  explicit DepthDataset(std::filesystem::path folder, DepthDatasetOptions options = {}, Control const& control = {}) : folder_(std::move(folder)), options_(std::move(options)) {
    list();
    std::vector<float> medians;
    std::size_t done = 0;
    for (Item& item : items_) {
      look_at(item, medians);
      control.step(++done, items_.size());
    }
    std::erase_if(items_, [](Item const& item) { return item.out; });
    report_.require_none(folder_, !options_.incomplete);
    if (items_.empty())
      throw Error(Errc::format, "the data set has no picture with depth" + (report_.complete() ? std::string() : ": " + report_.text()),
                  {.file = folder_.string(), .expected = "a list of \"picture depth\", or images/NAME.jpg and depth/NAME.png"});
    remark_outliers(medians);
    read_captions();
    kept_ = KeptSamples(items_.size(), options_.cache_bytes);
  }

  std::size_t size() const { return items_.size(); }
  FolderReport const& report() const { return report_; }
  std::filesystem::path const& folder() const { return folder_; }
  double units_per_metre() const { return scale_; }
  /// Of all maps; empty where they were not read.
  DepthSummary const& summary() const { return summary_; }
  /// The picture as the list has it (a slash in front and all), or its file's name.
  std::string const& name(std::size_t i) const { return items_[i].row.key; }
  std::filesystem::path picture_path(std::size_t i) const { return folder_ / items_[i].row.picture; }
  std::filesystem::path depth_path(std::size_t i) const { return folder_ / items_[i].row.depth; }
  std::string const& caption(std::size_t i) const { return items_[i].caption; }
  float focal(std::size_t i) const { return items_[i].row.focal; }  ///< pixels; 0: not said
  /// Whether every picture has a focal length; false where none has. Error(format) where only some do: metres for one camera
  /// and those of whatever camera took the picture do not teach one thing.
  bool has_focals() const {
    auto const lacks = [](Item const& item) { return item.row.focal <= 0.0F; };
    auto const lacking = static_cast<std::size_t>(std::count_if(items_.begin(), items_.end(), lacks));
    if (lacking > 0 && lacking < items_.size())
      throw Error(Errc::format, "some pictures of the list have a focal length and others have none",
                  {.file = list_file().string(), .key = "focal length, the third column", .expected = "one for every picture, or for none",
                   .found = std::to_string(lacking) + " of " + std::to_string(items_.size()) + " without, the first is " + std::find_if(items_.begin(), items_.end(), lacks)->row.key});
    return lacking == 0;
  }

  /// Reads a sample, whose labels are all unknown. Error(shape) where sizes differ, Error(format) where nothing is measured, Error(io) for a file that
  /// changed since the set was opened, and those of read_image and read_depth.
  Sample load(std::size_t i) const {
    Item const& item = items_[i];
    Sample sample{read_image(picture_path(i), options_.images), {}, item.caption, {}, read_depth(depth_path(i), reading()), {}};
    sample.picture.focal = item.row.focal;
    sample.labels = LabelMap(sample.picture.width, sample.picture.height, ignore_label);
    require_unchanged(picture_path(i), item.picture_stamp);
    require_unchanged(depth_path(i), item.depth_stamp);
    auto const& p = sample.picture;
    auto const& d = sample.depth;
    if (p.width != d.width || p.height != d.height)
      throw Error(Errc::shape, "picture and depth have different sizes", {.file = depth_path(i).string(), .expected = size(p.width, p.height), .found = size(d.width, d.height)});
    if (std::none_of(d.metres.begin(), d.metres.end(), [](float m) { return m > 0.0F; }))
      throw Error(Errc::format, "a depth map without a measured pixel", {.file = depth_path(i).string()});
    return sample;
  }
  /// The same, kept in memory as far as the options allow; valid until another sample is asked for. Not for two threads at once.
  Sample const& operator[](std::size_t i) {
    return kept_.get(i, [&] { return load(i); });
  }
  /// Reads everything once; the messages of what is wrong, at most `most` of them.
  std::vector<std::string> check(Control const& control = {}, std::size_t most = 20) const { return faults_of(*this, control, most); }
  /// A name for the content: names, captions, focal lengths, the scale and the bytes of all files. Error(cancelled) on request.
  std::string fingerprint(Control const& control = {}) const {
    Fingerprint f;
    f.add(std::to_string(scale_)).add(std::to_string(options_.max_depth));
    for (std::size_t i = 0; i < this->size(); ++i) {
      f.add(name(i)).add(caption(i)).add(std::to_string(focal(i)));
      f.add(read_file(picture_path(i), options_.images.max_file_bytes)).add(read_file(depth_path(i), options_.images.max_file_bytes));
      control.step(i + 1, this->size());
    }
    return f.hex();
  }

 private:
  struct Item {
    DepthRow row{};
    FileStamp picture_stamp{}, depth_stamp{};
    std::string caption{};
    bool out = false;  ///< cannot be used
  };
  static std::string size(int w, int h) { return detail::size_text(static_cast<std::uint64_t>(w), static_cast<std::uint64_t>(h)); }
  DepthReading reading() const { return {scale_, options_.max_depth, options_.images}; }

  std::filesystem::path list_file() const {
    std::error_code ignored;
    if (!options_.list.empty()) return options_.list.is_absolute() || std::filesystem::exists(options_.list, ignored) ? options_.list : folder_ / options_.list;
    auto const usual = folder_ / "list.txt";
    return std::filesystem::exists(usual, ignored) ? usual : std::filesystem::path();
  }
  void list() {
    std::optional<double> listed;
    if (auto const file = list_file(); !file.empty()) {
      auto found = read_depth_list(file, file.filename().string(), report_);
      listed = found.units_per_metre;
      for (DepthRow& row : found.rows) items_.push_back({.row = std::move(row)});
    } else {
      list_folders();
    }
    if (options_.depth_scale != 0.0 && listed && *listed != options_.depth_scale)
      throw Error(Errc::argument, "the list has another depth scale than was asked for",
                  {.file = list_file().string(), .key = "depth_scale", .expected = std::to_string(*listed), .found = std::to_string(options_.depth_scale)});
    scale_ = options_.depth_scale != 0.0 ? options_.depth_scale : listed.value_or(1000.0);
    if (!(scale_ > 0.0 && std::isfinite(scale_))) throw Error(Errc::argument, "the scale of depth is units a metre", {.key = "depth_scale", .expected = "above 0", .found = std::to_string(scale_)});
  }
  void list_folders() {
    auto const pictures = list_files(folder_, "images", {".png", ".jpg", ".jpeg"}, report_);
    auto depths = list_files(folder_, "depth", {".png", ".npy"}, report_);
    for (auto const& [stem, picture] : pictures) {
      auto const depth = depths.find(stem);
      if (depth == depths.end()) {
        report_.add(FolderFault::depth_missing, "depth/" + stem + ".png");
        continue;
      }
      items_.push_back({.row = {"images/" + picture.name, "depth/" + depth->second.name, picture.name, 0.0F}});
      depths.erase(depth);
    }
    for (auto const& [stem, depth] : depths) report_.add(FolderFault::picture_missing, "images/" + stem);
  }

  bool stamped(Item& item, std::string const& file, FileStamp& stamp, FolderFault missing) {
    std::string why;
    auto const found = stamp_of(folder_ / file, why);
    std::error_code ignored;
    if (found)
      stamp = *found;
    else if (std::filesystem::symlink_status(folder_ / file, ignored).type() == std::filesystem::file_type::not_found)
      report_.add(missing, file);
    else
      report_.add(FolderFault::unusable_file, file, why);
    item.out = item.out || !found;
    return found.has_value();
  }
  /// What an error of reading a file tells of it.
  static FolderFault fault_of(Error const& e, FolderFault damaged) {
    if (e.code() == Errc::io) return FolderFault::unusable_file;
    return e.code() == Errc::unsupported && damaged == FolderFault::damaged_depth ? FolderFault::unhandled_depth : damaged;
  }
  void look_at(Item& item, std::vector<float>& medians) {
    stamped(item, item.row.picture, item.picture_stamp, FolderFault::picture_missing);
    stamped(item, item.row.depth, item.depth_stamp, FolderFault::depth_missing);
    if (item.out) return;
    auto const guarded = [&](FolderFault fault, std::string const& file, auto const& read) {
      try {
        read();
      } catch (Error const& e) {
        if (e.code() == Errc::memory) throw;
        report_.add(fault_of(e, fault), file, reason_of(e));
        item.out = true;
      }
    };
    PictureHeader picture, depth;
    guarded(FolderFault::damaged_picture, item.row.picture, [&] { picture = read_picture_header(folder_ / item.row.picture, options_.images); });
    DepthMap map;
    guarded(FolderFault::damaged_depth, item.row.depth, [&] {
      auto const path = folder_ / item.row.depth;
      if (options_.read_depths || detail::is_npy(detail::read_start(path, 6))) {
        map = read_depth(path, reading());
        depth.width = map.width, depth.height = map.height;
      } else {
        depth = read_picture_header(path, options_.images);
        detail::require_depth_png(depth.bit_depth, depth.png && depth.gray, path.string());
      }
    });
    if (item.out) return;
    if (picture.width != depth.width || picture.height != depth.height) {
      report_.add(FolderFault::sizes_differ, item.row.depth, size(depth.width, depth.height) + " in place of " + size(picture.width, picture.height));
      item.out = true;
    } else if (options_.read_depths) {
      count(item, map, medians);
    }
  }
  void count(Item& item, DepthMap const& map, std::vector<float>& medians) {
    float const median = median_depth(map);
    if (median > 0.0F) {
      summary_.add(map);
      medians.push_back(median);
      return;
    }
    report_.add(FolderFault::no_valid_depth, item.row.depth);
    item.out = true;
  }
  /// A map of another scale than its neighbours' cannot be told from a near or far view for sure: it is worth a look.
  void remark_outliers(std::vector<float> const& medians) {
    if (medians.size() != items_.size() || medians.empty()) return;
    std::vector<float> sorted = medians;
    auto const middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
    std::nth_element(sorted.begin(), middle, sorted.end());
    for (std::size_t i = 0; i < medians.size(); ++i)
      if (medians[i] > 3.0F * *middle || 3.0F * medians[i] < *middle)
        report_.remark(items_[i].row.depth, "median " + std::to_string(medians[i]) + " m where the set has " + std::to_string(*middle) + " m: is its scale another one?");
  }
  void read_captions() {
    std::vector<std::string> names;
    for (Item const& item : items_) names.push_back(item.row.key);
    auto captions = captions_of(names, folder_, options_.captions, options_.caption_limits, report_);
    for (std::size_t i = 0; i < items_.size(); ++i) items_[i].caption = std::move(captions[i]);
  }

  std::filesystem::path folder_;
  DepthDatasetOptions options_;
  FolderReport report_;
  double scale_ = 1000.0;
  std::vector<Item> items_;
  DepthSummary summary_;
  KeptSamples kept_;
};

}  // namespace tadp
