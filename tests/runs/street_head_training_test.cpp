// SPDX-License-Identifier: Apache-2.0
// The street model's heads of depth and detection: they are added to a file that segments, and change nothing in it.
#include "tadp/runs/street_head_training.hpp"
#include "tadp/session.hpp"
#include "../io/scratch.hpp"
#include "street_model_file.hpp"

#include <doctest/doctest.h>

namespace {

using namespace tadp;
using scratch::error_of;
using test_models::write_street;

StreetHeadOptions options(scratch::Folder const& folder, std::uint64_t steps = 4) {
  StreetHeadOptions o{.model = folder / "street.safetensors", .folder = folder / "heads", .threads = 1, .scenes = 3, .steps = steps, .batch = 2};
  o.crop.width = o.crop.height = 64;
  return o;
}
std::string bytes_of(std::filesystem::path const& path) {
  auto const bytes = read_file(path, std::uint64_t{1} << 26);
  return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}

}  // namespace

TEST_CASE("one file with three heads, the first of which is that of the model to the bit") {
  scratch::Folder const folder;
  write_street(folder / "street.safetensors");
  train_street_heads(options(folder));
  auto const path = folder / "heads" / "street-heads.safetensors";
  CHECK(std::filesystem::file_size(path) < 20'000'000);
  SafetensorsFile const before(folder / "street.safetensors"), after(path);
  std::size_t same = 0;
  for (auto const& entry : before.entries()) {
    auto const* const now = after.find(entry.name);
    REQUIRE(now != nullptr);
    auto const a = before.data(entry), b = after.data(*now);
    same += now->dtype == entry.dtype && std::equal(a.begin(), a.end(), b.begin(), b.end());
  }
  CHECK(same == before.entries().size());
  CHECK(after.find("decode_head.rpn.head.conv.0.0.weight") != nullptr);

  auto const d = description_of(after.metadata(), path.string());
  CHECK(heads_of(d) == std::vector<HeadDescription>{street_labels_head(), street_depth_head(), street_detection_head()});
  CHECK_NOTHROW(require_model<StreetPerception>(d, path.string()));
  auto const model = std::make_shared<StreetPerception const>(sizes_of<StreetPerception>(d, path.string()));
  auto const weights = std::make_shared<Weights<Cpu>>(Cpu(1), model->parameters());
  load_weights(*weights, {path});
  Session<StreetPerception, Inference<Cpu>> session(model, weights, {.window = d.window, .tokenizer = street_tokenizer()});
  auto const scene = render_street(5, {.width = 160, .height = 128});
  auto const [labels, metres, boxes] = session.perceive(PictureView(scene.picture), {.caption = "a street photo"});
  CHECK(labels.labels.width == 160);
  CHECK(std::all_of(metres.metres.begin(), metres.metres.end(), [](float m) { return m > 0.0F && m < street_depth.max_depth; }));
  CHECK(boxes.objects.size() <= 50);
}

TEST_CASE("heads that were stopped end with the numbers of those that were not") {
  scratch::Folder const folder;
  write_street(folder / "street.safetensors");
  auto o = options(folder);
  std::vector<std::string> named;
  o.on_progress = [&](TrainingProgress const& p) {
    for (auto const& [name, value] : p.figures) named.push_back(name);
  };
  train_street_heads(o);
  CHECK(named == std::vector<std::string>{"depth", "detection"});
  auto const whole = bytes_of(o.folder / "street-heads.safetensors");
  CHECK(bytes_of(o.folder / "heads.log.jsonl").find("\"detection\":") != std::string::npos);

  // The rate depends on the count of steps, so a shorter run is none of the same: one is stopped.
  o.folder = folder / "stopped";
  std::stop_source stop;
  o.stop = stop.get_token();
  stop.request_stop();
  CHECK(error_of([&] { train_street_heads(o); })->code() == Errc::cancelled);
  CHECK(std::filesystem::exists(o.folder / "heads.checkpoint.safetensors"));
  CHECK(!std::filesystem::exists(o.folder / "street-heads.safetensors"));
  o.stop = {};
  auto other = o;
  other.depth_weight = 0.5F;
  CHECK(error_of([&] { train_street_heads(other); })->where().key == "weights");
  other = o;
  other.crop.max_scale = 2.0F;
  CHECK(error_of([&] { train_street_heads(other); })->where().key == "augmentation");
  train_street_heads(o);
  CHECK(bytes_of(o.folder / "street-heads.safetensors") == whole);
}

TEST_CASE("heads go on from a file that has them, and need one that segments") {
  scratch::Folder const folder;
  write_street(folder / "street.safetensors");
  train_street_heads(options(folder, 1));
  auto o = options(folder, 1);
  o.model = folder / "heads" / "street-heads.safetensors";
  auto const again = street_head_detail::start_from(o);
  SafetensorsFile const first(o.model);
  auto const id = again.model->parameters()->find("last_layer_depth.2.bias");
  REQUIRE(id);
  float stored = 0.0F;
  first.read_f32(*first.find("last_layer_depth.2.bias"), &stored);
  CHECK(again.weights->data(id)[0] == stored);
  CHECK(stored != 0.0F);

  ModelDescription d = description_of(first.metadata(), "x");
  set_heads(d, {street_depth_head()});
  save_weights(*again.weights, folder / "depth.safetensors", Dtype::F16, to_metadata(d));
  o.model = folder / "depth.safetensors";
  CHECK(error_of([&] { train_street_heads(o); })->code() == Errc::shape);
  o.model = folder / "none.safetensors";
  CHECK(error_of([&] { train_street_heads(o); })->code() == Errc::io);
}

TEST_CASE("a head of weight 0 stays to the bit while the other learns") {
  scratch::Folder const folder;
  write_street(folder / "street.safetensors");
  train_street_heads(options(folder, 2));
  auto const begun = folder / "heads" / "street-heads.safetensors";
  SafetensorsFile const before(begun);
  for (bool const depth_learns : {true, false}) {
    CAPTURE(depth_learns);
    auto o = options(folder, 2);
    o.model = begun;
    o.folder = folder / (depth_learns ? "depth" : "boxes");
    (depth_learns ? o.detection_weight : o.depth_weight) = 0.0F;
    train_street_heads(o);
    SafetensorsFile const after(o.folder / "street-heads.safetensors");
    REQUIRE(after.entries().size() == before.entries().size());
    for (auto const& entry : before.entries()) {
      auto const a = before.data(entry), b = after.data(*after.find(entry.name));
      if (!std::equal(a.begin(), a.end(), b.begin(), b.end())) CHECK((entry.name.find("fpn.") == 0 || entry.name.find(".rpn.") != std::string::npos || entry.name.find(".roi_heads.") != std::string::npos) != depth_learns);
    }
    auto const moved = [&](std::string const& name) {
      auto const a = before.data(*before.find(name)), b = after.data(*after.find(name));
      return !std::equal(a.begin(), a.end(), b.begin(), b.end());
    };
    CHECK(moved("last_layer_depth.2.bias") == depth_learns);
    CHECK(moved("decode_head.rpn.head.conv.0.0.weight") != depth_learns);
    CHECK(description_of(after.metadata(), "x").notes.at("heads").find(depth_learns ? "; depth: 2 steps of 2" : "; detection: 2 steps of 2") != std::string::npos);
  }
}

TEST_CASE("a head of weight 0 has to come from the file, and one at least is to learn") {
  scratch::Folder const folder;
  write_street(folder / "street.safetensors");
  for (bool const depth_learns : {true, false}) {
    auto o = options(folder, 1);
    (depth_learns ? o.detection_weight : o.depth_weight) = 0.0F;
    auto const error = error_of([&] { train_street_heads(o); });
    REQUIRE(error);
    CHECK(error->code() == Errc::argument);
    CHECK(error->where().expected == (depth_learns ? "detection" : "depth"));
    o.depth_weight = o.detection_weight = 0.0F;
    CHECK(error_of([&] { train_street_heads(o); })->where().key == "weights");
  }
}
