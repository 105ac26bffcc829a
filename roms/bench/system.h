/* The bench's system and its assembly stubs. */
#ifndef SYSTEM_H
#define SYSTEM_H
#include "bench.h"

static const word APIC = 0xfee00000u;

static inline word read_cr3(void) {
  word value;
  __asm__ volatile("mov %%cr3, %0" : "=r"(value));
  return value;
}
static inline void write_cr3(word value) { __asm__ volatile("mov %0, %%cr3" ::"r"(value) : "memory"); }
static inline void write_msr(uint32_t index, uint64_t value) {
  __asm__ volatile("wrmsr" ::"c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}
static inline void invalidate(const volatile void *page) { __asm__ volatile("invlpg %0" ::"m"(*(const volatile char *)page) : "memory"); }

/* The page-table entry of an address below MAPPED. */
word *entry_of(const void *address);

/* Handlers. */
void on_page_fault(void);
void on_int80(void);
void on_leave_user(void);
void on_syscall(void);

/* Runs a loop in ring 3, which makes `count` system calls; returns how many the kernel has seen. */
uint32_t in_user_mode(void (*loop)(void), uint32_t count);
void user_int80(void);
void user_syscall(void);

/* A loop that patches its own next instruction `count` times; returns the sum of the immediates executed. */
uint32_t patch_own_loop(uint32_t count);

void unexpected_exception(void);
#endif
