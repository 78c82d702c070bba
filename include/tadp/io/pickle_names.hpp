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
inline constexpr std::array<std::string_view, 33> refused_modules = {
    "os",          "posix",       "nt",       "posixpath", "subprocess", "sys",       "shutil",   "socket",
    "runpy",       "pty",         "imp",      "importlib", "ctypes",     "_ctypes",   "webbrowser", "pdb",
    "bdb",         "cProfile",    "timeit",   "pip",       "marshal",    "urllib",    "ftplib",   "smtplib",
    "telnetlib",   "requests",    "aiohttp",  "torch.hub", "asyncio",    "pickle",    "numpy.testing",
    "http.client", "http.server"};

/// Records of plain numbers in these modules, which people keep beside their weights.
inline constexpr std::array<std::string_view, 5> harmless_classes = {"os.stat_result", "os.statvfs_result", "os.terminal_size",
                                                                     "posix.times_result", "posix.uname_result"};

/// Functions of modules that a model may name otherwise, such as a package of its owner's that is called `code`.
inline constexpr std::array<std::string_view, 33> refused_functions = {
    "builtins.eval",       "builtins.exec",        "builtins.__import__",     "builtins.compile",     "builtins.open",
    "builtins.input",      "builtins.breakpoint",  "__builtin__.eval",        "__builtin__.exec",     "__builtin__.__import__",
    "__builtin__.compile", "__builtin__.open",     "__builtin__.file",        "__builtin__.execfile", "__builtin__.input",
    "__builtin__.apply",   "torch.load",           "torch.serialization.load", "torch.jit.load",      "numpy.load",
    "code.interact",       "code.InteractiveInterpreter", "code.InteractiveConsole", "profile.run",   "profile.runctx",
    "profile.Profile.run", "trace.Trace.run",      "trace.Trace.runctx",      "trace.Trace.runfunc",  "commands.getoutput",
    "commands.getstatusoutput", "commands.getstatus", "platform.popen"};

/// Whether `path`, such as os.path.join, is or lies in something of the lists.
inline bool is_refused(std::string_view path) {
  auto const within = [&](std::string_view module) { return path.size() > module.size() && path.starts_with(module) && path[module.size()] == '.'; };
  if (std::find(harmless_classes.begin(), harmless_classes.end(), path) != harmless_classes.end()) return false;
  return std::any_of(refused_modules.begin(), refused_modules.end(), within) ||
         std::any_of(refused_functions.begin(), refused_functions.end(), [&](std::string_view function) { return path == function || within(function); });
}

/// Throws Error(unsupported) where this name of a module means running a program. A dotted name leads through what the
/// module itself has imported: torch.serialization's `os.system` is that of os.
inline void require_harmless(std::string_view module, std::string_view name, std::string const& file,
                             std::uint64_t offset) {
  bool refused = is_refused(std::string(module) + "." + std::string(name));
  for (auto rest = name; !refused && rest.find('.') != std::string_view::npos; rest.remove_prefix(rest.find('.') + 1)) refused = is_refused(rest);
  if (!refused) return;
  throw Error(Errc::unsupported,
              "the pickle names a function that runs programs when Python loads it; nothing was run, and the file "
              "should not be trusted",
              {.file = file,
               .expected = "tensors, numbers and text",
               .found = std::string(module) + "." + std::string(name),
               .offset = offset});
}

}  // namespace tadp::detail
