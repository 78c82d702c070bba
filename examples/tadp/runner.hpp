// SPDX-License-Identifier: Apache-2.0
// A model at work whose type is known only when its file has been read: one interface over the stacks of this program.
#pragma once

#include "tadp/model_file.hpp"
#include "tadp/vocabulary_option.hpp"

#include "tadp/exec/control.hpp"
#include "tadp/heads/depth_result.hpp"
#include "tadp/heads/detection_result.hpp"
#include "tadp/heads/segmentation_result.hpp"
#include "tadp/text/tokens.hpp"

#include <memory>

namespace program {

struct RunnerOptions {
  std::array<int, 2> window{0, 0};  ///< height, width; 0: the model's
  int stride = -1;                  ///< below 0: the model's
  std::optional<std::array<int, 2>> fit{};  ///< long and short side; nothing: the model's
  int batch = 1;
  int threads = 1;
  std::string device = "cpu";  ///< one that require_device let through
  VocabularyOptions words{};
};

/// A position of the context that has a name: a word, a token id, a class.
struct NamedPosition {
  int position = 0;
  std::string name{};
};

/// What a model's heads answer to one pass of its backbone; nothing for a head that it does not have.
struct Perception {
  std::optional<tadp::SegmentationResult> labels{};
  std::optional<tadp::DepthMap> depth{};
  std::optional<tadp::DetectionResult> boxes{};
  tadp::AttentionMaps maps{};  ///< one a wanted group
};

class Runner {
 public:
  Runner() = default;
  Runner(Runner const&) = delete;
  Runner& operator=(Runner const&) = delete;
  virtual ~Runner() = default;

  /// Encodes the prompt and says what its tokens are.
  virtual tadp::Tokens const& encode(tadp::Prompt const& prompt, tadp::Control const& control) = 0;
  /// The positions that have a map of their own, for the prompt encoded last.
  virtual std::vector<NamedPosition> positions() const = 0;
  // One head each; Error(unsupported) where the model has none such (require_head says it before the weights are read).
  virtual tadp::SegmentationResult segment(tadp::PictureView picture, tadp::Prompt const& prompt, tadp::Wanted const& wanted, tadp::Control const& control) = 0;
  virtual tadp::DepthMap depth(tadp::PictureView picture, tadp::Prompt const& prompt, tadp::Control const& control) = 0;
  virtual tadp::DetectionResult detect(tadp::PictureView picture, tadp::Prompt const& prompt, tadp::Control const& control) = 0;
  /// All heads that there are.
  virtual Perception perceive(tadp::PictureView picture, tadp::Prompt const& prompt, tadp::Wanted const& wanted, tadp::Control const& control) = 0;
  /// Writes pyramid, maps and what leads to them for a whole picture whose sides the network takes; Error(shape) otherwise.
  virtual void write_features(fs::path const& path, tadp::PictureView picture, tadp::Control const& control) = 0;
  virtual std::array<int, 2> window() const = 0;
  virtual std::vector<int> stride() const = 0;  ///< down and to the right, in pixels; empty where it follows from the picture
  /// In the order of their ids.
  virtual std::span<tadp::TokenEmbedding const> learned() const = 0;
};

/// The head of a task, "segmentation" (of either form), "depth" or "detection"; Error(unsupported) that says which ones
/// the model has.
tadp::HeadDescription require_head(ModelFile const& file, std::string const& task);

/// Reads the weights and plans the passes; Error(shape) where no stack of this program is the file's, Error(key) with the
/// table of names that do not fit.
std::unique_ptr<Runner> make_runner(ModelFile const& file, RunnerOptions const& options);

/// A prompt from words or ids; without either, the model's default caption where it takes one.
tadp::Prompt prompt_of(tadp::ModelDescription const& description, bool has_caption, std::string const& caption, std::string const& modifier, std::string const& ids);
/// Names on stderr what the model did not read; `file`: the picture or data set.
void warn_of_words(std::vector<std::string> const& unknown, bool truncated, std::string const& file);
/// Whether captions mean something to the model.
bool takes_captions(tadp::ModelDescription const& description);

// One a stack and kind of heads; null where the prompt's parts are none that the stack was built for.
std::unique_ptr<Runner> make_street_runner(ModelFile const& file, RunnerOptions const& options);
std::unique_ptr<Runner> make_street_heads_runner(ModelFile const& file, RunnerOptions const& options);
std::unique_ptr<Runner> make_tiny_runner(ModelFile const& file, RunnerOptions const& options);
std::unique_ptr<Runner> make_sd15_runner(ModelFile const& file, RunnerOptions const& options);
std::unique_ptr<Runner> make_sd15_depth_runner(ModelFile const& file, RunnerOptions const& options);
std::unique_ptr<Runner> make_sd15_voc_runner(ModelFile const& file, RunnerOptions const& options);

}  // namespace program
