/*
 * What traps cost: a hypervisor whose guests do one thing many times. Command line and output as roms/bench/main.c:
 * "bench=NAME units=N", "bench=list"; a mark on port 0xe8 before and behind each unit.
 */
#include "vmx.h"

enum { MARK_PORT = 0xe8, MARK_BEGIN = 1, MARK_END = 2, EVENTS = 4096, PAGES = 1024, HEAP = 0x4000000, PAGE_FAULT = 14 };
enum { WALKED = 0x1000000, WALKED_PAGES = 8192 };
enum { UNCONDITIONAL_IO = 0x1000000, EXTERNAL_INTERRUPT_EXITING = 1, ACKNOWLEDGE = 0x8000, EXIT_INTERRUPT = 1, EXIT_IO = 30 };
enum { RWX = 7, WRITE_BACK = 6 << 3, LARGE = 0x80, WALK_4 = 3 << 3, VECTOR = 0x40 };
#define FRAME 0x000ffffffffff000ull

extern uint64_t pml4[512], pdpt[512], pd[512];
static uint8_t stack[8192];
static uint64_t tables[4][512] __attribute__((aligned(4096))), leaves[PAGES / 512][512] __attribute__((aligned(4096)));
static struct registers registers;

static void again(void) { __asm__ volatile("vmcall" ::"a"(0)); }
static void guest_cpuid(void) {
  for (;;) {
    for (int n = 0; n < EVENTS; n++) cpuid(0);
    again();
  }
}
static void guest_hlt(void) {
  for (;;) {
    for (int n = 0; n < EVENTS; n++) __asm__ volatile("hlt");
    again();
  }
}
static void guest_io(void) {
  for (;;) {
    for (int n = 0; n < EVENTS; n++) outb(0x80, 0);
    again();
  }
}
static void guest_vmcall(void) {
  for (;;) {
    for (int n = 0; n < EVENTS; n++) __asm__ volatile("vmcall" ::"a"(1));
    again();
  }
}
static void guest_touch(void) {
  for (;;) {
    for (int n = 0; n < PAGES; n++) *(volatile uint64_t *)(word)(HEAP + 4096 * n) = 1;
    again();
  }
}
/* More pages than a TLB holds, mapped by everyone all the time. */
static void guest_walk(void) {
  for (;;) {
    for (int n = 0; n < WALKED_PAGES; n++) *(volatile uint64_t *)(word)(WALKED + 4096 * n) = 1;
    again();
  }
}
static void guest_cr3(void) {
  word cr3;
  __asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
  for (;;) {
    for (int n = 0; n < EVENTS; n++) __asm__ volatile("mov %0, %%cr3" ::"r"(cr3) : "memory");
    again();
  }
}
static void guest_spin(void) {
  for (;;) __asm__ volatile("pause");
}

/* Extended page tables: everything in 2 MiB pages, but for the heap, which is in pages that begin absent. */
static void make_ept(void) {
  tables[0][0] = (word)tables[1] | RWX;
  tables[1][0] = (word)tables[2] | RWX;
  for (uint64_t k = 0; k < 512; k++) tables[2][k] = k << 21 | LARGE | WRITE_BACK | RWX;
  for (int k = 0; k < PAGES / 512; k++) tables[2][(HEAP >> 21) + k] = (word)leaves[k] | RWX;
}
static void invept(void) {
  struct { uint64_t eptp, zero; } operand = {vmread(EPT_POINTER), 0};
  __asm__ volatile("invept %0, %1" ::"m"(operand), "r"(1ull) : "cc", "memory");
}
static void forget_heap(void) {
  for (int k = 0; k < PAGES; k++) leaves[k / 512][k % 512] = 0;
}

/* Serves one exit; 0 where the guest says that a unit is done. */
static int exited(struct registers *r) {
  switch ((uint32_t)vmread(EXIT_REASON)) {
    case EXIT_CPUID: {
      struct cpuid c = cpuid((uint32_t)r->rax);
      r->rax = c.a, r->rbx = c.b, r->rcx = c.c, r->rdx = c.d;
      break;
    }
    case EXIT_VMCALL:
      vmx_skip();
      return r->rax != 0;
    case EXIT_EPT_VIOLATION: {
      uint64_t k = (vmread(GUEST_PHYSICAL_ADDRESS) - HEAP) >> 12;
      leaves[k / 512][k % 512] = (HEAP + 4096 * k) | WRITE_BACK | RWX;
      return 1;
    }
    case EXIT_EXCEPTION: {
      uint64_t k = (vmread(EXIT_QUALIFICATION) - HEAP) >> 12;
      leaves[k / 512][k % 512] = (HEAP + 4096 * k) | 3;
      return 1;
    }
    case EXIT_INTERRUPT:
      *(volatile uint32_t *)(word)0xfee000b0u = 0;
      return 0;
    case EXIT_HLT:
    case EXIT_IO:
    case EXIT_CR_ACCESS: break;
    default: leave(1);
  }
  vmx_skip();
  return 1;
}
static void serve(void) { vmx_serve(&registers, exited); }

static void start(void (*entry)(void), uint32_t primary, uint32_t secondary) {
  vmx_guest(entry, stack + sizeof stack, primary, secondary);
  if (secondary & ENABLE_EPT) vmwrite(EPT_POINTER, (word)tables[0] | WALK_4 | 6);
}
static void with_ept(void (*entry)(void), uint32_t primary) {
  make_ept();
  start(entry, primary, ENABLE_EPT | ENABLE_VPID);
}
static void unit_ept(void) {
  forget_heap();
  invept();
  serve();
}
/* The guest runs on tables whose leaves the hypervisor owns: shadow tables. A load of CR3 in between empties the TLB. */
static void start_shadow(void) {
  for (int k = 0; k < 512; k++) tables[0][k] = pml4[k], tables[1][k] = pdpt[k], tables[2][k] = pd[k];
  tables[0][0] = (word)tables[1] | 3;
  tables[1][0] = (word)tables[2] | 3;
  for (int k = 0; k < PAGES / 512; k++) tables[2][(HEAP >> 21) + k] = (word)leaves[k] | 3;
  start(guest_touch, 0, 0);
  vmwrite(EXCEPTION_BITMAP, 1 << PAGE_FAULT);
  vmwrite(GUEST_CR3, (word)tables[0]);
}
static void unit_shadow(void) {
  forget_heap();
  serve();
}
static void unit_interrupt(void) {
  for (int n = 0; n < EVENTS; n++) {
    *(volatile uint32_t *)(word)0xfee00300u = 0x40000 | VECTOR;
    serve();
  }
}
static void start_interrupt(void) {
  pdpt[3] = 0xc0000083; /* the local APIC, in a page of 1 GiB */
  with_ept(guest_spin, 0);
  vmwrite(PIN_CONTROLS, vmread(PIN_CONTROLS) | EXTERNAL_INTERRUPT_EXITING);
  vmwrite(EXIT_CONTROLS, vmread(EXIT_CONTROLS) | ACKNOWLEDGE);
  *(volatile uint32_t *)(word)0xfee000f0u = 0x1ff;
}
static void unit_invept(void) {
  for (int n = 0; n < EVENTS; n++) invept();
}
static void unit_setup(void) {
  for (int n = 0; n < 256; n++) {
    vmx_again();
    start(guest_vmcall, 0, ENABLE_EPT | ENABLE_VPID);
    vmx_run(&registers);
  }
}
static void start_cpuid(void) { with_ept(guest_cpuid, 0); }
static void start_flat(void) { start(guest_cpuid, 0, 0); }
static void start_hlt(void) { with_ept(guest_hlt, HLT_EXITING); }
static void start_io(void) { with_ept(guest_io, UNCONDITIONAL_IO); }
static void start_vmcall(void) { with_ept(guest_vmcall, 0); }
static void start_touch(void) { with_ept(guest_touch, 0); }
static void start_walk(void) { with_ept(guest_walk, 0); }
static void start_walk_flat(void) { start(guest_walk, 0, 0); }
static void start_cr3(void) { with_ept(guest_cr3, 0); }
static void start_cr3_exit(void) { start(guest_cr3, CR3_LOAD_EXITING, 0); }

static const struct trap {
  const char *name;
  uint32_t per_unit;
  void (*start)(void), (*unit)(void);
} traps[] = {
    {"cpuid", EVENTS, start_cpuid, serve},
    {"cpuid-noept", EVENTS, start_flat, serve},
    {"hlt", EVENTS, start_hlt, serve},
    {"io", EVENTS, start_io, serve},
    {"vmcall", EVENTS, start_vmcall, serve},
    {"ept-violation", PAGES, start_touch, unit_ept},
    {"shadow-fill", PAGES, start_shadow, unit_shadow},
    {"refill", WALKED_PAGES, start_walk_flat, serve},
    {"refill-ept", WALKED_PAGES, start_walk, serve},
    {"cr3-ept", EVENTS, start_cr3, serve},
    {"cr3-exit", EVENTS, start_cr3_exit, serve},
    {"setup", 256, start_cpuid, unit_setup},
    {"invept", EVENTS, start_cpuid, unit_invept},
    {"interrupt", EVENTS, start_interrupt, unit_interrupt},
};

static void describe(const struct trap *t) {
  put("BENCH ");
  put(t->name);
  put(" events ");
  put_decimal(t->per_unit);
  put("\n");
}

void kmain(const struct multiboot_info *info) {
  const char *name = option(info, "bench");
  const int count = sizeof traps / sizeof *traps;
  for (int k = 0; k < count; k++) {
    const struct trap *t = &traps[k];
    if (!name || option_is(name, "list")) describe(t);
    else if (option_is(name, t->name)) {
      describe(t);
      vmx_on();
      t->start();
      for (uint32_t n = option_number(option(info, "units"), 1); n > 0; n--) {
        outb(MARK_PORT, MARK_BEGIN);
        t->unit();
        outb(MARK_PORT, MARK_END);
      }
      leave(0);
    }
  }
  if (!name || option_is(name, "list")) leave(0);
  put("no such bench\n");
  leave(1);
}
