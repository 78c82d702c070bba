// SPDX-License-Identifier: Apache-2.0
// One training run over some weights: tape, gradients, optimizer and schedule, and a state that resumes to the same numbers.
// What is learned is the caller's: a function from the context to a loss.
#pragma once

#include "tadp/exec/session_device.hpp"
#include "tadp/exec/training.hpp"
#include "tadp/io/safetensors.hpp"
#include "tadp/io/safetensors_write.hpp"
#include "tadp/train/loss_scale.hpp"
#include "tadp/train/muon.hpp"
#include "tadp/train/optimizer.hpp"
#include "tadp/train/schedule.hpp"

#include <optional>

namespace tadp {

struct FitOptions {
  AdamW adamw{};
  std::optional<Muon> muon{};  ///< steps the hidden matrices in place of AdamW, under the same schedule and groups
  std::function<double(std::uint64_t)> schedule = ConstantSchedule{};
  std::function<GroupFactors(std::string_view)> groups = UniformGroups{};
  std::function<bool(ParameterSpec const&)> learns = [](ParameterSpec const&) { return true; };
  double clip = 0.0;  ///< largest norm of all gradients; 0: no clipping
  TapeOptions tape{};
  LossScale loss_scale{};  ///< where to start; used where the device computes in half
};

/// What a checkpoint calls the optimizer of the hidden matrices.
inline char const* optimizer_name(std::optional<Muon> const& muon) { return muon ? "muon" : "adamw"; }

/// Weights, their gradients and the optimizer are float and lie on the device's home, whatever its element is.
template <class Device, class Statistics = BatchStatistics>
class Fit {
 public:
  using Context = TapeContext<Device, Statistics>;
  using Value = typename Context::Value;
  using Home = home_of<Device>;
  static constexpr bool scales_loss = std::is_same_v<element_of<Device>, Half>;

  Fit(Device device, std::shared_ptr<Weights<Home>> weights, FitOptions options)
      : weights_(std::move(weights)), options_(std::move(options)), gradients_(device, weights_->list(), options_.learns),
        optimizer_(device, options_.adamw, weights_->list(), gradients_, options_.groups,
                   [muon = options_.muon.has_value()](ParameterSpec const& p) { return !muon || !is_hidden_matrix(p); }),
        context_(device, *weights_, gradients_.pointers(), options_.tape) {
    if (options_.muon) muon_.emplace(device, *options_.muon, weights_->list(), gradients_, options_.groups);
  }

  /// One step on the mean of `parts` losses, loss(context, part) being a value of one number: a batch that is too large
  /// for one tape comes in parts. Returns the loss before the step. In half a step whose gradients are not finite is left
  /// out: it counts, and changes nothing but the scale of the loss.
  template <class Loss>
  float step(Loss const& loss, int parts = 1) {
    gradients_.zero();
    float total = 0.0F;
    for (int part = 0; part < parts; ++part) {
      context_.begin_step(steps() * static_cast<std::uint64_t>(parts) + static_cast<std::uint64_t>(part));
      Value const value = loss(context_, part);
      float number = 0.0F;
      context_.device().copy_to_host(&number, value.slot->float_data().data, sizeof number);
      total += number / static_cast<float>(parts);
      context_.backward(value, loss_factor() / static_cast<float>(parts));
    }
    if (!std::isfinite(total)) throw Error(Errc::argument, "the loss is not a number: lower the learning rate", {.found = "step " + std::to_string(steps())});
    if (scales_loss && !unscale()) return total;
    if (options_.clip > 0.0) optimizer_.clip(options_.clip);
    double const factor = options_.schedule(steps());
    if (muon_) (*muon_)(*weights_, optimizer_.first_moment().data(), factor);
    optimizer_.step(*weights_, factor);
    context_.refresh_weights();
    finish(context_.device());  // whoever reads the weights now reads the new ones
    return total;
  }

  /// Those that were left out are counted, too; the optimizer counts its own.
  std::uint64_t steps() const { return optimizer_.steps() + options_.loss_scale.left_out; }
  double learning_rate() const { return options_.adamw.lr * options_.schedule(steps()); }
  LossScale const& loss_scale() const { return options_.loss_scale; }
  Weights<Home>& weights() { return *weights_; }
  GradientBuffer<Home>& gradients() { return gradients_; }
  AdamWOptimizer<Home>& optimizer() { return optimizer_; }
  Context& context() { return context_; }

  /// Weights, moments and step in one file, whole or not at all; `notes` are kept with them.
  void save(std::filesystem::path const& path, std::map<std::string, std::string> notes) const {
    auto* const self = const_cast<Fit*>(this);  // the tensors are only read
    notes["steps"] = std::to_string(optimizer_.steps());
    if (scales_loss) options_.loss_scale.save(notes);
    std::vector<OnHost<float, Device>> numbers;
    std::vector<TensorToWrite> const tensors = self->state([&](std::string name, index_t count, float* data) {
      numbers.emplace_back(self->context_.device(), data, count);
      return TensorToWrite{.name = std::move(name), .dtype = Dtype::F32, .shape = {static_cast<std::uint64_t>(count)}, .values = numbers.back().read()};
    });
    write_safetensors(path, tensors, notes);
  }
  /// Reads what `save` wrote; the same model and the same choice of what learns, else Error. Returns the notes.
  std::map<std::string, std::string> resume(std::filesystem::path const& path) {
    SafetensorsFile const file(path);
    state([&](std::string const& name, index_t count, float* data) {
      TensorEntry const* const entry = file.find(name);
      std::string const expected = std::to_string(count) + " numbers";
      if (entry == nullptr) throw Error(Errc::key, "this checkpoint is of another training run", {.file = path.string(), .key = name, .expected = expected, .found = "nothing"});
      if (entry->shape.size() != 1 || entry->shape[0] != static_cast<std::uint64_t>(count))
        throw Error(Errc::shape, "this checkpoint is of another training run", {.file = path.string(), .key = name, .expected = expected, .found = std::to_string(entry->size_bytes() / sizeof(float)) + " numbers"});
      OnHost<float, Device> numbers(context_.device(), data, count);
      file.read_f32(*entry, numbers.write());
      numbers.send();
      return 0;
    });
    auto notes = file.metadata();
    auto const steps = notes.find("steps");
    if (steps == notes.end()) throw Error(Errc::format, "this is not a training checkpoint: it does not say its step", {.file = path.string()});
    optimizer_.set_steps(std::stoull(steps->second));
    if (scales_loss) options_.loss_scale.load(notes);
    context_.refresh_weights();
    return {notes.begin(), notes.end()};
  }

 private:
  template <class Use>
  auto state(Use const& use) {
    std::vector<decltype(use(std::string{}, index_t{}, static_cast<float*>(nullptr)))> all;
    all.push_back(use("weights", weights_->list().floats(), weights_->flat()));
    all.push_back(use("first_moment", gradients_.floats(), optimizer_.first_moment().data()));
    all.push_back(use("second_moment", gradients_.floats(), optimizer_.second_moment().data()));
    return all;
  }

  float loss_factor() const { return scales_loss ? options_.loss_scale.factor() : 1.0F; }
  /// Takes the factor of the loss out of the gradients; false where they are not finite.
  bool unscale() {
    Home& device = context_.device();
    float const factor = loss_factor();
    bool const finite = std::isfinite(squared_norm(device, gradients_.floats(), gradients_.flat()));
    if (finite) scale_span(device, gradients_.floats(), 1.0F / factor, gradients_.flat());
    return options_.loss_scale.take(finite);
  }

  std::shared_ptr<Weights<Home>> weights_;
  FitOptions options_;
  GradientBuffer<Home> gradients_;
  AdamWOptimizer<Home> optimizer_;
  std::optional<MuonStep<Home>> muon_;
  Context context_;
};

}  // namespace tadp
