// SPDX-License-Identifier: Apache-2.0
// How a list of policy classes decides a training run: one type of each kind is picked, or its default.
// Optimizer, schedule, parameter groups, freezing, map gradients, statistics, checkpointing.
#pragma once

#include "tadp/diffusion/backbone.hpp"
#include "tadp/exec/policy.hpp"
#include "tadp/train/optimizer.hpp"
#include "tadp/train/schedule.hpp"

#include <concepts>
#include <string_view>

namespace tadp {

/// The parts named are not trained. The autoencoder never is.
template <class... Parts>
struct Freeze {};
/// Everything before the head: UNet, text encoder, adapter.
struct BackbonePart {};

namespace policies_detail {

template <class T>
inline constexpr bool is_schedule = requires(T const& t) {
  { t(std::uint64_t{}) } -> std::convertible_to<double>;
};
template <class T>
inline constexpr bool is_groups = requires(T const& t) {
  { t(std::string_view{}) } -> std::same_as<GroupFactors>;
};

/// The first policy of a kind, or the default.
template <template <class> class Kind, class Default, class... Policies>
struct pick {
  using type = Default;
};
template <template <class> class Kind, class Default, class First, class... Rest>
struct pick<Kind, Default, First, Rest...> {
  using type = typename std::conditional_t<Kind<First>::value, std::type_identity<First>, pick<Kind, Default, Rest...>>::type;
};
template <class T>
struct Schedules : std::bool_constant<is_schedule<T>> {};
template <class T>
struct Groups : std::bool_constant<is_groups<T>> {};

template <class Part>
struct frozen {
  static bool names(std::string_view) { return false; }
};
template <UNetConfig C>
struct frozen<UNetOf<C>> {
  static bool names(std::string_view key) { return key.starts_with("model.diffusion_model."); }
};
template <TextEncoderConfig C>
struct frozen<TextEncoderOf<C>> {
  static bool names(std::string_view key) { return key.starts_with("cond_stage_model."); }
};
template <>
struct frozen<Adapter> {
  static bool names(std::string_view key) { return key.starts_with("text_adapter.") || key == "gamma"; }
};
template <>
struct frozen<BackbonePart> {
  static bool names(std::string_view key) {
    return key.starts_with("model.diffusion_model.") || key.starts_with("cond_stage_model.") || frozen<Adapter>::names(key);
  }
};
template <class... Parts>
struct frozen<Freeze<Parts...>> {
  static bool names(std::string_view key) { return (frozen<Parts>::names(key) || ...); }
};

}  // namespace policies_detail

/// What the policies of a Training<Device, ...> say.
template <class... Policies>
struct TrainingDecisions {
  using Schedule = typename policies_detail::pick<policies_detail::Schedules, ConstantSchedule, Policies...>::type;
  using Groups = typename policies_detail::pick<policies_detail::Groups, MmcvGroups, Policies...>::type;
  template <class Policy>
  static constexpr bool has = (std::is_same_v<Policy, Policies> || ...);
  using Statistics = std::conditional_t<has<FixedStatistics>, RunningStatistics, BatchStatistics>;

  /// Whether a parameter learns: the autoencoder, running statistics and what is named in Freeze do not.
  static bool learns(ParameterSpec const& spec) {
    return spec.trainable && !spec.name.starts_with("first_stage_model.") && !(policies_detail::frozen<Policies>::names(spec.name) || ...);
  }
};

}  // namespace tadp
