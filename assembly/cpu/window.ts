/**
 * Where a vCPU lives. Everything that belongs to one vCPU lies in one window of linear memory at an address that is a
 * build-time constant; further vCPUs run a copy of the module whose constants are relocated to their own window
 * (tools/build-wasm.ts compiles this file at several bases to find those constants). All bases are four-byte LEB128.
 */
export const WINDOW: usize = 0x200000;
export const WINDOW_SIZE: usize = 0xc00000;

/** Registers and every other piece of architectural state. */
export const STATE: usize = WINDOW;
/** Block pointers by linear instruction address. */
export const JUMP_CACHE: usize = WINDOW + 0x10000;
export const JUMP_CACHE_ENTRIES: u32 = 4096;
/** Heads of the chains of decoded blocks by host address. */
export const BLOCK_HASH: usize = WINDOW + 0x20000;
export const BLOCK_HASH_ENTRIES: u32 = 16384;
/** Heads of the chains of decoded blocks by frame. */
export const FRAME_HASH: usize = WINDOW + 0x30000;
export const FRAME_HASH_ENTRIES: u32 = 4096;
/** For each of those chains the 64-byte lines that hold code of any of its frames. */
export const FRAME_LINES: usize = WINDOW + 0x34000;
/** Eight banks of read, write and execute tables, and the lists of used entries. */
export const TLB: usize = WINDOW + 0x40000;
export const TLB_USED: usize = WINDOW + 0xa0000;
/** Cached translations of guest-physical addresses: see mmu/ept.ts. */
export const NESTED: usize = WINDOW + 0xc0000;
export const NESTED_ENTRIES: u32 = 512;
/** Static data of the module (`--memoryBase`). */
export const STATIC: usize = WINDOW + 0x180000;
/** Instruction records. */
export const ARENA: usize = WINDOW + 0x300000;
export const ARENA_END: usize = WINDOW + WINDOW_SIZE;

/** One byte for each 4 KiB frame, shared by all vCPUs: bit n says that vCPU n holds decoded code of the frame. */
export const CODE_FRAMES: usize = 0x100000;

/** Mailboxes of the vCPUs, 192 bytes each, in memory that all share: see apic/mailbox.ts. */
export const MAILBOXES: usize = 0x10000;
/** The I/O APIC's state: see apic/ioapic.ts. */
export const IOAPIC: usize = 0x11000;
