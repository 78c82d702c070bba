// SPDX-License-Identifier: Apache-2.0
// A device that cannot read the host's memory, without such a device: what was copied is spoiled on the host at once.
// A step that read the host's numbers after all would learn from them.
#include "../host_cuda.hpp"
#include "tadp/heads/depth.hpp"
#include "tadp/heads/detection.hpp"
#include "tadp/runs/training_session.hpp"
#include "tadp/train/initialize.hpp"

#include "../io/scratch.hpp"

#include <doctest/doctest.h>

#include <map>

namespace {

using namespace tadp;

/// Host memory that is spoiled once it was copied.
std::map<std::byte const*, std::size_t> spoiled_when_copied;

struct Apart : host_cuda::Device {
  static constexpr bool separate_memory = true;
  using host_cuda::Device::Device;
  void copy_from_host(void* data, void const* host, std::size_t bytes) const {
    std::memcpy(data, host, bytes);
    auto const known = spoiled_when_copied.find(static_cast<std::byte const*>(host));
    if (known != spoiled_when_copied.end()) std::memset(const_cast<std::byte*>(known->first), 0x7f, known->second);
  }
};

using Net = Backbone<UNetOf<tiny_unet>, TextEncoderOf<tiny_text>>;
using Labels = SegmentationOf<dynamic, 16>;
using NearMetres = DepthOf<DepthConfig{.embed = 8, .filters = 8}>;
using Boxes = DetectionOf<dynamic, DetectionConfig{.width = 16, .representation = 32, .best_of_level = 50, .proposals = 50, .training_best_of_level = 100, .training_proposals = 100, .anchor_samples = 64, .box_samples = 64}>;
using All = Model<Net, PromptPolicy<Caption>, Heads<Head<Labels>, Head<NearMetres>, Head<Boxes>>>;

struct Batch {
  std::vector<float> pictures = std::vector<float>(64 * 64 * 3), depths = std::vector<float>(64 * 64);
  std::vector<std::uint8_t> labels = std::vector<std::uint8_t>(64 * 64);
  std::vector<std::int32_t> ids = std::vector<std::int32_t>(static_cast<std::size_t>(tiny_text.length), 511);
  std::vector<std::vector<TrueBox>> boxes{{{{4, 4, 30, 40}, 1}, {{20, 10, 60, 60}, 2}}};

  Batch() {
    for (std::size_t i = 0; i < pictures.size(); ++i) pictures[i] = random_normal(1, i);
    for (std::size_t i = 0; i < depths.size(); ++i) depths[i] = 1.0F + 8.0F * random_unit(2, i), labels[i] = static_cast<std::uint8_t>(i * 3 / depths.size());
  }
  /// All of it is spoiled once it was copied.
  void spoil() {
    spoiled_when_copied.clear();
    auto const note = [](auto& v) { spoiled_when_copied[reinterpret_cast<std::byte const*>(v.data())] = v.size() * sizeof v[0]; };
    note(pictures), note(depths), note(labels), note(ids);
  }
  TrainingBatch view() const { return {.pictures = pictures, .ids = ids, .labels = labels, .depths = depths, .boxes = boxes}; }
};

template <class Device>
struct DeviceTrial {
  using Learn = Session<All, Training<Device, UniformGroups>>;
  std::shared_ptr<All const> model = std::make_shared<All const>(ModelSizes{.classes = 3, .further_classes = {1, 3}});
  std::shared_ptr<Weights<Device>> weights = start();
  Learn session{model, weights, {.image = {64, 64}, .adamw = {.lr = 1e-3}, .clip = 1.0, .seed = 3}};

  std::shared_ptr<Weights<Device>> start() const {
    auto w = std::make_shared<Weights<Device>>(Device{}, model->parameters());
    initialize(*w, 1, [](ParameterSpec const&) { return true; });
    return w;
  }
  float step() {
    Batch batch;
    batch.spoil();
    return session.step(batch.view());
  }
};

}  // namespace

TEST_CASE("a device with memory of its own is given copies of all that a step reads") {
  DeviceTrial<host_cuda::Device> shared;
  DeviceTrial<Apart> apart;
  for (int i = 0; i < 2; ++i) CHECK(apart.step() == shared.step());
}

TEST_CASE("a run on a device with memory of its own is saved and resumed by copies") {
  scratch::Folder const folder;
  auto const path = folder / "state.safetensors";
  DeviceTrial<Apart> first, second;
  first.step();
  first.session.fit().save(path, {});
  second.session.fit().resume(path);
  CHECK(second.session.fit().steps() == 1);
  CHECK(second.step() == first.step());
}
