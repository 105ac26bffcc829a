/*
 * The bench's system: 64 MiB mapped one to one in 4 KiB pages that ring 3 may touch, the local APIC's page, an IDT, a
 * TSS. SDM Vol. 3A, "Paging", "Interrupt and Exception Handling", "Task Management".
 */
#include "system.h"

typedef word pte;

enum { PRESENT = 1, WRITABLE = 2, USER = 4, UNCACHED = 0x10, ENTRIES = PAGE / sizeof(pte) };
enum { GATES = 256, INTERRUPT_GATE = 0x8e00, USER_GATE = 0xee00 };

pte tables[MAPPED / PAGE] __attribute__((aligned(PAGE)));
static pte apic_table[ENTRIES] __attribute__((aligned(PAGE)));

#ifdef __x86_64__
extern pte pdpt[], pd[];
static pte apic_directory[ENTRIES] __attribute__((aligned(PAGE)));
struct gate { uint16_t low, selector, type_, middle; uint32_t high, reserved; };
struct tss { uint32_t reserved; uint64_t rsp0; uint32_t others[23]; } __attribute__((packed));
enum { TSS_SELECTOR = 0x30 };
#else
static pte pd[ENTRIES] __attribute__((aligned(PAGE)));
struct gate { uint16_t low, selector, type_, middle; };
struct tss { uint32_t link, esp0, ss0, others[23]; };
enum { TSS_SELECTOR = 0x28 };
#endif

extern uint64_t gdt[];
static struct gate idt[GATES];
struct tss tss;

pte *entry_of(const void *address) { return &tables[(word)address / PAGE]; }

static void set_gate(int vector, void (*handler)(void), uint16_t type) {
  word at = (word)handler;
  idt[vector].low = (uint16_t)at;
  idt[vector].selector = 0x08;
  idt[vector].type_ = type;
  idt[vector].middle = (uint16_t)(at >> 16);
#ifdef __x86_64__
  idt[vector].high = (uint32_t)(at >> 32);
#endif
}

static void map_memory(void) {
  const pte rights = PRESENT | WRITABLE | USER;
  const int directory_entries = MAPPED / PAGE / ENTRIES;
  for (word k = 0; k < MAPPED / PAGE; k++) tables[k] = k * PAGE | rights;
  for (int k = 0; k < directory_entries; k++) pd[k] = (word)&tables[k * ENTRIES] | rights;
  apic_table[(APIC / PAGE) % ENTRIES] = APIC | PRESENT | WRITABLE | UNCACHED;
  const word apic_slot = APIC / PAGE / ENTRIES;
#ifdef __x86_64__
  apic_directory[apic_slot % ENTRIES] = (word)apic_table | rights;
  pdpt[apic_slot / ENTRIES] = (word)apic_directory | rights;
  write_cr3(read_cr3());
#else
  pd[apic_slot] = (word)apic_table | rights;
  write_cr3((word)pd);
  word cr0;
  __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
  __asm__ volatile("mov %0, %%cr0" ::"r"(cr0 | 0x80000000u) : "memory");
#endif
}

static void load_tss(void) {
  word base = (word)&tss;
  uint64_t limit = sizeof tss - 1;
  uint64_t *descriptor = &gdt[TSS_SELECTOR / 8];
  descriptor[0] = limit | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)0x89 << 40 | (uint64_t)((base >> 24) & 0xff) << 56;
#ifdef __x86_64__
  descriptor[1] = base >> 32;
#else
  tss.ss0 = 0x10;
#endif
  __asm__ volatile("ltr %w0" ::"r"(TSS_SELECTOR));
}

void unexpected_exception(void) {
  put("unexpected exception\n");
  leave(1);
}

void set_up_system(void) {
  map_memory();
  for (int vector = 0; vector < 32; vector++) set_gate(vector, unexpected_exception, INTERRUPT_GATE);
  set_gate(14, on_page_fault, INTERRUPT_GATE);
  set_gate(0x80, on_int80, USER_GATE);
  set_gate(0x81, on_leave_user, USER_GATE);
  struct { uint16_t limit; word base; } __attribute__((packed)) pointer = {sizeof idt - 1, (word)idt};
  __asm__ volatile("lidt %0" ::"m"(pointer));
  load_tss();
#ifdef __x86_64__
  write_msr(0xc0000081, (uint64_t)0x08 << 32 | (uint64_t)0x1b << 48); /* STAR */
  write_msr(0xc0000082, (uint64_t)(word)on_syscall);                 /* LSTAR */
  write_msr(0xc0000084, 0x200);                                      /* FMASK: IF */
#endif
}
