/* Console, command line and exit of the tiny guests. */
#include "guest.h"

void put_char(char c) {
  while (!(inb(COM1_LSR) & LSR_THRE)) {}
  outb(COM1, (uint8_t)c);
}

void put(const char *text) {
  while (*text) put_char(*text++);
}

void put_hex(uint32_t value, int digits) {
  while (digits-- > 0) put_char("0123456789abcdef"[(value >> (4 * digits)) & 15]);
}

void put_decimal(uint32_t value) {
  char text[10];
  int n = 0;
  do text[n++] = (char)('0' + value % 10);
  while (value /= 10);
  while (n > 0) put_char(text[--n]);
}

void leave(uint32_t code) {
  outl(EXIT_PORT, code);
  for (;;) __asm__ volatile("cli; hlt");
}

const char *option(const struct multiboot_info *info, const char *key) {
  if (!(info->flags & MULTIBOOT_HAS_CMDLINE)) return 0;
  const char *at = (const char *)(word)info->cmdline;
  while (*at) {
    const char *k = key;
    const char *p = at;
    while (*k && *p == *k) p++, k++;
    if (!*k && *p == '=') return p + 1;
    while (*at && *at != ' ') at++;
    while (*at == ' ') at++;
  }
  return 0;
}

int option_is(const char *text, const char *word_) {
  while (*word_ && *text == *word_) text++, word_++;
  return !*word_ && (*text == 0 || *text == ' ');
}

uint32_t option_number(const char *text, uint32_t otherwise) {
  if (!text) return otherwise;
  uint32_t value = 0;
  while (*text >= '0' && *text <= '9') value = value * 10 + (uint32_t)(*text++ - '0');
  return value;
}
