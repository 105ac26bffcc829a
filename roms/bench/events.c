/* System events: what an operating system makes a processor do, over and over. */
#include "system.h"

enum { MANY = 200000, SOME = 100000, FEW = 10000, PAGES = 8192, PASSES = 10, BLOCK = 1 << 20, BLOCKS = 64 };
enum { UART_SCRATCH = COM1 + 7, TOUCHED_PAGES = 64 };

/* A touch, #PF, a handler that makes the page present, IRET; then the page goes again. */
static uint32_t run_pgfault(void) {
  uint32_t sum = 0;
  for (uint32_t n = 0; n < SOME; n++) {
    uint8_t *page = arena(n % TOUCHED_PAGES * PAGE);
    word *entry = entry_of(page);
    *entry &= ~(word)1;
    invalidate(page);
    *(volatile uint32_t *)page = n;
    sum += *(volatile uint32_t *)page;
  }
  return sum;
}

static uint32_t run_int80(void) { return in_user_mode(user_int80, MANY); }

#ifdef __x86_64__
static uint32_t run_syscall(void) { return in_user_mode(user_syscall, MANY); }
#endif

static uint32_t run_cr3(void) {
  word cr3 = read_cr3();
  for (uint32_t n = 0; n < MANY; n++) write_cr3(cr3);
  return (uint32_t)(read_cr3() == cr3);
}

static uint32_t run_cr3tlb(void) {
  uint32_t sum = 0;
  for (uint32_t n = 0; n < FEW; n++) {
    write_cr3(read_cr3());
    for (uint32_t k = 0; k < TOUCHED_PAGES; k++) sum += (*(volatile uint32_t *)arena(k * PAGE) = k + n);
  }
  return sum;
}

static uint32_t run_invlpg(void) {
  uint32_t sum = 0;
  for (uint32_t n = 0; n < MANY; n++) {
    volatile uint32_t *page = (volatile uint32_t *)arena(n % TOUCHED_PAGES * PAGE);
    invalidate(page);
    *page = n;
    sum += *page;
  }
  return sum;
}

static uint32_t run_outp(void) {
  for (uint32_t n = 0; n < MANY; n++) outb(UART_SCRATCH, (uint8_t)n);
  return inb(UART_SCRATCH);
}

static uint32_t run_inp(void) {
  uint32_t sum = 0;
  outb(UART_SCRATCH, 0x5a);
  for (uint32_t n = 0; n < MANY; n++) sum += inb(UART_SCRATCH);
  return sum;
}

/* The version register of the local APIC; its value is the machine's own, so only its constancy is checked. */
static uint32_t run_mmioapic(void) {
  volatile uint32_t *version = (volatile uint32_t *)(APIC + 0x30);
  uint32_t first = *version;
  uint32_t equal = 0;
  for (uint32_t n = 0; n < MANY; n++) equal += *version == first;
  return equal;
}

/* Patches an immediate on another page, then calls it: mov $imm32, %eax; ret. */
static uint32_t run_smcfar(void) {
  uint8_t *code = arena(0);
  code[0] = 0xb8;
  code[5] = 0xc3;
  uint32_t sum = 0;
  for (uint32_t n = 0; n < SOME; n++) {
    *(volatile uint32_t *)(code + 1) = n;
    sum += ((uint32_t(*)(void))(word)code)();
  }
  return sum;
}

static uint32_t run_smcsame(void) { return patch_own_loop(SOME); }

static uint32_t run_cpuid(void) {
  uint32_t equal = 0;
  uint32_t first = cpuid(0).b;
  for (uint32_t n = 0; n < MANY; n++) equal += cpuid(0).b == first;
  return equal;
}

/* One load and one store on each of 8192 pages: more than any translation buffer holds. */
static uint32_t run_tlbmiss(void) {
  uint32_t sum = 0;
  for (uint32_t pass = 0; pass < PASSES; pass++) {
    for (uint32_t k = 0; k < PAGES; k++) {
      volatile uint32_t *page = (volatile uint32_t *)arena(k * PAGE);
      uint32_t value = *page;
      *page = k ^ pass;
      if (pass > 0) sum += value;
    }
  }
  return sum;
}

static uint32_t run_memcpy(void) {
  uint32_t *from = (uint32_t *)arena(0);
  for (uint32_t k = 0; k < BLOCK / 4; k++) from[k] = k;
  for (uint32_t n = 0; n < BLOCKS; n++) {
    void *source = arena(n % 2 ? BLOCK : 0);
    void *target = arena(n % 2 ? 0 : BLOCK);
    word count = BLOCK / 4;
    __asm__ volatile("rep movsl" : "+S"(source), "+D"(target), "+c"(count)::"memory");
  }
  return from[BLOCK / 4 - 1];
}

static uint32_t run_memset(void) {
  for (uint32_t n = 0; n < BLOCKS; n++) {
    void *target = arena(0);
    word count = BLOCK / 4;
    __asm__ volatile("rep stosl" : "+D"(target), "+c"(count) : "a"(n) : "memory");
  }
  return *(uint32_t *)arena(BLOCK - 4);
}

const struct bench events[] = {
    {"pgfault", "events", SOME, run_pgfault},
    {"int80", "events", MANY, run_int80},
#ifdef __x86_64__
    {"syscall", "events", MANY, run_syscall},
#endif
    {"cr3", "events", MANY, run_cr3},
    {"cr3tlb", "events", FEW, run_cr3tlb},
    {"invlpg", "events", MANY, run_invlpg},
    {"outp", "events", MANY, run_outp},
    {"inp", "events", MANY, run_inp},
    {"mmioapic", "events", MANY, run_mmioapic},
    {"smcfar", "events", SOME, run_smcfar},
    {"smcsame", "events", SOME, run_smcsame},
    {"cpuid", "events", MANY, run_cpuid},
    {"tlbmiss", "events", PAGES * PASSES, run_tlbmiss},
    {"memcpy", "bytes", BLOCK * BLOCKS, run_memcpy},
    {"memset", "bytes", BLOCK * BLOCKS, run_memset},
    {0, 0, 0, 0},
};
