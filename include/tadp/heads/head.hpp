// SPDX-License-Identifier: Apache-2.0
// What a model asks of a task: the name that makes it a head, whether it reads attention maps, and how its net is called.
// A task is any struct with Net, classes and expected (docs/write-a-head.md); what it does not say has a default here.
#pragma once

#include "tadp/core/shape.hpp"

#include <array>

namespace tadp {

/// A head of a model: one task over the pyramid.
template <class TaskType>
struct Head {
  using Task = TaskType;
};

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
typename Ctx::Value call_head(Net const& net, Ctx& ctx, std::array<typename Ctx::Value, 4> const& pyramid, std::array<index_t, 2> cells) {
  if constexpr (drops_padding<Net, Ctx>)
    return net(ctx, pyramid, cells);
  else
    return net(ctx, pyramid);
}

}  // namespace tadp
