// SPDX-License-Identifier: Apache-2.0
// Makes a small model, prints what a model of any layout holds, and converts; against_layouts.py compares with PyTorch
// and diffusers.
#include "tadp/device/cpu.hpp"
#include "tadp/diffusion/backbone.hpp"
#include "tadp/io/convert.hpp"
#include "tadp/io/hash_rule.hpp"
#include "tadp/io/weights.hpp"

#include <zlib.h>

#include <cstdio>
#include <exception>
#include <string_view>

namespace {

template <tadp::UNetConfig UNet, tadp::TextEncoderConfig Text>
void make(std::filesystem::path const& out) {
  auto list = std::make_shared<tadp::ParameterList>();
  tadp::Scope const scope(*list);
  tadp::Backbone<tadp::UNetOf<UNet>, tadp::TextEncoderOf<Text>> const backbone(scope);
  tadp::VaeDecoderOf<tadp::vae_of(UNet)> const decoder(scope / "first_stage_model");
  tadp::Weights<tadp::Cpu> weights(tadp::Cpu(1), std::move(list));
  tadp::fill_by_hash(weights, 1);
  tadp::save_weights(weights, out);
}

/// Name, format, shape and the CRC-32 of the bytes of every tensor, one a line.
void print(tadp::ModelSource const& model) {
  model.require_copies_agree();
  std::vector<std::byte> bytes;
  for (tadp::TensorEntry const& entry : model.entries()) {
    bytes.resize(static_cast<std::size_t>(entry.size_bytes()));
    model.read_bytes(entry, 0, entry.size_bytes() * 8 / tadp::bits_per_element(entry.dtype), bytes.data());
    auto const crc = ::crc32(0, reinterpret_cast<Bytef const*>(bytes.data()), static_cast<uInt>(bytes.size()));
    std::printf("%s\t%s\t%s\t%08lx\n", entry.name.c_str(), std::string(tadp::to_string(entry.dtype)).c_str(), tadp::detail::shape_text(entry.shape).c_str(), crc);
  }
}

int usage() {
  std::fprintf(stderr, "usage: layouts_tool make tiny|street OUT | print MODEL [averaged] | layout MODEL | convert MODEL LAYOUT OUT [F32|F16|BF16]\n");
  return 2;
}

int run(std::vector<std::string> const& args) {
  if (args.size() == 3 && args[0] == "make") {
    if (args[1] == "tiny") return make<tadp::tiny_unet, tadp::tiny_text>(args[2]), 0;
    if (args[1] == "street") return make<tadp::street_unet, tadp::street_text>(args[2]), 0;
  }
  if (args.size() >= 2 && args[0] == "print") return print(tadp::open_model(args[1], {.averaged = args.size() > 2})), 0;
  if (args.size() == 2 && args[0] == "layout") return std::printf("%s\n", tadp::open_model(args[1]).layout_title().c_str()), 0;
  if (args.size() >= 4 && args[0] == "convert") {
    auto const* const layout = tadp::find_layout(args[2]);
    if (layout == nullptr) return usage();
    tadp::ConvertOptions options;
    if (args.size() > 4) options.dtype = tadp::dtype_from_name(args[4]);
    auto const done = tadp::convert_model(tadp::open_model(args[1]), *layout, args[3], options);
    for (auto const& name : done.left_out) std::printf("left out %s\n", name.c_str());
    return 0;
  }
  return usage();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (std::exception const& error) {
    std::fprintf(stderr, "layouts_tool: %s\n", error.what());
    return 1;
  }
}
