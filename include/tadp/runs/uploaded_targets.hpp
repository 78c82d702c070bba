// SPDX-License-Identifier: Apache-2.0
// The targets of a batch where the device reads them: the host's own memory, or copies on a device that has its own.
// One a task; what they point to lives until the next batch.
#pragma once

#include "tadp/exec/session_device.hpp"
#include "tadp/runs/training_targets.hpp"

namespace tadp {

namespace training_detail {

template <class Device>
struct UploadedLabels {
  SegmentationTarget operator()(Device& device, SegmentationTarget t, index_t batch) {
    t.labels = labels(device, {t.labels, static_cast<std::size_t>(batch * t.height * t.width)});
    return t;
  }
  Uploaded<std::uint8_t, Device> labels;
};
template <class Device>
struct UploadedBoxes {
  DetectionTarget operator()(Device& device, DetectionTarget t, index_t batch) {
    auto const rows = static_cast<std::size_t>(batch * t.most);
    t.boxes = boxes(device, {t.boxes, 4 * rows});
    t.labels = labels(device, {t.labels, rows});
    t.counts = counts(device, {t.counts, static_cast<std::size_t>(batch)});
    return t;
  }
  Uploaded<float, Device> boxes, labels, counts;
};
template <class Target, class Device>
struct UploadedDepths {
  Target operator()(Device& device, Target t, index_t batch) {
    t.metres = metres(device, {t.metres, static_cast<std::size_t>(batch * t.height * t.width)});
    return t;
  }
  Uploaded<float, Device> metres;
};
/// A target of the caller's own points to the device already.
struct NotUploaded {};

template <class Task, class Device>
using UploadedTarget = std::conditional_t<
    learns_labels<Task>, UploadedLabels<Device>,
    std::conditional_t<learns_boxes<Task>, UploadedBoxes<Device>, std::conditional_t<learns_depth<Task>, UploadedDepths<typename Task::Target, Device>, NotUploaded>>>;

}  // namespace training_detail

template <class Device, class List>
class UploadedTargets;
template <class Device, class... Tasks>
class UploadedTargets<Device, TaskList<Tasks...>> {
 public:
  using Targets = std::tuple<typename Tasks::Target...>;

  /// `targets` of the host, as BatchTargets makes them.
  Targets operator()(Device& device, Targets const& targets, index_t batch) {
    return {std::get<TaskList<Tasks...>::template position<Tasks>>(uploaded_)(device, std::get<TaskList<Tasks...>::template position<Tasks>>(targets), batch)...};
  }

 private:
  std::tuple<training_detail::UploadedTarget<Tasks, Device>...> uploaded_;
};

}  // namespace tadp
