/* Addresses that the parts of the chain loader share. */
#ifndef CHAIN_H
#define CHAIN_H
/* The hypervisor's memory: the end of conventional memory, below the extended BIOS data area. */
#define BASE 0x88000
#define END 0x9f000
#define BASE_KIB 544
#define SEGMENT 0x8800
/* The one page of it that the guest may read: services that hide the rest. It is at the start. */
#define RESIDENT BASE
#define MAP_ENTRIES 32
#define MAP_ENTRY 20
#define BOOT_SECTOR 0x7c00
#endif
