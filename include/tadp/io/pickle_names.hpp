// SPDX-License-Identifier: Apache-2.0
// Names that a pickle may not mention: Python would run a program with them, and no model needs them.
// Nothing of a pickle is ever run here; its owner should know all the same what Python would have done.
#pragma once

#include "tadp/core/error.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace tadp::detail {

/// Modules of which nothing belongs into a model; their submodules are meant too.
inline constexpr std::array<std::string_view, 38> refused_modules = {
    "os",        "posix",   "nt",       "posixpath", "subprocess", "sys",      "shutil",     "socket",
    "runpy",     "pty",     "imp",      "importlib", "ctypes",     "_ctypes",  "webbrowser", "code",
    "pdb",       "bdb",     "cProfile", "profile",   "timeit",     "trace",    "pip",        "marshal",
    "http",      "urllib",  "ftplib",   "smtplib",   "telnetlib",  "requests", "aiohttp",    "commands",
    "torch.hub", "asyncio", "platform", "signal",    "pickle",     "numpy.testing"};

/// Functions of modules that a model may name otherwise; "module name".
inline constexpr std::array<std::string_view, 20> refused_functions = {
    "builtins eval",      "builtins exec",        "builtins __import__",    "builtins compile",  "builtins open",
    "builtins input",     "builtins breakpoint",  "__builtin__ eval",       "__builtin__ exec",  "__builtin__ __import__",
    "__builtin__ compile", "__builtin__ open",    "__builtin__ file",       "__builtin__ execfile", "__builtin__ input",
    "__builtin__ apply",  "torch load",           "torch.serialization load", "torch.jit load",  "numpy load"};

/// Throws Error(unsupported) where this name of a module means running a program.
inline void require_harmless(std::string_view module, std::string_view name, std::string const& file,
                             std::uint64_t offset) {
  auto const within = [&](std::string_view refused) {
    return module.starts_with(refused) && (module.size() == refused.size() || module[refused.size()] == '.');
  };
  auto const both = std::string(module) + " " + std::string(name);
  if (std::none_of(refused_modules.begin(), refused_modules.end(), within) &&
      std::find(refused_functions.begin(), refused_functions.end(), both) == refused_functions.end())
    return;
  throw Error(Errc::unsupported,
              "the pickle names a function that runs programs when Python loads it; nothing was run, and the file "
              "should not be trusted",
              {.file = file,
               .expected = "tensors, numbers and text",
               .found = std::string(module) + "." + std::string(name),
               .offset = offset});
}

}  // namespace tadp::detail
