/* A guest under extended page tables: they begin empty, and every violation maps the page that it is about. */
#include "program.h"

enum { READ_WRITE_EXECUTE = 7, WRITE_BACK = 6 << 3, WALK_4 = 3 << 3, POOL = 16 };

static uint64_t tables[POOL][512] __attribute__((aligned(4096)));
static int used = 1;

/* The table that `entry` leads to, made where there is none. */
static uint64_t *below(uint64_t *entry) {
  if (!*entry) {
    if (used == POOL) leave(1);
    *entry = (word)tables[used++] | READ_WRITE_EXECUTE;
  }
  return (uint64_t *)(*entry & ~4095ull);
}

/* Guest-physical addresses are the machine's own here. */
static void map(uint64_t address) {
  uint64_t *table = tables[0];
  for (int shift = 39; shift > 12; shift -= 9) table = below(&table[address >> shift & 511]);
  table[address >> 12 & 511] = (address & ~4095ull) | WRITE_BACK | READ_WRITE_EXECUTE;
}

void kmain(const struct multiboot_info *info) {
  struct registers registers = {0};
  (void)info;
  vmx_on();
  vmx_guest(program, program_stack + sizeof program_stack, 0, ENABLE_EPT | ENABLE_VPID);
  vmwrite(EPT_POINTER, (word)tables[0] | WALK_4 | 6);
  put("vmx-ept: a guest under extended page tables, filled on demand\n");
  for (;;) {
    uint32_t reason = vmx_run(&registers);
    count_exit(reason);
    if (reason == EXIT_EPT_VIOLATION) map(vmread(GUEST_PHYSICAL_ADDRESS));
    else serve(reason, &registers);
  }
}
