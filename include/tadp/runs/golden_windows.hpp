// SPDX-License-Identifier: Apache-2.0
// The sliding windows of tiny_windows, run by a session as any picture is: logits joined over windows, labels, window places;
// then depth's windows of the same case.
#pragma once

#include "tadp/kernels/cpu.hpp"
#include "tadp/runs/golden_compare.hpp"
#include "tadp/runs/golden_depth_windows.hpp"
#include "tadp/runs/golden_inputs.hpp"
#include "tadp/session.hpp"

namespace tadp {

/// Device: one whose memory the host reads.
template <class Stack, class Device = Cpu>
class GoldenWindows {
 public:
  /// The adapter has no part in this case.
  using Model = tadp::Model<typename Stack::Model::Backbone, PromptPolicy<Caption>, Head<SegmentationOf<dynamic, static_cast<int>(Stack::head_width)>>>;
  using Change = std::function<void(Weights<Device>&)>;

  GoldenWindows(Golden const& golden, Device device, int threads = 1) : golden_(&golden), device_(std::move(device)), threads_(threads) {
    golden.guarded([&] {
      auto const& slide = golden.meta().at("slide");
      auto const image = slide.at("image").template get<std::array<index_t, 4>>();
      shape_ = {image[0], image[2], image[3], image[1]};
      input_ = hash_input_of(slide.at("key").template get<std::string>());
      crop_ = slide.at("crop").template get<int>();
      stride_ = slide.at("stride").template get<int>();
      ids_ = golden_tokens(golden.meta().at("token_ids"), Stack::text);
      latent_.scale = golden.meta().at("latent_scale").template get<float>();
    });
    if (shape_.n() != 1 || shape_.c() != 3 || shape_.h() < 1 || shape_.w() < 1)
      throw Error(Errc::shape, "sliding windows take one picture", {.file = golden.path().string(), .found = to_string(shape_)});
  }
  /// On the processor: 0 for all threads of the machine.
  GoldenWindows(Golden const& golden, int threads)
    requires std::same_as<Device, Cpu>
      : GoldenWindows(golden, Cpu(golden_threads(threads)), golden_threads(threads)) {}

  void run(GoldenCheck& check, Control const& control = {}, Change const& change = {}) {
    auto const model = std::make_shared<Model const>(golden_sizes<Stack>(*golden_));
    auto const weights = std::make_shared<Weights<Device>>(device_, model->parameters());
    fill_golden_weights(device_, *weights, golden_->seed());
    if (change) change(*weights);
    Session<Model, Inference<Device>> session(model, weights, {.window = {crop_, crop_}, .stride = stride_, .threads = threads_, .latent = latent_});

    std::vector<float> picture(static_cast<std::size_t>(shape_.count()));
    fill_input(input_, golden_->seed(), {picture.data(), shape_});
    NormalisedView const view{picture.data(), static_cast<int>(shape_.w()), static_cast<int>(shape_.h())};
    auto const result = session.run(view, {.ids = ids_}, {.logits = true}, control);
    ConstFeatures<Cpu> const logits{result.logits.data(), shape_.with_channels(session.classes())};
    check_windows(check);
    check.features("slide.logits", logits);
    check_labels(check, logits, result.labels.labels);
    golden_->guarded([&] { GoldenDepthWindows<Stack, Device>(*golden_, device_, threads_).run(check, control, change); });
    check.finish();
  }

 private:
  void check_windows(GoldenCheck& check) const {
    std::string const entry = "slide.windows_y1x1y2x2";
    if (!golden_->has(entry)) return;
    WindowGrid const grid{{shape_.h(), crop_, stride_}, {shape_.w(), crop_, stride_}};
    std::vector<std::vector<index_t>> found;
    for (index_t i = 0; i < grid.count(); ++i)
      found.push_back({grid.top(i), grid.left(i), std::min(grid.top(i) + crop_, shape_.h()), std::min(grid.left(i) + crop_, shape_.w())});
    auto const expected = golden_->guarded([&] { return golden_->table(entry).template get<std::vector<std::vector<index_t>>>(); });
    bool const same = found == expected;
    check.row({.entry = entry, .error = same ? 0.0 : 1.0, .ok = same, .note = std::to_string(found.size()) + " windows"});
  }
  /// A label may differ only where the logits of both lie closer than the bound of logits lets them move.
  void check_labels(GoldenCheck& check, ConstFeatures<Cpu> logits, std::span<std::uint8_t const> labels) const {
    GoldenTensor const* const reference = golden_->find("slide.logits");
    double const apart = 2.0 * golden_bounds::tiny * (reference == nullptr ? 0.0 : reference->absmax);
    std::vector<std::int32_t> const found(labels.begin(), labels.end());
    check.integers("slide.argmax", found, [&](index_t pixel, std::int32_t expected) {
      float const* const z = logits.pixel(pixel);
      if (expected < 0 || expected >= logits.shape.channels()) return false;
      return static_cast<double>(z[found[static_cast<std::size_t>(pixel)]]) - static_cast<double>(z[expected]) <= apart;
    });
  }

  Golden const* golden_;
  Device device_;
  int threads_;
  FeatureShape shape_{};
  HashInput input_{};
  int crop_ = 0, stride_ = 0;
  std::vector<std::int32_t> ids_;
  LatentPolicy latent_{};
};

}  // namespace tadp
