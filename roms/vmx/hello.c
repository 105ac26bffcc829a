/* The smallest hypervisor: one guest, one VM exit. */
#include "vmx.h"

static uint8_t guest_stack[4096];

static void guest(void) {
  put("guest       ring 0 of VMX non-root operation; the way out is VMCALL\n");
  __asm__ volatile("vmcall" ::"a"(42));
}

void kmain(const struct multiboot_info *info) {
  struct registers registers = {0};
  (void)info;
  vmx_on();
  put("hypervisor  VMX operation, one VMCS, VMLAUNCH\n");
  vmx_guest(guest, guest_stack + sizeof guest_stack, 0, 0);
  uint32_t reason = vmx_run(&registers);
  put("hypervisor  exit reason ");
  put_decimal(reason);
  put(", RAX ");
  put_decimal((uint32_t)registers.rax);
  put("\n");
  leave(reason == EXIT_VMCALL && registers.rax == 42 ? 0 : 1);
}
