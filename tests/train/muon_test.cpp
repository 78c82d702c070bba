// SPDX-License-Identifier: Apache-2.0
// Muon against torch.optim.Muon (muon.json, made by make_muon_fixture.py), and what of a model it steps.
#include "tadp/train/muon.hpp"
#include "tadp/kernels/cpu.hpp"
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

/// One matrix that learns; its gradients are what a test says.
struct OneMatrix {
  std::shared_ptr<ParameterList> list = std::make_shared<ParameterList>();
  ParameterId id;
  Cpu device;
  std::shared_ptr<Weights<Cpu>> weights;
  GradientBuffer<Cpu> gradients;

  OneMatrix(index_t rows, index_t columns, int threads)
      : id(list->add("layer.weight", {rows, columns}, Init::zero, true)), device(threads), weights(std::make_shared<Weights<Cpu>>(device, list)),
        gradients(device, *list, [](ParameterSpec const&) { return true; }) {}
};

void copy_to(nlohmann::json const& numbers, float* to) {
  for (auto const& number : numbers) *to++ = number.get<float>();
}

TEST_CASE("Muon steps as torch.optim.Muon does, wide and tall, the same for every count of threads") {
  auto const torch = torch_steps();
  Muon const numbers{.lr = torch["lr"], .weight_decay = torch["weight_decay"], .momentum = torch["momentum"]};
  for (auto const& c : torch["cases"])
    for (int threads : {1, 2}) {
      OneMatrix m(c["rows"], c["columns"], threads);
      std::vector<float> momentum(static_cast<std::size_t>(m.gradients.floats()), 0.0F);
      MuonStep<Cpu> muon(m.device, numbers, *m.list, m.gradients, UniformGroups{});
      copy_to(c["weight"], m.weights->data(m.id));
      for (auto const& step : c["steps"]) {
        copy_to(step["gradient"], m.gradients.pointers()[0]);
        muon(*m.weights, momentum.data(), 1.0);
        double worst = 0.0;
        float const* at = m.weights->data(m.id);
        for (auto const& expected : step["weight"]) worst = std::max(worst, std::abs(expected.get<double>() - static_cast<double>(*at++)));
        CAPTURE(c["rows"].get<int>());
        CHECK(worst < 2e-6);
      }
    }
}

TEST_CASE("Muon takes matrices; vectors, embeddings and classifiers of few classes are left to AdamW") {
  CHECK(is_hidden_matrix({.name = "block.conv.weight", .shape = {32, 16, 3, 3}, .count = 32 * 144}));
  CHECK_FALSE(is_hidden_matrix({.name = "block.conv.bias", .shape = {32}, .count = 32}));
  CHECK_FALSE(is_hidden_matrix({.name = "text.token_embedding.weight", .shape = {512, 64}, .count = 512 * 64}));
  CHECK_FALSE(is_hidden_matrix({.name = "head.conv_seg.weight", .shape = {11, 64, 1, 1}, .count = 11 * 64}));
}

TEST_CASE("a parameter is stepped by Muon or by AdamW, never by both") {
  auto const list = std::make_shared<ParameterList>();
  ParameterId const matrix = list->add("layer.weight", {16, 16}, Init::zero, true), vector = list->add("layer.bias", {16}, Init::zero, true);
  auto const weights = std::make_shared<Weights<Cpu>>(Cpu(1), list);
  initialize(*weights, 1, [](ParameterSpec const&) { return true; });
  GradientBuffer<Cpu> gradients(Cpu(1), *list, [](ParameterSpec const&) { return true; });
  AdamWOptimizer<Cpu> adamw(Cpu(1), {.lr = 0.1, .weight_decay = 0.0}, *list, gradients, UniformGroups{}, [](ParameterSpec const& p) { return !is_hidden_matrix(p); });
  for (ParameterId id : {matrix, vector}) gradients.pointers()[static_cast<std::size_t>(id.index)][3] = 1.0F;
  float const before = weights->data(matrix)[3], bias = weights->data(vector)[3];
  adamw.step(*weights, 1.0);
  CHECK(weights->data(matrix)[3] == before);
  CHECK(weights->data(vector)[3] == doctest::Approx(bias - 0.1F));
  MuonStep<Cpu> muon(Cpu(1), {.lr = 0.1, .weight_decay = 0.0}, *list, gradients, UniformGroups{});
  float const stepped = weights->data(vector)[3];
  muon(*weights, adamw.first_moment().data(), 1.0);
  CHECK(weights->data(matrix)[3] < before);
  CHECK(weights->data(vector)[3] == stepped);
}

}  // namespace
