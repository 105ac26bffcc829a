/* The guest of `npm start`: says where it is, shows what processor it sees, counts something, leaves. */
#include "../common/guest.h"

enum { LIMIT = 1000000 };
static uint8_t is_composite[LIMIT + 1];

static void put_word(uint32_t text) {
  for (int k = 0; k < 4; k++) put_char((char)(text >> (8 * k)));
}

static void show_processor(void) {
  struct cpuid vendor = cpuid(0);
  put("  processor   ");
  put_word(vendor.b);
  put_word(vendor.d);
  put_word(vendor.c);
  if (cpuid(0x80000000u).a >= 0x80000004u) {
    put(", ");
    for (uint32_t leaf = 0x80000002u; leaf <= 0x80000004u; leaf++) {
      struct cpuid r = cpuid(leaf);
      const uint32_t part[4] = {r.a, r.b, r.c, r.d};
      for (int k = 0; k < 16; k++) {
        char c = (char)(part[k / 4] >> (8 * (k % 4)));
        if (c) put_char(c);
      }
    }
  }
  put("\n");
}

static void show_mode(void) {
  word cr0, cr3, cr4;
  uint32_t efer, high;
  __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
  __asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
  __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
  __asm__ volatile("rdmsr" : "=a"(efer), "=d"(high) : "c"(0xc0000080u));
  put("  mode        ");
  put(efer & 0x400 ? "64-bit" : "32-bit");
  put(", CR0 ");
  put_hex((uint32_t)cr0, 8);
  put(", CR3 ");
  put_hex((uint32_t)cr3, 8);
  put(", CR4 ");
  put_hex((uint32_t)cr4, 8);
  put("\n");
}

static void count_primes(void) {
  put("  primes      ");
  uint32_t count = 0;
  uint32_t next = 10;
  for (uint32_t n = 2; n <= LIMIT; n++) {
    if (!is_composite[n]) {
      count++;
      for (uint32_t m = 2 * n; m <= LIMIT; m += n) is_composite[m] = 1;
    }
    if (n != next) continue;
    put_decimal(count);
    put(" below ");
    put_decimal(n);
    put(n == LIMIT ? "\n" : ", ");
    next *= 10;
  }
}

void kmain(const struct multiboot_info *info) {
  put("Hello from a guest: one megabyte up, ring 0, nobody below but vmlaunch.\n");
  show_processor();
  show_mode();
  if (info->flags & MULTIBOOT_HAS_CMDLINE) {
    put("  told        \"");
    put((const char *)(word)info->cmdline);
    put("\"\n");
  }
  count_primes();
  put("Bye.\n");
  leave(0);
}
