// SPDX-License-Identifier: Apache-2.0
// Which learning rate and weight decay a parameter gets, by its name: the original's rule, and the one a reader expects.
// Rules look at the names that the parameters have in the original's modules (spec 5.1, Q4).
#pragma once

#include <string>
#include <string_view>

namespace tadp {

/// Factors of the base learning rate and base weight decay.
struct GroupFactors {
  double lr = 1.0;
  double decay = 1.0;
};

/// A checkpoint key under the name that the original's optimizer sees.
inline std::string name_in_original(std::string_view key) {
  constexpr std::string_view unet = "model.diffusion_model.", text = "cond_stage_model.", vae = "first_stage_model.";
  if (key.starts_with(unet)) return "unet.unet.diffusion_model." + std::string(key.substr(unet.size()));
  if (key.starts_with(text)) return "sd_model." + std::string(key);
  if (key.starts_with(vae)) return "encoder_vq." + std::string(key.substr(vae.size()));
  return std::string(key);
}

/// mmcv's constructor with the original's keys: the longest key that occurs in the name wins alone, so that `norm` beats
/// `unet` and a transformer's norms learn at the full rate.
struct MmcvGroups {
  GroupFactors operator()(std::string_view key) const {
    struct Rule {
      std::string_view part;
      GroupFactors factors;
    };
    static constexpr Rule rules[] = {{"text_encoder", {0.0, 1.0}}, {"encoder_vq", {0.0, 1.0}}, {"norm", {1.0, 0.0}}, {"unet", {0.1, 1.0}}};
    std::string const name = name_in_original(key);
    for (Rule const& rule : rules)
      if (name.find(rule.part) != std::string::npos) return rule.factors;
    return {};
  }
};

/// The UNet at a tenth of the rate, and no decay for norms, independently of each other.
struct PlainGroups {
  double unet_lr = 0.1;
  GroupFactors operator()(std::string_view key) const {
    std::string const name = name_in_original(key);
    return {name.find("unet") != std::string::npos ? unet_lr : 1.0, name.find("norm") != std::string::npos ? 0.0 : 1.0};
  }
};

/// One rate for everything; decay for all but vectors named as norms or biases.
struct UniformGroups {
  GroupFactors operator()(std::string_view key) const {
    bool const vector = key.ends_with(".bias") || key.find("norm") != std::string_view::npos || key == "gamma";
    return {1.0, vector ? 0.0 : 1.0};
  }
};

}  // namespace tadp
