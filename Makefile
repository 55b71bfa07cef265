# SPDX-License-Identifier: MIT
# Strata: a small x86_64 kernel that does memory. `make help` lists what can be typed here.
#
# Each folder has its rules in its own build.mk; everything that is made goes under $(BUILD).
#
# `make deps run` and `make -j2 deps test` work in one go: what is missing is installed here, while make still reads,
# so that nothing below looks for a tool that is not there yet.
ifneq ($(filter deps,$(MAKECMDGOALS)),)
ifneq ($(shell .ci/deps $(filter-out deps,$(MAKECMDGOALS)) 1>&2 || echo failed),)
$(error cannot go on without the packages above)
endif
endif

BUILD ?= build
CLANG ?= clang
CC_HOST ?= $(CLANG)
LD_ELF ?= ld.lld
LD_PE ?= lld-link
CLANG_FORMAT ?= clang-format
CLANG_TIDY ?= clang-tidy
# Debian's python3: the tests use Debian's Python packages.
PYTHON ?= /usr/bin/python3

WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wmissing-prototypes -Wundef -Wstrict-prototypes -Wvla -Werror
COMMON := -std=c17 $(WARNINGS) -g -MMD -MP -Iinclude

# `make V=1` shows the commands.
Q := $(if $(V),,@)
say = @$(if $(V),:,printf '  %-8s %s\n' '$(1)' '$(2)')
# What a command prints becomes $@ in one step: a make that is killed leaves no half file that looks finished.
into = >$@.$$$$ && mv $@.$$$$ $@

# $(call note,FILE,TEXT): FILE holds TEXT and is written when TEXT changes, so that what depends on it is made again
# then: objects after a change of flags, links after a file has gone.
define note
$(1): always
	@mkdir -p $$(@D)
	@echo '$(subst $(BUILD)/,,$(strip $(2)))' | cmp -s - $$@ || { echo '$(subst $(BUILD)/,,$(strip $(2)))' $$(into); }
endef

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

include mm/build.mk kernel/build.mk efi/build.mk esp/build.mk ovmf/build.mk tests/build.mk docs/build.mk

.PHONY: all help deps clean always
all: ## build the loader, the kernel, the ESP tree and the hosted tools under build/

deps: ## install the Debian packages that all this needs (.ci/packages)
	@:

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | \
	  awk -F'\t' '{ printf "  make %-16s %s\n", $$1, $$2 }'

clean: ## remove build/
	$(Q)rm -rf $(BUILD)
# `make -j8 clean all`: one after the other.
ifneq ($(and $(filter clean,$(MAKECMDGOALS)),$(filter-out clean,$(MAKECMDGOALS))),)
.NOTPARALLEL:
endif

$(BUILD)/%/:
	$(Q)mkdir -p $@

# What each object was made from, as the compiler saw it.
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
