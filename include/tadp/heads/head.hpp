// SPDX-License-Identifier: Apache-2.0
// What a model asks of a task: the name that makes it a head, whether it reads attention maps, and how its net is called.
// A task is any struct with Net, classes and expected (docs/write-a-head.md); what it does not say has a default here.
#pragma once

#include "tadp/core/shape.hpp"
#include "tadp/heads/detection_result.hpp"
#include "tadp/heads/segmentation_result.hpp"

#include <array>
#include <tuple>
#include <type_traits>

namespace tadp {

/// A head of a model: one task over the pyramid.
template <class TaskType>
struct Head {
  using Task = TaskType;
};

/// Several heads over one pass of the backbone: Model<Backbone, PromptPolicy, Heads<Head<A>, Head<B>>>. Their parameters
/// lie side by side under their own names, so that files of single heads fit; a task stands once.
template <class... HeadTypes>
struct Heads {};

namespace head_detail {
template <class Task>
struct Result {
  using type = SegmentationResult;
};
template <class Task>
  requires requires { typename Task::Result; }
struct Result<Task> {
  using type = typename Task::Result;
};
}  // namespace head_detail

/// What a session answers for a task: labels, unless it names a Result of its own (DepthMap, DenseMap, DetectionResult).
template <class Task>
using result_of = typename head_detail::Result<Task>::type;

/// Whether a task finds boxes: its net gives lists with counts instead of a map.
template <class Task>
inline constexpr bool finds_boxes = std::is_same_v<result_of<Task>, DetectionResult>;

/// Whether the attention maps are part of the pyramid that a task reads: yes, unless it says `reads_maps = false`.
template <class Task>
inline constexpr bool reads_maps = [] {
  if constexpr (requires { Task::reads_maps; })
    return static_cast<bool>(Task::reads_maps);
  else
    return true;
}();

/// Whether a net takes, after the pyramid, the cells of level 2 that show the picture (height, width): what lies beyond
/// is padding that it drops.
template <class Net, class Ctx>
inline constexpr bool drops_padding = requires(Net const& net, Ctx& ctx, std::array<typename Ctx::Value, 4> const& pyramid, std::array<index_t, 2> cells) { net(ctx, pyramid, cells); };

/// net(ctx, pyramid), told of padding where it asks for it.
template <class Net, class Ctx>
auto call_head(Net const& net, Ctx& ctx, std::array<typename Ctx::Value, 4> const& pyramid, std::array<index_t, 2> cells) {
  if constexpr (drops_padding<Net, Ctx>)
    return net(ctx, pyramid, cells);
  else
    return net(ctx, pyramid);
}

/// The tasks of a model's heads, in their order.
template <class... Tasks>
struct TaskList {
  static constexpr std::size_t count = sizeof...(Tasks);
  template <std::size_t I>
  using At = std::tuple_element_t<I, std::tuple<Tasks...>>;
  using First = At<0>;
  template <class Task>
  static constexpr std::size_t position = [] {
    std::size_t at = 0;
    (void)((std::is_same_v<Task, Tasks> || (++at, false)) || ...);
    return at;
  }();
  /// The first task whose answer is a Result; `count` where there is none.
  template <class Result>
  static constexpr std::size_t with_result = [] {
    std::size_t at = 0;
    (void)((std::is_same_v<Result, result_of<Tasks>> || (++at, false)) || ...);
    return at;
  }();
  static constexpr bool any_reads_maps = (reads_maps<Tasks> || ...), any_reads_no_maps = (!reads_maps<Tasks> || ...);
  template <class Ctx>
  static constexpr bool all_drop_padding = (drops_padding<typename Tasks::Net, Ctx> && ...);
  /// How often a task stands in the list.
  template <class Task>
  static constexpr int times = (0 + ... + (std::is_same_v<Task, Tasks> ? 1 : 0));
};

namespace head_detail {
template <class HeadOrHeads>
struct Tasks;
template <class Task>
struct Tasks<Head<Task>> {
  using type = TaskList<Task>;
};
template <class... T>
struct Tasks<Heads<Head<T>...>> {
  using type = TaskList<T...>;
};
}  // namespace head_detail

template <class HeadOrHeads>
using tasks_of = typename head_detail::Tasks<HeadOrHeads>::type;

}  // namespace tadp
