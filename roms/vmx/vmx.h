/* What the hypervisors of roms/vmx share: entering VMX operation, a VMCS for a 64-bit guest, one round trip. */
#ifndef VMX_H
#define VMX_H
#include "../common/guest.h"

/* Encodings of VMCS fields (SDM Vol. 3D, "Field Encoding in VMCS"), as far as they are used here. */
enum field {
  VPID = 0x0000, GUEST_ES_SELECTOR = 0x0800, GUEST_CS_SELECTOR = 0x0802, GUEST_TR_SELECTOR = 0x080e,
  HOST_ES_SELECTOR = 0x0c00, HOST_CS_SELECTOR = 0x0c02, HOST_TR_SELECTOR = 0x0c0c, EPT_POINTER = 0x201a,
  GUEST_PHYSICAL_ADDRESS = 0x2400, VMCS_LINK_POINTER = 0x2800, GUEST_EFER = 0x2806, HOST_EFER = 0x2c02,
  PIN_CONTROLS = 0x4000, PRIMARY_CONTROLS = 0x4002, EXCEPTION_BITMAP = 0x4004, EXIT_CONTROLS = 0x400c, ENTRY_CONTROLS = 0x4012,
  ENTRY_EVENT = 0x4016, ENTRY_ERROR_CODE = 0x4018, SECONDARY_CONTROLS = 0x401e, INSTRUCTION_ERROR = 0x4400, EXIT_REASON = 0x4402,
  EXIT_EVENT = 0x4404, EXIT_ERROR_CODE = 0x4406, INSTRUCTION_LENGTH = 0x440c, GUEST_ES_LIMIT = 0x4800, GUEST_GDTR_LIMIT = 0x4810,
  GUEST_IDTR_LIMIT = 0x4812, GUEST_ES_RIGHTS = 0x4814, GUEST_TR_RIGHTS = 0x4822, EXIT_QUALIFICATION = 0x6400, GUEST_CR0 = 0x6800,
  GUEST_CR3 = 0x6802, GUEST_CR4 = 0x6804, GUEST_ES_BASE = 0x6806, GUEST_GDTR_BASE = 0x6816, GUEST_IDTR_BASE = 0x6818,
  GUEST_DR7 = 0x681a, GUEST_RSP = 0x681c, GUEST_RIP = 0x681e, GUEST_RFLAGS = 0x6820, HOST_CR0 = 0x6c00, HOST_CR3 = 0x6c02,
  HOST_CR4 = 0x6c04, HOST_GDTR_BASE = 0x6c0c, HOST_IDTR_BASE = 0x6c0e, HOST_RSP = 0x6c14, HOST_RIP = 0x6c16,
};

enum reason { EXIT_EXCEPTION = 0, EXIT_CPUID = 10, EXIT_HLT = 12, EXIT_INVLPG = 14, EXIT_VMCALL = 18, EXIT_CR_ACCESS = 28, EXIT_EPT_VIOLATION = 48 };
enum primary { HLT_EXITING = 0x80, INVLPG_EXITING = 0x200, CR3_LOAD_EXITING = 0x8000, CR3_STORE_EXITING = 0x10000, SECONDARY = 0x80000000 };
enum secondary { ENABLE_EPT = 2, ENABLE_VPID = 0x20 };

/* The guest's general registers but RSP, in the order of their numbers. */
struct registers { uint64_t rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15; };

uint64_t rdmsr(uint32_t index);
static inline uint64_t vmread(enum field field) {
  uint64_t value;
  __asm__ volatile("vmread %1, %0" : "=r"(value) : "r"((uint64_t)field) : "cc");
  return value;
}
static inline void vmwrite(enum field field, uint64_t value) {
  __asm__ volatile("vmwrite %0, %1" ::"r"(value), "r"((uint64_t)field) : "cc");
}

/* Enters VMX operation and makes a VMCS current; leaves with code 1 where the processor cannot. */
void vmx_on(void);
/* Fills the VMCS for a guest that starts at `entry` with its own stack, in the hypervisor's address space and segments. */
void vmx_guest(void (*entry)(void), uint8_t *stack_top, uint32_t primary, uint32_t secondary);
/* Runs the guest until the next VM exit; returns its reason. Leaves with code 1 where the entry fails. */
uint32_t vmx_run(struct registers *registers);
/* Runs the guest, and again after every VM exit for which the handler does not return 0. Leaves with code 1 where an entry fails. */
void vmx_serve(struct registers *registers, int (*handler)(struct registers *));
/* Makes the VMCS as new: the next entry is a VMLAUNCH. */
void vmx_again(void);
/* Moves the guest behind the instruction that exited. */
static inline void vmx_skip(void) { vmwrite(GUEST_RIP, vmread(GUEST_RIP) + vmread(INSTRUCTION_LENGTH)); }
#endif
