// SPDX-License-Identifier: Apache-2.0
// An error is thrown with a code of the library, never with a bare number.
// expect g++: no matching function for call to 'tadp::Error::Error(int, const char [9])'
// expect clang++: no matching constructor for initialization of 'tadp::Error'
#include "tadp/core/error.hpp"

#ifdef TADP_WRONG
[[noreturn]] void refuse() { throw tadp::Error(3, "too wide"); }
#else
[[noreturn]] void refuse() { throw tadp::Error(tadp::Errc::limit, "too wide"); }
#endif
