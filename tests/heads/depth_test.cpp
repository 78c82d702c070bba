// SPDX-License-Identifier: Apache-2.0
// The depth head: the original's names, any device, learning; and depth of pictures of any size by a session, whose
// padding and windows must not leak into the answer.
#include "../plain_device.hpp"
#include "tadp/heads/depth.hpp"
#include "tadp/heads/smp_fpn.hpp"
#include "tadp/io/hash_rule.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/session.hpp"
#include "tadp/train/depth_recipe.hpp"
#include "tadp/train/fit.hpp"
#include "tadp/train/initialize.hpp"

#include <doctest/doctest.h>

#include <set>

namespace td = tadp;
using td::index_t;

namespace {

using Tiny = td::Backbone<td::UNetOf<td::tiny_unet>, td::TextEncoderOf<td::tiny_text>>;
constexpr td::DepthConfig small{.embed = 4, .filters = 8};
using Task = td::DepthOf<small>;
using Model = td::Model<Tiny, td::PromptPolicy<td::Caption>, td::Head<Task>>;
using Session = td::Session<Model, td::Inference<td::Cpu>>;

td::Picture noisy(int w, int h) {
  td::Picture p(w, h);
  for (std::size_t i = 0; i < p.rgb.size(); ++i) p.rgb[i] = static_cast<std::uint8_t>(td::random_bits(7, i));
  return p;
}
td::Picture cropped(td::Picture const& from, int left, int w) {
  td::Picture p(w, from.height);
  for (int y = 0; y < p.height; ++y) std::copy_n(from.pixel(left, y), 3 * w, p.pixel(0, y));
  return p;
}
td::Picture mirrored(td::Picture const& from) {
  td::Picture p(from.width, from.height);
  for (int y = 0; y < p.height; ++y)
    for (int x = 0; x < p.width; ++x) std::copy_n(from.pixel(p.width - 1 - x, y), 3, p.pixel(x, y));
  return p;
}
struct Loaded {
  std::shared_ptr<Model const> model = std::make_shared<Model const>();
  std::shared_ptr<td::Weights<td::Cpu>> weights = std::make_shared<td::Weights<td::Cpu>>(td::Cpu(1), model->parameters());
  Loaded() {
    td::fill_by_hash(*weights, 3);
    // By the rule alone answers lie close to the middle; a stronger last layer tells pictures apart.
    auto const id = weights->list().find("last_layer_depth.2.weight");
    for (index_t i = 0; i < weights->list()[id].count; ++i) weights->data(id)[i] *= 20.0F;
  }
};
Loaded const& loaded() {
  static Loaded const all;
  return all;
}
td::DepthMap depth_of(td::Picture const& picture, td::SessionOptions const& options) {
  Session session(loaded().model, loaded().weights, options);
  return session.depth(picture, {.ids = {5, 6, 7}});
}
double largest_difference(td::DepthMap const& a, td::DepthMap const& b, int left, int right) {
  double worst = 0.0;
  for (int y = 0; y < a.height; ++y)
    for (int x = left; x < right; ++x) worst = std::max(worst, std::abs(static_cast<double>(a.at(x, y)) - static_cast<double>(b.at(x, y))));
  return worst;
}
double spread(td::DepthMap const& m) {
  auto const [low, high] = std::minmax_element(m.metres.begin(), m.metres.end());
  return static_cast<double>(*high) - static_cast<double>(*low);
}

template <class Net>
std::map<std::string, std::vector<index_t>> shapes_of(td::FeatureChannels const& channels, index_t classes) {
  td::ParameterList list;
  Net const net(td::Scope(list), channels, classes);
  std::map<std::string, std::vector<index_t>> shapes;
  for (auto const& spec : list.specs()) shapes[spec.name] = spec.shape;
  return shapes;
}

/// Depth of a random pyramid on a device, under a tape.
template <class Device>
std::vector<float> planned_depth(Device device, std::array<index_t, 2> cells) {
  auto const list = std::make_shared<td::ParameterList>();
  Task::Net const net(td::Scope(*list), {16, 32, 24, 8}, 1);
  td::Weights<Device> weights(device, list);
  td::fill_by_hash(weights, 1);
  td::Plan<Device> plan(device, list.get(), weights.flat());
  td::PlanContext<Device> ctx(plan);
  std::array<td::PlannedValue, 4> levels;
  index_t const channels[] = {16, 32, 24, 8};
  for (std::size_t i = 0; i < 4; ++i) levels[i] = plan.input({2, 16 >> i, 24 >> i, channels[i]});
  auto const metres = plan.keep(net(ctx, levels, cells));
  plan.finish();
  for (auto const& level : levels)
    for (index_t i = 0; i < level.shape.count(); ++i) plan.view(level).data[i] = 2.0F * td::random_unit(9, static_cast<std::uint64_t>(i)) - 1.0F;
  plan.run(device);
  auto const v = plan.view(metres);
  return {v.data, v.data + v.shape.count()};
}

}  // namespace

TEST_CASE("the paper's head has the original's names and shapes") {
  auto const depth = shapes_of<td::Depth::Net>({320, 640, 1280, 1280}, 1);
  using S = std::vector<index_t>;
  std::map<std::string, S> const some{{"encoder.layer1.0.weight", {320, 320, 3, 3}}, {"encoder.layer1.1.bias", {320}}, {"encoder.layer1.3.bias", {320}},
                                      {"encoder.layer2.0.weight", {640, 640, 3, 3}}, {"encoder.out_layer.0.weight", {1536, 3520, 1, 1}}, {"encoder.out_layer.1.weight", {1536}},
                                      {"decoder.deconv_layers.0.weight", {1536, 32, 2, 2}}, {"decoder.deconv_layers.1.running_var", {32}}, {"decoder.deconv_layers.3.weight", {32, 32, 2, 2}},
                                      {"decoder.deconv_layers.7.bias", {32}}, {"decoder.conv_layers.0.weight", {192, 32, 3, 3}}, {"decoder.conv_layers.1.running_mean", {192}},
                                      {"last_layer_depth.0.weight", {192, 192, 3, 3}}, {"last_layer_depth.2.weight", {1, 192, 3, 3}}, {"last_layer_depth.2.bias", {1}}};
  for (auto const& expected : some) {
    INFO(expected.first);
    REQUIRE(depth.contains(expected.first));
    CHECK(depth.at(expected.first) == expected.second);
  }
  CHECK_FALSE(depth.contains("decoder.deconv_layers.0.bias"));
  CHECK(depth.size() == 12 + 3 * 5 + 6 + 4);

  auto const voc = shapes_of<td::SegmentationOf<21, td::SmpFpn>::Net>({320, 717, 1357, 1280}, 21);
  std::map<std::string, S> const those{{"decode_head.decoder.p5.weight", {256, 1280, 1, 1}}, {"decode_head.decoder.p4.skip_conv.weight", {256, 1357, 1, 1}},
                                       {"decode_head.decoder.p2.skip_conv.bias", {256}}, {"decode_head.decoder.seg_blocks.0.block.2.block.0.weight", {128, 128, 3, 3}},
                                       {"decode_head.decoder.seg_blocks.3.block.0.block.0.weight", {128, 256, 3, 3}}, {"decode_head.decoder.seg_blocks.1.block.1.block.1.bias", {128}},
                                       {"decode_head.segmentation_head.0.weight", {21, 128, 1, 1}}};
  for (auto const& expected : those) {
    INFO(expected.first);
    REQUIRE(voc.contains(expected.first));
    CHECK(voc.at(expected.first) == expected.second);
  }
  CHECK(voc.size() == 8 + 7 * 3 + 2);
}

TEST_CASE("a model hands its depth head the features without maps") {
  auto const& specs = loaded().model->parameters()->specs();
  auto const joined = std::find_if(specs.begin(), specs.end(), [](auto const& s) { return s.name == "encoder.out_layer.0.weight"; });
  REQUIRE(joined != specs.end());
  CHECK(joined->shape == std::vector<index_t>{32, 32 + 64 + 128 + 128, 1, 1});
  static_assert(Model::features::counts == std::array{32, 64, 128, 128});
}

TEST_CASE("the head is the same on the processor and on plain loops, cut or not") {
  for (auto const& [cells, count] : {std::pair{std::array<index_t, 2>{0, 0}, 2 * 128 * 192}, std::pair{std::array<index_t, 2>{3, 5}, 2 * 96 * 160}}) {
    auto const ours = planned_depth(td::Cpu(2), cells), simple = planned_depth(plain::Device{}, cells);
    REQUIRE(ours.size() == static_cast<std::size_t>(count));
    REQUIRE(simple.size() == ours.size());
    float worst = 0.0F;
    for (std::size_t i = 0; i < ours.size(); ++i) worst = std::max(worst, std::abs(ours[i] - simple[i]));
    CHECK(worst < 2e-5F);
  }
}

TEST_CASE("pictures of any size have their own depth, the same for any batch and threads") {
  for (auto const& size : {std::pair{96, 96}, {150, 96}, {96, 150}, {100, 203}, {31, 17}, {1, 1}, {1, 130}, {70, 64}}) {
    int const w = size.first, h = size.second;
    INFO(w << " x " << h);
    auto const one = depth_of(noisy(w, h), {.window = {96, 96}, .shifts = 2, .flip = true});
    CHECK((one.width == w && one.height == h));
    CHECK(std::all_of(one.metres.begin(), one.metres.end(), [](float m) { return m > 0.0F && m < 10.0F; }));
    if (w > 1) CHECK(spread(one) > 1e-3);
    auto const many = depth_of(noisy(w, h), {.window = {96, 96}, .shifts = 2, .flip = true, .batch = 3, .threads = 2});
    CHECK(one.metres == many.metres);
  }
}

TEST_CASE("beyond a window there is nothing: a wide picture's ends are those of its parts") {
  auto const wide = noisy(170, 96);
  auto const whole = depth_of(wide, {.window = {96, 96}, .shifts = 2}), left = depth_of(cropped(wide, 0, 96), {.window = {96, 96}}), right = depth_of(cropped(wide, 74, 96), {.window = {96, 96}});
  CHECK(largest_difference(whole, left, 0, 74) == 0.0);
  for (int y = 0; y < 96; ++y)
    for (int x = 96; x < 170; ++x) REQUIRE(whole.at(x, y) == right.at(x - 74, y));
  // Where both look, their mean.
  for (int x = 74; x < 96; ++x) REQUIRE(whole.at(x, 50) == doctest::Approx(0.5F * (left.at(x, 50) + right.at(x - 74, 50))).epsilon(1e-6));
}

TEST_CASE("with flips a mirrored picture has the mirrored depth") {
  auto const picture = noisy(150, 96);
  td::SessionOptions const options{.window = {96, 96}, .shifts = 2, .flip = true};
  auto const depth = depth_of(picture, options), turned = depth_of(mirrored(picture), options);
  td::DepthMap back = turned;
  for (int y = 0; y < back.height; ++y)
    for (int x = 0; x < back.width; ++x) back.at(x, y) = turned.at(back.width - 1 - x, y);
  CHECK(largest_difference(depth, back, 0, 150) < 1e-5);
  auto const plain = depth_of(picture, {.window = {96, 96}, .shifts = 2});
  CHECK(largest_difference(depth, plain, 0, 150) > 1e-3);  // it does look twice
}

TEST_CASE("options that no window of depth fits are refused") {
  auto const code_of = [](td::SessionOptions const& o) {
    try {
      Session const session(loaded().model, loaded().weights, o);
    } catch (td::Error const& e) {
      return e.code();
    }
    return td::Errc::cancelled;
  };
  CHECK(code_of({.window = {96, 80}}) == td::Errc::argument);
  CHECK(code_of({.window = {96, 96}, .shifts = 1}) == td::Errc::argument);
  CHECK(code_of({.window = {96, 96}, .shifts = -2}) == td::Errc::argument);
  CHECK(code_of({.window = {0, 96}}) == td::Errc::argument);
  CHECK(code_of({.window = {32, 96}}) == td::Errc::cancelled);
  td::ParameterList list;
  CHECK_THROWS_AS(Task::Net(td::Scope(list), {20, 32, 24, 8}, 1), td::Error);  // no 16 groups
}

TEST_CASE("windows shift evenly from end to end, with more of them where so few leave gaps") {
  CHECK(td::shift_stride(640, 480, 2) == 160);
  for (index_t count = 2; count < 6; ++count)
    for (index_t size = 1; size < 300; ++size) {
      td::WindowAxis const axis{size, 40, td::shift_stride(size, 40, count)};
      index_t end = 0;
      for (index_t i = 0; i < axis.count(); ++i) {
        REQUIRE(axis.start(i) <= end);
        end = axis.start(i) + axis.length;
      }
      REQUIRE(end >= size);
      REQUIRE(axis.start(axis.count() - 1) == std::max<index_t>(0, size - 40));
      if (size > 40 + count && size - 40 <= 40 * (count - 1)) REQUIRE(axis.count() <= count);
    }
}

TEST_CASE("the head learns depth from a pyramid, under the original's recipe") {
  auto const list = std::make_shared<td::ParameterList>();
  Task::Net const net(td::Scope(*list), {16, 16, 16, 16}, 1);
  auto const weights = std::make_shared<td::Weights<td::Cpu>>(td::Cpu(1), list);
  td::initialize(*weights, 5, [](td::ParameterSpec const&) { return true; });
  std::vector<float> truth(64 * 64);
  for (std::size_t i = 0; i < truth.size(); ++i) truth[i] = i % 7 == 0 ? 0.0F : i % 64 < 32 ? 2.0F : 6.0F;
  std::array<std::vector<float>, 4> levels;
  for (std::size_t l = 0; l < 4; ++l)
    for (index_t i = 0, side = 8 >> l; i < side * side * 16; ++i) levels[l].push_back(i / 16 % side < side / 2 ? 1.0F : -1.0F + 0.1F * td::random_unit(l, static_cast<std::uint64_t>(i)));
  td::Fit<td::Cpu> fit(td::Cpu(1), weights, {.adamw = {.lr = 5e-3, .weight_decay = 0.1}, .schedule = td::DepthSchedule{.half = 20.0}, .groups = td::DepthGroups{list}});
  auto const loss = [&](auto& ctx, int) {
    std::array<typename std::remove_reference_t<decltype(ctx)>::Value, 4> pyramid;
    for (std::size_t l = 0; l < 4; ++l) pyramid[l] = ctx.input({levels[l].data(), td::FeatureShape{1, 8 >> l, 8 >> l, 16}});
    return Task::loss(ctx, net(ctx, pyramid), {truth.data(), 64, 64});
  };
  float const first = fit.step(loss);
  float last = first;
  for (int i = 0; i < 60; ++i) last = fit.step(loss);
  CHECK(first > 0.3F);
  CHECK(last < 0.5F * first);
}

TEST_CASE("depth's groups need the list; vectors and biases do not decay, the network is slow") {
  td::DepthGroups const rule{loaded().model->parameters()};
  CHECK(rule("encoder.layer1.1.weight").decay == 0.0);
  CHECK(rule("decoder.deconv_layers.0.weight").decay == 1.0);
  CHECK(rule("last_layer_depth.0.bias").decay == 0.0);
  CHECK(rule("model.diffusion_model.input_blocks.1.0.in_layers.0.weight").decay == 0.0);
  CHECK(rule("model.diffusion_model.input_blocks.0.0.weight").lr == 0.01);
  CHECK(rule("decoder.deconv_layers.0.weight").lr == 1.0);
  CHECK_THROWS_AS(td::DepthGroups{}("gamma"), td::Error);
  auto const schedule = td::DepthSchedule::of(25, 1000);
  CHECK(5e-4 * schedule.at(1) == doctest::Approx(3.0100e-5).epsilon(1e-4));
  CHECK(5e-4 * schedule.at(6000) == doctest::Approx(2.8187e-4).epsilon(1e-4));
  CHECK(schedule.at(12000) == doctest::Approx(1.0));
  CHECK(5e-4 * schedule.at(18000) == doctest::Approx(2.4813e-4).epsilon(1e-4));
  CHECK(schedule.at(24000) == doctest::Approx(0.06));
  CHECK(schedule.at(90000) == doctest::Approx(0.06));
  CHECK(td::DepthSchedule::of(1, 1000)(7) == 1.0);
}
