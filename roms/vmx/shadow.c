/*
 * The same guest without EPT: the processor walks shadow page tables that the hypervisor writes. A page fault of the
 * guest exits; where the guest's own tables have the page, the shadow gets it. A load of CR3 begins with an empty shadow.
 */
#include "program.h"

enum { PRESENT = 1, WRITABLE = 2, USER = 4, LARGE = 0x80, ACCESSED = 0x20, DIRTY = 0x40, POOL = 32, PAGE_FAULT = 14, WRITE_FAULT = 2 };
#define FRAME 0x000ffffffffff000ull

static uint64_t tables[POOL][512] __attribute__((aligned(4096)));
static int used;
static uint64_t guest_cr3;

static void empty_shadow(void) {
  for (int n = 0; n < used; n++)
    for (int k = 0; k < 512; k++) tables[n][k] = 0;
  used = 1;
}
static uint64_t *below(uint64_t *entry) {
  if (!*entry) {
    if (used == POOL) leave(1);
    *entry = (word)tables[used++] | PRESENT | WRITABLE | USER;
  }
  return (uint64_t *)(*entry & FRAME);
}

/* Walks the guest's tables as the processor would; 0 where they do not map the address. */
static uint64_t guest_page(uint64_t address, int write) {
  uint64_t table = guest_cr3 & FRAME;
  for (int shift = 39;; shift -= 9) {
    uint64_t *entry = (uint64_t *)table + (address >> shift & 511);
    if (!(*entry & PRESENT) || (write && !(*entry & WRITABLE))) return 0;
    int leaf = shift == 12 || *entry & LARGE;
    *entry |= ACCESSED | (leaf && write ? DIRTY : 0);
    if (leaf) return (*entry & FRAME & ~((1ull << shift) - 1)) | (address & ((1ull << shift) - 1) & ~4095ull);
    table = *entry & FRAME;
  }
}

/* A page fault: the shadow misses something, or the guest does and gets the fault. */
static void page_fault(void) {
  uint64_t address = vmread(EXIT_QUALIFICATION), code = vmread(EXIT_ERROR_CODE);
  uint64_t page = guest_page(address, code & WRITE_FAULT);
  if (!page) {
    __asm__ volatile("mov %0, %%cr2" ::"r"(address));
    vmwrite(ENTRY_EVENT, vmread(EXIT_EVENT));
    vmwrite(ENTRY_ERROR_CODE, code);
    return;
  }
  uint64_t *table = tables[0];
  for (int shift = 39; shift > 12; shift -= 9) table = below(&table[address >> shift & 511]);
  /* Writable once it was written to, so that the guest's dirty bit is set in time. */
  table[address >> 12 & 511] = page | PRESENT | (code & WRITE_FAULT ? WRITABLE : 0);
}

/* MOV to or from CR3: the only control-register accesses that exit. */
static void cr_access(struct registers *registers) {
  uint64_t qualification = vmread(EXIT_QUALIFICATION);
  uint64_t *value = (uint64_t *)registers + (qualification >> 8 & 15);
  if (qualification & 0x10) *value = guest_cr3;
  else {
    guest_cr3 = *value;
    empty_shadow();
  }
  vmx_skip();
}

void kmain(const struct multiboot_info *info) {
  struct registers registers = {0};
  (void)info;
  vmx_on();
  vmx_guest(program, program_stack + sizeof program_stack, INVLPG_EXITING | CR3_LOAD_EXITING | CR3_STORE_EXITING, 0);
  vmwrite(EXCEPTION_BITMAP, 1 << PAGE_FAULT);
  guest_cr3 = vmread(GUEST_CR3);
  used = POOL;
  empty_shadow();
  vmwrite(GUEST_CR3, (word)tables[0]);
  put("vmx-shadow: the same guest under shadow page tables\n");
  for (;;) {
    uint32_t reason = vmx_run(&registers);
    count_exit(reason);
    if (reason == EXIT_EXCEPTION) page_fault();
    else if (reason == EXIT_CR_ACCESS) cr_access(&registers);
    else if (reason == EXIT_INVLPG) {
      empty_shadow();
      vmx_skip();
    } else serve(reason, &registers);
  }
}
