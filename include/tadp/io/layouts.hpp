// SPDX-License-Identifier: Apache-2.0
// Which layout a checkpoint has, told by its names, and what its tensors are called here; and the way back, for writing.
// The tables are in io/layouts/.
#pragma once

#include "tadp/core/error.hpp"
#include "tadp/io/layouts/ema.hpp"
#include "tadp/io/layouts/table.hpp"

namespace tadp {

/// A layout, and what stands before all of its names in this file, such as "module.".
struct FoundLayout {
  Layout const* layout = nullptr;
  std::string_view before{};
  explicit operator bool() const { return layout != nullptr; }
};

/// The layout of these names; nothing where none is known.
inline FoundLayout layout_of(std::span<std::string const> names) {
  constexpr std::string_view wrappers[] = {"", "module.", "model.", "model.module.", "module.model."};
  for (auto const before : wrappers)
    for (Layout const& layout : layouts)
      for (std::string_view const name : names) {
        if (!name.starts_with(before)) continue;
        auto const rest = name.substr(before.size());
        for (auto const sign : layout.signs)
          if (rest.starts_with(sign)) return {&layout, before};
      }
  return {};
}

/// A tensor of a file under the name that the library gives it.
struct NamedPart {
  std::string compvis{};           ///< empty: ignored
  std::size_t row = 0;             ///< of the layout's table; a later row is a copy of an earlier one
  bool averaged = false;           ///< of the training, beside the weights themselves
  std::string_view ignored{};      ///< what it is, if no part of a model
};

/// Turns all names of one file.
class LayoutNames {
 public:
  LayoutNames(FoundLayout found, std::span<std::string const> names) : found_(found) {
    std::vector<std::string> unet, vae;
    for (std::string_view name : names) {
      name = inside(name);
      PartRow const* const row = row_of(name);
      if (row == nullptr || row->inner == InnerNames::compvis) continue;
      (row->inner == InnerNames::diffusers_unet ? unet : vae).emplace_back(name.substr(row->stored.size()));
    }
    if (!unet.empty()) unet_.add(diffusers_unet_names, unet_counts_of_diffusers(unet));
    if (!vae.empty()) vae_.add(diffusers_vae_names, vae_counts(vae));
  }

  NamedPart turned(std::string_view stored) const {
    auto const name = inside(stored);
    if (auto averaged = name_of_averaged(name)) return {.compvis = std::move(*averaged), .averaged = true};
    if (auto const what = ignored_as(name)) return {.ignored = *what};
    PartRow const* const row = row_of(name);
    if (row == nullptr) return {.compvis = std::string(name)};
    auto const rest = name.substr(row->stored.size());
    NamedPart part{.compvis = std::string(row->compvis), .row = static_cast<std::size_t>(row - found_.layout->parts.data())};
    NameMap const& map = row->inner == InnerNames::diffusers_unet ? unet_ : vae_;
    auto const inner = row->inner == InnerNames::compvis ? std::optional(std::string(rest)) : map.to_compvis(rest);
    // A name that the table does not have stays as it is: it will be listed as extra.
    part.compvis = inner ? part.compvis + *inner : std::string(name);
    part.compvis = newest(std::move(part.compvis));
    return part;
  }

 private:
  std::string_view inside(std::string_view name) const { return name.starts_with(found_.before) ? name.substr(found_.before.size()) : name; }
  /// What libraries renamed between their versions.
  static std::string newest(std::string name) {
    constexpr std::string_view text = "cond_stage_model.transformer.", prefix = "text_model.";  // transformers 5 dropped the latter
    if (name.starts_with(text) && !std::string_view(name).substr(text.size()).starts_with(prefix)) name.insert(text.size(), prefix);
    for (auto const& [older, newer] : older_head_names)
      if (name == older) return std::string(newer);
    return name;
  }
  PartRow const* row_of(std::string_view name) const {
    for (PartRow const& row : found_.layout->parts)
      if (name.starts_with(row.stored)) return &row;
    return nullptr;
  }

  FoundLayout found_;
  NameMap unet_{}, vae_{};
};

/// Turns this library's names into those of a layout.
class LayoutWriter {
 public:
  /// `names`: all CompVis names of the model that is written; they tell how many blocks it has.
  LayoutWriter(Layout const& layout, std::span<std::string const> names) : layout_(&layout) {
    std::vector<std::string> unet, vae;
    for (std::string_view const name : names) {
      if (name.starts_with(unet_part)) unet.emplace_back(name.substr(unet_part.size()));
      if (name.starts_with(vae_part)) vae.emplace_back(name.substr(vae_part.size()));
    }
    unet_.add(diffusers_unet_names, unet_counts_of_compvis(unet));
    vae_.add(diffusers_vae_names, vae_counts(vae));
  }

  /// The name in the layout; nothing where it has no place for this tensor.
  std::optional<std::string> stored(std::string_view compvis) const {
    for (PartRow const& row : layout_->parts) {
      if (row.stored.empty() && row.compvis.empty()) return std::string(compvis);
      if (!compvis.starts_with(row.compvis)) continue;
      auto const rest = compvis.substr(row.compvis.size());
      if (row.inner == InnerNames::compvis) return std::string(row.stored) + std::string(rest);
      if (auto const inner = (row.inner == InnerNames::diffusers_unet ? unet_ : vae_).from_compvis(rest)) return std::string(row.stored) + *inner;
      return std::nullopt;
    }
    return std::nullopt;
  }
  /// The shape in the layout.
  std::vector<std::uint64_t> shape(std::string_view compvis, std::span<std::uint64_t const> s) const {
    for (PartRow const& row : layout_->parts)
      if (row.inner == InnerNames::diffusers_vae) return diffusers_shape(compvis, s);
    return {s.begin(), s.end()};
  }

 private:
  static constexpr std::string_view unet_part = "model.diffusion_model.", vae_part = "first_stage_model.";
  Layout const* layout_;
  NameMap unet_{}, vae_{};
};

}  // namespace tadp
