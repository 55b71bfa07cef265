# SPDX-License-Identifier: MIT
FUZZ_SOURCES_memmap := tests/support/oracle.c
FUZZ_SOURCES_dump := $(addprefix mm/host/strata-map/,cursor.c json.c dump.c html.c)
$(BUILD)/fuzz/fuzz_dump: $(MAP_PAGE)/parts.o
FUZZ_SOURCES_maptool := $(addprefix mm/host/strata-map/,cursor.c names.c linux.c tables.c records.c codes.c remarks.c \
  read.c)
