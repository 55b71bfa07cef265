# SPDX-License-Identifier: MIT
# What goes on the stick, and the image of it.
#   $(BUILD)/esp/        the tree of the EFI system partition, for QEMU or to copy by hand
#   $(BUILD)/strata.img  a whole disk: protective MBR, GPT, one FAT32 partition with that tree; made without root, and
#                        the same bytes every time
LOADER ?= $(BUILD)/efi/BOOTX64.EFI
ESP := $(BUILD)/esp
ESP_FILES := $(ESP)/EFI/BOOT/BOOTX64.EFI $(ESP)/strata.conf

$(ESP)/EFI/BOOT/BOOTX64.EFI: $(LOADER)
	@mkdir -p $(@D)
	$(Q)cp $< $@.new && mv $@.new $@

$(ESP)/strata.conf: esp/strata.conf
	@mkdir -p $(@D)
	$(Q)cp $< $@.new && mv $@.new $@

# 64 MiB, in sectors of 512 bytes; the partition begins at 1 MiB and ends 1 MiB before the end. Clusters of one sector,
# because FAT32 begins at 65,525 clusters.
IMAGE_SECTORS := 131072
PARTITION_FIRST := 2048
PARTITION_SECTORS := 126976
DISK_GUID := 6D5A1C52-2F2B-4B8E-9C7A-53C1D6A0E601
PARTITION_GUID := 0B7F3E9D-8A44-4E0C-B7C5-1F2A9D3E7702

$(BUILD)/blank.img: esp/build.mk
	@mkdir -p $(@D)
	$(call say,IMAGE,$@)
	$(Q)rm -f $@.new && truncate -s $$(($(IMAGE_SECTORS) * 512)) $@.new
	$(Q)sgdisk -o -U $(DISK_GUID) -n 1:$(PARTITION_FIRST):+$(PARTITION_SECTORS) -t 1:ef00 -c 1:Strata \
	  -u 1:$(PARTITION_GUID) $@.new >/dev/null
	$(Q)MTOOLS_SKIP_CHECK=1 SOURCE_DATE_EPOCH=1700000000 mformat -i $@.new@@1M -F -T $(PARTITION_SECTORS) -h 64 -s 32 \
	  -H $(PARTITION_FIRST) -c 1 -N 5712a7a0 -v STRATA ::
	$(Q)mv $@.new $@

$(BUILD)/strata.img: $(BUILD)/blank.img $(ESP_FILES)
	$(call say,IMAGE,$@)
	$(Q)cp $< $@.new
	$(Q)MTOOLS_SKIP_CHECK=1 SOURCE_DATE_EPOCH=1700000000 mcopy -s -Q -o -i $@.new@@1M $(ESP)/EFI $(ESP)/strata.conf ::/
	$(Q)mv $@.new $@

# Signed for Secure Boot: the loader with the kernel and the options inside, so that one signature covers all three.
.PHONY: sign
sign: $(LOADER) $(BUILD)/blank.img ## sign loader, kernel and options: KEY=key.pem CERT=cert.pem (OPTIONS=file)
	$(Q)CLANG='$(CLANG)' LD_PE='$(LD_PE)' esp/sign $(BUILD) '$(KEY)' '$(CERT)' '$(or $(OPTIONS),esp/strata.conf)' \
	  $(BUILD)/signed

.PHONY: image flash
image: $(BUILD)/strata.img ## make build/strata.img, to write on a stick (no root needed)
flash: $(BUILD)/strata.img ## write it to a stick: USB=/dev/sdX; shows the device, asks, verifies (FORCE=1: no question)
	$(Q)esp/flash $(if $(FORCE),--force) $< $(USB)

all: $(ESP_FILES)
