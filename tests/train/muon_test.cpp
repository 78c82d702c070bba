// SPDX-License-Identifier: Apache-2.0
// Muon against torch.optim.Muon (muon.json, made by make_muon_fixture.py), and what of a model it steps.
#include "tadp/train/muon.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/ops/layers.hpp"
#include "tadp/ops/loss.hpp"
#include "tadp/train/fit.hpp"
#include "tadp/train/initialize.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <fstream>

namespace {
using namespace tadp;

nlohmann::json torch_steps() {
  std::string const here = __FILE__;
  std::ifstream in(here.substr(0, here.rfind('/') + 1) + "muon.json");
  REQUIRE(in);
  return nlohmann::json::parse(in);
}

/// Matrices that learn; their gradients are what a test says.
struct Matrices {
  std::shared_ptr<ParameterList> list = std::make_shared<ParameterList>();
  Cpu device;
  std::shared_ptr<Weights<Cpu>> weights;
  GradientBuffer<Cpu> gradients;
  std::vector<float> momentum;

  Matrices(std::vector<std::array<index_t, 2>> const& sides, int threads)
      : device(threads), weights(std::make_shared<Weights<Cpu>>(device, filled(sides))), gradients(device, *list, [](ParameterSpec const&) { return true; }), momentum(static_cast<std::size_t>(gradients.floats()), 0.0F) {}

 private:
  std::shared_ptr<ParameterList> filled(std::vector<std::array<index_t, 2>> const& sides) {
    for (auto const& [rows, columns] : sides) list->add("layer." + std::to_string(list->specs().size()) + ".weight", {rows, columns}, Init::fan_in, true);
    return list;
  }
};

void copy_to(nlohmann::json const& numbers, float* to) {
  for (auto const& number : numbers) *to++ = number.get<float>();
}

TEST_CASE("Muon steps as torch.optim.Muon does, wide and tall") {
  auto const torch = torch_steps();
  Muon const numbers{.lr = torch["lr"], .weight_decay = torch["weight_decay"], .momentum = torch["momentum"]};
  for (auto const& c : torch["cases"]) {
    Matrices m({{c["rows"], c["columns"]}}, 1);
    MuonStep<Cpu> muon(m.device, numbers, *m.list, m.gradients, UniformGroups{});
    copy_to(c["weight"], m.weights->flat());
    for (auto const& step : c["steps"]) {
      copy_to(step["gradient"], m.gradients.pointers()[0]);
      muon(*m.weights, m.momentum.data(), 1.0);
      double worst = 0.0;
      float const* at = m.weights->flat();
      for (auto const& expected : step["weight"]) worst = std::max(worst, std::abs(expected.get<double>() - static_cast<double>(*at++)));
      CAPTURE(c["rows"].get<int>());
      CHECK(worst < 2e-6);
    }
  }
}

TEST_CASE("Muon gives the same bytes for every count of threads") {
  auto const stepped = [](int threads) {
    Matrices m({{16, 40}, {33, 17}, {64, 64}, {20, 150}, {150, 20}}, threads);
    initialize(*m.weights, 1, [](ParameterSpec const&) { return true; });
    for (index_t i = 0; i < m.gradients.floats(); ++i) m.gradients.flat()[i] = random_normal(5, static_cast<std::uint64_t>(i));
    MuonStep<Cpu> muon(m.device, {}, *m.list, m.gradients, UniformGroups{});
    for (int step = 0; step < 3; ++step) muon(*m.weights, m.momentum.data(), 1.0);
    return std::vector<float>(m.weights->flat(), m.weights->flat() + m.list->floats());
  };
  auto const one = stepped(1);
  CHECK(stepped(2) == one);
  CHECK(stepped(3) == one);
}

TEST_CASE("Muon takes matrices; vectors, embeddings and classifiers of few classes are left to AdamW") {
  CHECK(is_hidden_matrix({.name = "block.conv.weight", .shape = {32, 16, 3, 3}, .count = 32 * 144}));
  CHECK_FALSE(is_hidden_matrix({.name = "block.conv.bias", .shape = {32}, .count = 32}));
  CHECK_FALSE(is_hidden_matrix({.name = "text.token_embedding.weight", .shape = {512, 64}, .count = 512 * 64}));
  CHECK_FALSE(is_hidden_matrix({.name = "head.conv_seg.weight", .shape = {11, 64, 1, 1}, .count = 11 * 64}));
}

TEST_CASE("a training run gives matrices to Muon and the rest to AdamW, never one to both") {
  for (bool const muon_learns : {true, false}) {
    CAPTURE(muon_learns);
    auto const list = std::make_shared<ParameterList>();
    Linear const layer(Scope(*list) / "layer", 16, 16);
    auto const weights = std::make_shared<Weights<Cpu>>(Cpu(1), list);
    initialize(*weights, 1, [](ParameterSpec const&) { return true; });
    Fit<Cpu> fit(Cpu(1), weights, {.adamw = {.lr = muon_learns ? 0.0 : 0.1, .weight_decay = 0.0}, .muon = Muon{.lr = muon_learns ? 0.1 : 0.0}});
    std::vector<float> const seen(64, 1.0F), wanted(64, 0.0F);
    auto const values = [&](char const* name) {
      ParameterId const id = list->find(name);
      return std::vector<float>(weights->data(id), weights->data(id) + (*list)[id].count);
    };
    auto const matrix = values("layer.weight"), vector = values("layer.bias");
    fit.step([&](auto& ctx, int) {
      FeatureShape const shape{1, 1, 4, 16};
      return ctx.apply(MeanSquaredErrorOp{}, {layer(ctx, ctx.input({seen.data(), shape})), ctx.input({wanted.data(), shape})})[0];
    });
    CHECK((values("layer.weight") != matrix) == muon_learns);
    CHECK((values("layer.bias") != vector) != muon_learns);
  }
}

}  // namespace
