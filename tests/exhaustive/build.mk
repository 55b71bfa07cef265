# SPDX-License-Identifier: MIT
# Every reachable state of a small buddy; the hosted library without its debug checks, for speed.
EXHAUSTIVE := $(BUILD)/host/tests/exhaustive/buddy
$(EXHAUSTIVE): $(EXHAUSTIVE).o $(BUILD)/host/libstrata-mm.a
	$(call say,LINK,$@)
	$(Q)$(CC_HOST) -o $@ $^

.PHONY: test-exhaustive
test-exhaustive: $(EXHAUSTIVE) ## every state of a 16-frame buddy over every pattern of holes (minutes)
	$(Q)$(EXHAUSTIVE) --frames 8
	$(Q)$(EXHAUSTIVE) --frames 16 --jobs $(JOBS)
