# SPDX-License-Identifier: MIT
MAP_READING_SOURCES := $(addprefix mm/host/strata-map/,cursor.c names.c linux.c tables.c records.c codes.c remarks.c \
  read.c)
TEST_SOURCES_map_reading := $(MAP_READING_SOURCES)
