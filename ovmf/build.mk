# SPDX-License-Identifier: MIT
# Booting under QEMU. What can be set is in ovmf/README.md; the scripts read it from the environment.
export MEM CPUS ARGS FIRMWARE MACHINE ACCEL CPU DISK NUMA SCREEN QEMU_ARGS TIMEOUT OVMF V

.PHONY: run dump debug
run: all $(BUILD)/strata.img ## boot it under QEMU, serial on this terminal (MEM= CPUS= ARGS= FIRMWARE= SCREEN=1)
	$(Q)$(PYTHON) ovmf/run.py $(BUILD)

dump: all $(BUILD)/strata.img ## boot, check, write build/dump.txt and .jsonl, power off; status tells (MEM= …)
	$(Q)$(PYTHON) ovmf/dump.py $(BUILD)

debug: all $(BUILD)/strata.img ## boot it stopped, waiting for gdb
	$(Q)$(PYTHON) ovmf/run.py $(BUILD) --debug
