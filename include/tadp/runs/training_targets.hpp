// SPDX-License-Identifier: Apache-2.0
// What heads learn from: a batch on the host, the target that each task takes of it, and the weighted sum of the losses.
// The same for a backbone that learns with its heads and for heads on a frozen one.
#pragma once

#include "tadp/heads/depth_result.hpp"
#include "tadp/heads/detection_target.hpp"
#include "tadp/model.hpp"

#include <optional>
#include <vector>

namespace tadp {

/// One batch on the host, as the network reads it.
struct TrainingBatch {
  std::span<float const> pictures;         ///< (batch, height, width, 3), normalised
  std::span<std::int32_t const> ids;       ///< (batch, length); empty where the prompt has no text
  std::span<std::uint8_t const> labels{};  ///< (batch, height, width), of segmentation
  std::span<float const> depths{};         ///< (batch, height, width) metres, zero where unknown, of depth
  std::span<std::vector<TrueBox> const> boxes{};  ///< one list a picture, in its pixels, of detection
};

namespace training_detail {

template <class Task>
inline constexpr bool learns_labels = std::is_same_v<typename Task::Target, SegmentationTarget>;
template <class Task>
inline constexpr bool learns_boxes = std::is_same_v<typename Task::Target, DetectionTarget>;
template <class Task>
inline constexpr bool learns_depth = std::is_same_v<result_of<Task>, DepthMap>;

inline void require_size(char const* what, std::size_t found, std::size_t expected) {
  if (found != expected)
    throw Error(Errc::shape, "a training batch has another size than the session was made for", {.key = what, .expected = std::to_string(expected), .found = std::to_string(found)});
}

/// The loss of a head over a pyramid, times its weight.
template <class Task, class Ctx>
typename Ctx::Value weighted_loss(Ctx& ctx, float weight, typename Task::Net const& net, Pyramid<typename Ctx::Value> const& pyramid, typename Task::Target const& target) {
  typename Ctx::Value loss;
  if constexpr (finds_boxes<Task>)
    loss = Task::loss(ctx, net, net(ctx, pyramid), target);
  else
    loss = Task::loss(ctx, net(ctx, pyramid), target);
  return weight == 1.0F ? loss : scaled(ctx, weight, loss);
}
template <class Ctx, class Value>
Value sum_of(Ctx& ctx, std::initializer_list<Value> losses) {
  Value sum;
  for (Value const& loss : losses) sum = sum ? plus(ctx, sum, loss) : loss;
  return sum;
}
inline float weight_at(std::vector<float> const& weights, std::size_t place) { return place < weights.size() ? weights[place] : 1.0F; }

}  // namespace training_detail

/// The sizes that the targets of a batch have.
struct TargetSizes {
  index_t batch = 1, height = 0, width = 0;
  std::vector<index_t> classes{};  ///< one count a task
  Average average = Average::all_pixels;
};

/// Makes targets of batches, and keeps what they point to until the next one.
template <class List>
class BatchTargets;
template <class... Tasks>
class BatchTargets<TaskList<Tasks...>> {
 public:
  using Targets = std::tuple<typename Tasks::Target...>;
  explicit BatchTargets(TargetSizes sizes) : sizes_(std::move(sizes)) {}

  /// Error(shape) where the batch has another size, Error(argument) where a label is no class.
  Targets operator()(TrainingBatch const& batch) {
    static_assert(((training_detail::learns_labels<Tasks> || training_detail::learns_boxes<Tasks> || training_detail::learns_depth<Tasks>) && ...),
                  "tadp: a head of this model learns from a Target of its own: call step(batch, targets)");
    return {target_of<Tasks>(batch)...};
  }

 private:
  template <class Task>
  typename Task::Target target_of(TrainingBatch const& batch) {
    index_t const h = sizes_.height, w = sizes_.width, classes = sizes_.classes[TaskList<Tasks...>::template position<Task>];
    auto const pixels = static_cast<std::size_t>(sizes_.batch * h * w);
    if constexpr (training_detail::learns_labels<Task>) {
      training_detail::require_size("labels", batch.labels.size(), pixels);
      for (std::uint8_t const label : batch.labels)
        if (label != ignore_label && label >= classes)
          throw Error(Errc::argument, "a label is no class of the model", {.expected = "below " + std::to_string(classes) + ", or 255", .found = std::to_string(label)});
      return {batch.labels.data(), h, w, sizes_.average};
    } else if constexpr (training_detail::learns_depth<Task>) {
      training_detail::require_size("depths", batch.depths.size(), pixels);
      return {batch.depths.data(), h, w};
    } else {
      training_detail::require_size("boxes", batch.boxes.size(), static_cast<std::size_t>(sizes_.batch));
      boxes_.emplace(batch.boxes, classes, static_cast<float>(h), static_cast<float>(w));
      return boxes_->target();
    }
  }

  TargetSizes sizes_;
  std::optional<PackedBoxes> boxes_;
};

/// Classes of some tasks of a model, in their order.
template <class Model, class... Tasks>
std::vector<index_t> class_counts(Model const& model, TaskList<Tasks...>) {
  return {model.template classes<Model::Tasks::template position<Tasks>>()...};
}

}  // namespace tadp
