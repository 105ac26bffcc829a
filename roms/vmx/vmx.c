/* Entering VMX operation and filling a VMCS (SDM Vol. 3C, "Introduction to Virtual Machine Extensions"). */
#include "vmx.h"

enum { MSR_FEATURE_CONTROL = 0x3a, MSR_BASIC = 0x480, MSR_SECONDARY = 0x48b, MSR_TRUE_PIN = 0x48d, MSR_TRUE_PRIMARY, MSR_TRUE_EXIT, MSR_TRUE_ENTRY };
enum { MSR_EFER = 0xc0000080u, CR4_VMXE = 0x2000, CPUID_VMX = 0x20, CODE = 0x08, DATA = 0x10, TSS = 0x30 };
enum { HOST_64 = 0x200, LOAD_EFER_ON_EXIT = 0x200000, IA32E_GUEST = 0x200, LOAD_EFER_ON_ENTRY = 0x8000 };
enum { RIGHTS_CODE64 = 0xa09b, RIGHTS_DATA = 0xc093, RIGHTS_TSS = 0x8b, UNUSABLE = 0x10000 };

extern uint64_t gdt[8], pml4[];
int vmx_enter(struct registers *registers, int launched);
int vmx_loop(struct registers *registers, int (*handler)(struct registers *), int launched);
void vmx_exited(void);

static uint8_t vmxon_region[4096] __attribute__((aligned(4096)));
static uint8_t vmcs_region[4096] __attribute__((aligned(4096)));
static uint8_t tss[104] __attribute__((aligned(16)));
static int launched;

uint64_t rdmsr(uint32_t index) {
  uint32_t low, high;
  __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
  return (uint64_t)high << 32 | low;
}
static void wrmsr(uint32_t index, uint64_t value) {
  __asm__ volatile("wrmsr" ::"c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}
static void fail(const char *what) {
  put(what);
  put("\n");
  leave(1);
}

/* A busy 64-bit TSS: VM exits load TR, and its selector must not be 0. */
static void load_tss(void) {
  word base = (word)tss;
  gdt[TSS / 8] = 0x0000890000000067 | (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56;
  gdt[TSS / 8 + 1] = base >> 32;
  __asm__ volatile("ltr %w0" ::"r"(TSS));
}

static int operand_fails(const char *what, uint8_t *region) {
  uint64_t address = (word)region;
  uint8_t failed;
  *(uint32_t *)region = (uint32_t)rdmsr(MSR_BASIC);
  switch (*what) {
    case 'o': __asm__ volatile("vmxon %1; setna %0" : "=q"(failed) : "m"(address) : "cc", "memory"); break;
    case 'c': __asm__ volatile("vmclear %1; setna %0" : "=q"(failed) : "m"(address) : "cc", "memory"); break;
    default: __asm__ volatile("vmptrld %1; setna %0" : "=q"(failed) : "m"(address) : "cc", "memory");
  }
  return failed;
}

void vmx_on(void) {
  if (!(cpuid(1).c & CPUID_VMX)) fail("this processor has no VMX");
  if (!(rdmsr(MSR_FEATURE_CONTROL) & 1)) wrmsr(MSR_FEATURE_CONTROL, 5);
  word cr0, cr4;
  __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
  __asm__ volatile("mov %0, %%cr0" ::"r"(cr0 | 0x20));
  __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
  __asm__ volatile("mov %0, %%cr4" ::"r"(cr4 | CR4_VMXE));
  load_tss();
  if (operand_fails("on", vmxon_region)) fail("VMXON failed");
  if (operand_fails("clear", vmcs_region) || operand_fails("load", vmcs_region)) fail("the VMCS was not taken");
}

/* Controls as needed and as wished, within what the capability MSR allows to be 0 and 1. */
static void control(enum field field, uint32_t msr, uint32_t needed, uint32_t wished) {
  uint64_t allowed = rdmsr(msr);
  vmwrite(field, (needed | wished | (uint32_t)allowed) & (uint32_t)(allowed >> 32));
  if (needed & ~(uint32_t)(allowed >> 32)) fail("a control that is needed cannot be had");
}

void vmx_guest(void (*entry)(void), uint8_t *stack_top, uint32_t primary, uint32_t secondary) {
  static uint64_t idtr[2];
  word cr0, cr4;
  __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
  __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
  control(PIN_CONTROLS, MSR_TRUE_PIN, 0, 0);
  control(PRIMARY_CONTROLS, MSR_TRUE_PRIMARY, primary | (secondary ? SECONDARY : 0), 0);
  if (secondary) control(SECONDARY_CONTROLS, MSR_SECONDARY, secondary, 0);
  control(EXIT_CONTROLS, MSR_TRUE_EXIT, HOST_64, LOAD_EFER_ON_EXIT);
  control(ENTRY_CONTROLS, MSR_TRUE_ENTRY, IA32E_GUEST, LOAD_EFER_ON_ENTRY);
  vmwrite(VMCS_LINK_POINTER, ~0ull);
  if (secondary & ENABLE_VPID) vmwrite(VPID, 1);

  for (int s = 0; s < 8; s++) {
    int code = s == 1, tr = s == 7, none = s == 6;
    vmwrite(GUEST_ES_SELECTOR + 2 * s, none ? 0 : code ? CODE : tr ? TSS : DATA);
    vmwrite(GUEST_ES_LIMIT + 2 * s, tr ? 0x67 : 0xffffffff);
    vmwrite(GUEST_ES_RIGHTS + 2 * s, none ? UNUSABLE : code ? RIGHTS_CODE64 : tr ? RIGHTS_TSS : RIGHTS_DATA);
    vmwrite(GUEST_ES_BASE + 2 * s, tr ? (word)tss : 0);
    if (s < 6) vmwrite(HOST_ES_SELECTOR + 2 * s, code ? CODE : DATA);
  }
  vmwrite(HOST_TR_SELECTOR, TSS);
  vmwrite(GUEST_GDTR_BASE, (word)gdt);
  vmwrite(GUEST_GDTR_LIMIT, 63);
  vmwrite(GUEST_IDTR_BASE, (word)idtr);
  vmwrite(HOST_GDTR_BASE, (word)gdt);
  vmwrite(HOST_IDTR_BASE, (word)idtr);
  vmwrite(0x6c0a, (word)tss); /* HOST_TR_BASE */

  vmwrite(GUEST_CR0, cr0);
  vmwrite(GUEST_CR3, (word)pml4);
  vmwrite(GUEST_CR4, cr4);
  vmwrite(GUEST_EFER, rdmsr(MSR_EFER));
  vmwrite(GUEST_DR7, 0x400);
  vmwrite(GUEST_RFLAGS, 2);
  vmwrite(GUEST_RIP, (word)entry);
  vmwrite(GUEST_RSP, (word)stack_top - 8);
  vmwrite(HOST_CR0, cr0);
  vmwrite(HOST_CR3, (word)pml4);
  vmwrite(HOST_CR4, cr4);
  vmwrite(HOST_EFER, rdmsr(MSR_EFER));
  vmwrite(HOST_RIP, (word)vmx_exited);
  launched = 0;
}

static void entry_failed(void) {
  put("VM-instruction error ");
  put_decimal((uint32_t)vmread(INSTRUCTION_ERROR));
  fail("");
}
uint32_t vmx_run(struct registers *registers) {
  if (vmx_enter(registers, launched)) entry_failed();
  launched = 1;
  uint32_t reason = (uint32_t)vmread(EXIT_REASON);
  if (reason >> 31) fail("the VM entry failed on the guest state");
  return reason;
}

void vmx_serve(struct registers *registers, int (*handler)(struct registers *)) {
  if (vmx_loop(registers, handler, launched)) entry_failed();
  launched = 1;
}

void vmx_again(void) {
  if (operand_fails("clear", vmcs_region) || operand_fails("load", vmcs_region)) fail("the VMCS was not taken");
}
