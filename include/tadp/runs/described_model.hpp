// SPDX-License-Identifier: Apache-2.0
// What a model file's description says to a program that has chosen the model's type: the counts that the model is made
// with (classes of each head by its task, class embeddings), and how its pictures are looked at.
#pragma once

#include "tadp/heads/run_options.hpp"
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

/// How a session looks at pictures; threads, batch and tokenizer are the caller's.
inline SessionOptions session_options_of(ModelDescription const& d) {
  SessionOptions o;
  o.window = d.window;
  o.stride = d.stride;
  o.shifts = d.shifts;
  o.flip = d.flip;
  o.fit = d.stretch ? std::array<int, 2>{0, 0} : d.fit;
  o.stretch = d.stretch;
  o.latent = d.latent;
  o.normalisation = d.normalisation;
  return o;
}

}  // namespace tadp
