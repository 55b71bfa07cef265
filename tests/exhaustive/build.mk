# SPDX-License-Identifier: MIT
# Every reachable state of a small buddy, and every request for contiguous frames in a small space; the hosted library
# without its debug checks, for speed.
EXHAUSTIVE := $(BUILD)/host/tests/exhaustive/buddy $(BUILD)/host/tests/exhaustive/contig
$(EXHAUSTIVE): %: %.o $(BUILD)/host/libstrata-mm.a
	$(call say,LINK,$@)
	$(Q)$(CC_HOST) -o $@ $^

.PHONY: test-exhaustive
test-exhaustive: $(EXHAUSTIVE) ## every state of a 16-frame buddy, every contiguous request in 16 frames (minutes)
	$(Q)$(word 1,$(EXHAUSTIVE)) --frames 8
	$(Q)$(word 1,$(EXHAUSTIVE)) --frames 16 --jobs $(JOBS)
	$(Q)$(word 2,$(EXHAUSTIVE)) --jobs $(JOBS)
	$(Q)$(word 2,$(EXHAUSTIVE)) --border --jobs $(JOBS)
