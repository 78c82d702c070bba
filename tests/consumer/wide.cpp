// SPDX-License-Identifier: Apache-2.0
#include "work.hpp"

consumer::Answer consumer::wide(tadp::ThreadPool& pool) { return work(pool); }
