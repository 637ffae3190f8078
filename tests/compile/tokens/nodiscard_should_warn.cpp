// SPDX-License-Identifier: BSL-1.0
// A delivery that nobody takes: must warn.
#include "pre.hpp"

void use() { SEND; }
