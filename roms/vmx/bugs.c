/* A hypervisor with three mistakes, each found behind the one before: docs/debugging-a-hypervisor.md finds them. */
#include "vmx.h"

enum { TR = 0x30, NOWHERE = 1 << 30 };

int vmx_enter(struct registers *registers, int launched);

static uint8_t guest_stack[4096];

/* Mistake 3: nothing is mapped there, and the guest has no table of interrupt handlers either. */
static void guest(void) { *(volatile uint64_t *)((word)NOWHERE << 9) = 42; }

static void launch(const char *attempt) {
  struct registers registers = {0};
  int failed = vmx_enter(&registers, 0);
  put(attempt);
  put(failed ? "VMLAUNCH fails, VM-instruction error " : "VM exit, basic reason ");
  put_decimal((uint32_t)vmread(failed ? INSTRUCTION_ERROR : EXIT_REASON) & 0xffff);
  put("\n");
}

void kmain(const struct multiboot_info *info) {
  (void)info;
  vmx_on();
  vmx_guest(guest, guest_stack + sizeof guest_stack, 0, 0);
  vmwrite(HOST_TR_SELECTOR, 0); /* Mistake 1 */
  vmwrite(GUEST_RFLAGS, 0);     /* Mistake 2 */
  launch("1st attempt  ");
  vmwrite(HOST_TR_SELECTOR, TR);
  launch("2nd attempt  ");
  vmwrite(GUEST_RFLAGS, 2);
  launch("3rd attempt  ");
  leave(0);
}
