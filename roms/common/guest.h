/* What a tiny guest needs of the machine: ports, a serial console, a way out. Freestanding C. */
#ifndef GUEST_H
#define GUEST_H
#include <stdint.h>

typedef uintptr_t word;

enum { COM1 = 0x3f8, COM1_LSR = COM1 + 5, LSR_THRE = 0x20, EXIT_PORT = 0xf4 };

static inline void outb(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }
static inline void outl(uint16_t port, uint32_t value) { __asm__ volatile("outl %0, %1" ::"a"(value), "Nd"(port)); }
static inline uint8_t inb(uint16_t port) {
  uint8_t value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

struct cpuid { uint32_t a, b, c, d; };
static inline struct cpuid cpuid(uint32_t leaf) {
  struct cpuid r;
  __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(0));
  return r;
}

struct multiboot_info { uint32_t flags, mem_lower, mem_upper, boot_device, cmdline; };
enum { MULTIBOOT_HAS_CMDLINE = 4 };

void put_char(char c);
void put(const char *text);
void put_hex(uint32_t value, int digits);
void put_decimal(uint32_t value);
/* Ends the machine through isa-debug-exit: its exit code is (code << 1) | 1. */
void leave(uint32_t code) __attribute__((noreturn));
/* The text behind "key=" on the command line, up to a blank; NULL where there is none. */
const char *option(const struct multiboot_info *info, const char *key);
/* Whether an option's text equals a word. */
int option_is(const char *text, const char *word);
uint32_t option_number(const char *text, uint32_t otherwise);

void kmain(const struct multiboot_info *info);
#endif
