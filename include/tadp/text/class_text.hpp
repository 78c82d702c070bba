// SPDX-License-Identifier: Apache-2.0
// Texts made of class names (spec 3.2): all of them, or those that the labels of a picture hold, with blanks between.
// Oracle texts tell the answer; they measure what a perfect caption would be worth.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <vector>

namespace tadp {

/// The names in their order, joined by blanks; underscores are read as blanks.
inline std::string names_text(std::span<std::string const> names) {
  std::string text;
  for (std::string const& name : names) text += (text.empty() ? "" : " ") + name;
  std::replace(text.begin(), text.end(), '_', ' ');
  return text;
}

/// The same of the names that are marked; marks beyond the names are none of theirs.
inline std::string names_text(std::span<std::string const> names, std::vector<bool> const& present) {
  std::vector<std::string> some;
  for (std::size_t i = 0; i < names.size() && i < present.size(); ++i)
    if (present[i]) some.push_back(names[i]);
  return names_text(some);
}

}  // namespace tadp
