// SPDX-License-Identifier: MIT
// The empty loop in the comparison.
#include "loop.h"

#include "../rows.h"
