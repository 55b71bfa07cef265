# SPDX-License-Identifier: MIT
FUZZ_SOURCES_memmap := tests/support/oracle.c
FUZZ_SOURCES_maptool := $(addprefix mm/host/strata-map/,cursor.c names.c linux.c tables.c records.c read.c)
