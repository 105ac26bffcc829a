/* The guest of vmx-ept and vmx-shadow, and what both hypervisors do alike. */
#include "program.h"

enum { PRESENT_WRITABLE = 3, SPACES = 2 };
extern uint64_t pml4[512], pdpt[512];
uint8_t program_stack[8192];

static uint64_t tables[SPACES][4][512] __attribute__((aligned(4096)));
static uint8_t heap[SPACES][PAGES][PAGE] __attribute__((aligned(4096)));
static uint32_t counts[64];

/* An address space: what the boot code mapped, and pages of its own at HEAP. */
static uint64_t make_space(int n) {
  uint64_t(*t)[512] = tables[n];
  for (int k = 0; k < 512; k++) {
    t[0][k] = pml4[k];
    t[1][k] = pdpt[k];
    t[2][k] = ((uint64_t *)(pdpt[0] & ~4095ull))[k];
  }
  t[0][0] = (word)t[1] | PRESENT_WRITABLE;
  t[1][0] = (word)t[2] | PRESENT_WRITABLE;
  t[2][HEAP >> 21] = (word)t[3] | PRESENT_WRITABLE;
  for (int k = 0; k < PAGES; k++) t[3][k] = (word)heap[n][k] | PRESENT_WRITABLE;
  return (word)t[0];
}

void program(void) {
  volatile uint64_t *at = (volatile uint64_t *)HEAP;
  uint64_t spaces[SPACES], sum = 0;
  for (int n = 0; n < SPACES; n++) spaces[n] = make_space(n);
  for (uint32_t round = 0; round < ROUNDS; round++) {
    for (uint32_t n = 0; n < SPACES; n++) {
      __asm__ volatile("mov %0, %%cr3" ::"r"(spaces[n]) : "memory");
      for (uint32_t k = 0; k < PAGES; k++) at[k * (PAGE / 8)] += round * PAGES + k + n;
      for (uint32_t k = 0; k < PAGES; k++) sum += at[k * (PAGE / 8)];
      sum += cpuid(0).a != 0;
    }
  }
  __asm__ volatile("vmcall" ::"a"(sum));
}

uint64_t program_sum(void) {
  uint64_t sum = 0;
  for (uint32_t n = 0; n < SPACES; n++)
    for (uint32_t k = 0; k < PAGES; k++)
      for (uint32_t round = 0, value = 0; round < ROUNDS; round++) {
        value += round * PAGES + k + n;
        sum += value;
      }
  return sum + SPACES * ROUNDS;
}

static const char *name_of(uint32_t reason) {
  switch (reason) {
    case EXIT_EXCEPTION: return "EXCEPTION_NMI";
    case EXIT_CPUID: return "CPUID";
    case EXIT_INVLPG: return "INVLPG";
    case EXIT_VMCALL: return "VMCALL";
    case EXIT_CR_ACCESS: return "CR_ACCESS";
    case EXIT_EPT_VIOLATION: return "EPT_VIOLATION";
    default: return "?";
  }
}

void count_exit(uint32_t reason) { counts[reason & 63]++; }

void serve(uint32_t reason, struct registers *registers) {
  if (reason == EXIT_CPUID) {
    struct cpuid r = cpuid((uint32_t)registers->rax);
    registers->rax = r.a;
    registers->rbx = r.b;
    registers->rcx = r.c;
    registers->rdx = r.d;
    vmx_skip();
    return;
  }
  put(reason == EXIT_VMCALL ? "guest's sum " : "unexpected exit ");
  put_decimal(reason == EXIT_VMCALL ? (uint32_t)registers->rax : reason);
  put("\nexits      ");
  for (uint32_t k = 0; k < 64; k++) {
    if (!counts[k]) continue;
    put(" ");
    put(name_of(k));
    put(" ");
    put_decimal(counts[k]);
  }
  put("\n");
  leave(reason == EXIT_VMCALL && registers->rax == program_sum() ? 0 : 1);
}
