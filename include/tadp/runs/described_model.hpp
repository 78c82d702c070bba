// SPDX-License-Identifier: Apache-2.0
// The counts of a model that its file's description gives: classes of each head by its task, class embeddings.
// What a program makes a model with whose type it has chosen by the description.
#pragma once

#include "tadp/io/description.hpp"
#include "tadp/model.hpp"

namespace tadp {

namespace described_model_detail {

template <class Task>
index_t classes_of(HeadDescription const& head) {
  if constexpr (depth_task<Task>)
    return Task::classes;  // numbers a pixel: the file lists none
  else
    return static_cast<index_t>(head.classes.size());
}
template <class... Tasks>
std::vector<index_t> class_counts(TaskList<Tasks...>, std::vector<HeadDescription> const& heads, std::string const& file) {
  return {classes_of<Tasks>(description_detail::head_for<Tasks>(heads, sizeof...(Tasks), file))...};
}

}  // namespace described_model_detail

/// Error(shape) where the file lacks a head of the type; `file` is named in messages.
template <class Model>
ModelSizes sizes_of(ModelDescription const& d, std::string const& file) {
  auto const counts = described_model_detail::class_counts(typename Model::Tasks{}, heads_of(d), file);
  return {.classes = counts[0], .class_embeddings = d.class_embeddings, .further_classes = {counts.begin() + 1, counts.end()}};
}

}  // namespace tadp
