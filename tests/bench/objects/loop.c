// SPDX-License-Identifier: MIT
#include "loop.h"
#include "shape.h"
