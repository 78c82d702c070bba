// SPDX-License-Identifier: Apache-2.0
// `tadp verify MODEL` with a certificate that PyTorch made: right, of a changed weight, and absent.
#include "../runs/certificate_model.hpp"
#include "run_program.hpp"

namespace {

using namespace run_program;
namespace fs = std::filesystem;

bool skipped() {
  if (!program().empty()) return false;
  MESSAGE("skipped: this build made no program");
  return true;
}

/// A model, and its certificate beside it.
struct Place {
  scratch::Folder folder{};
  std::string model = (folder / "model.safetensors").string();
  Place() {
    certificate_model::write("classes", model);
    for (char const* const ending : {".json", ".safetensors"})
      fs::copy_file(certificate_model::folder() / (std::string("classes.certificate") + ending), folder / (std::string("model.certificate") + ending));
  }
  Outcome verify(std::string const& more = {}) const { return run(folder, "verify " + model + " --threads 1 " + more); }
};

constexpr char const* changed = "model.diffusion_model.input_blocks.1.0.out_layers.3.bias";

}  // namespace

TEST_CASE("a model is verified with the certificate beside it") {
  if (skipped()) return;
  Place const p;
  auto const outcome = p.verify("--json -");
  CAPTURE(outcome.err);
  CHECK(outcome.status == 0);
  CHECK(outcome.json()["ok"] == true);
  CHECK(outcome.json()["stages"].size() == 88);
  CHECK(p.verify().out.find("all within their bounds") != std::string::npos);
}

TEST_CASE("a certificate of other weights is refused, and on request compared") {
  if (skipped()) return;
  Place const p;
  certificate_model::change(p.model, changed, 3, 1.0F);
  auto const refused = p.verify();
  CHECK(refused.status == 3);
  CHECK(refused.says(changed));
  auto const compared = p.verify("--any-weights --json -");
  CHECK(compared.status == 1);
  CHECK(compared.says("unet.input_blocks.1.0"));
  CHECK(compared.json()["first_departure"]["entry"] == "unet.input_blocks.1.0");
}

TEST_CASE("a certificate that lies elsewhere is named, and one that is absent is told how to make") {
  if (skipped()) return;
  Place const p;
  fs::create_directory(p.folder / "other");
  for (char const* const ending : {".json", ".safetensors"}) fs::rename(p.folder / (std::string("model.certificate") + ending), p.folder / (std::string("other/c") + ending));
  auto const absent = p.verify();
  CHECK(absent.status == 3);
  CHECK(absent.says("make_certificate.py"));
  CHECK(p.verify("--quiet --certificate " + (p.folder / "other/c.json").string()).status == 0);
}
