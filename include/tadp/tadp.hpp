// SPDX-License-Identifier: Apache-2.0
// Every header of the library at once, in the order of the data's way.
// For programs; a header of the library includes only what it uses.
#pragma once

#include "tadp/core/error.hpp"
#include "tadp/core/picture.hpp"
