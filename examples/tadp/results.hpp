// SPDX-License-Identifier: Apache-2.0
// The answers of heads as files, numbers of a report and words for people.
// Shared by the commands of one head and the one of all of them.
#pragma once

#include "tadp/look.hpp"

namespace program {

/// One map a named position: file, largest value and mean of each.
json write_attention(Look const& look, tadp::AttentionMaps const& maps, std::vector<NamedPosition> const& named);
/// Writes labels with the palette of their classes.
void write_labels(fs::path const& path, tadp::LabelMap const& labels, std::vector<tadp::ClassDescription> const& classes);
/// Index, name, pixels and share of each class.
json shares_json(std::vector<ClassShare> const& shares);
/// The five largest in words.
std::string shares_text(std::vector<ClassShare> const& shares);
/// Writes NAME.depth.png and NAME.depth.npy; the files and the numbers of the map. Least, median and most are those of
/// `counted`: the map, or one with 0 where its metres mean nothing.
json write_depth(Look const& look, tadp::DepthMap const& depth, tadp::DepthMap const& counted);
/// Class, label, score and box of each object, and the count of each class.
json boxes_json(std::vector<tadp::Detected> const& objects, std::vector<tadp::ClassDescription> const& classes);
/// "car: 3, sign: 1": names of classes have no plural that a program knows.
std::string boxes_text(std::vector<tadp::Detected> const& objects, std::vector<tadp::ClassDescription> const& classes);
/// Adds --threshold.
void add_threshold(CLI::App& sub, double& threshold);
/// The objects with at least this score.
std::vector<tadp::Detected> above(tadp::DetectionResult const& found, double threshold);

}  // namespace program
