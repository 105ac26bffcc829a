/*
 * Command line: "bench=NAME units=N". Prints "BENCH name counts per_unit", runs N units (0: without end), each between
 * a 1 and a 2 written to port 0xe8, prints "CHECK name checksum", leaves. "bench=list" prints every BENCH line.
 */
#include "bench.h"

enum { MARK_PORT = 0xe8, MARK_BEGIN = 1, MARK_END = 2 };

static void describe(const struct bench *b) {
  put("BENCH ");
  put(b->name);
  put(" ");
  put(b->counts);
  put(" ");
  put_decimal(b->per_unit);
  put("\n");
}

static const struct bench *find(const struct bench *b, const char *name) {
  for (; b->name; b++) {
    if (option_is(name, b->name)) return b;
  }
  return 0;
}

static void run(const struct bench *b, uint32_t units) {
  uint32_t check = 0;
  for (uint32_t n = 0; units == 0 || n < units; n++) {
    outb(MARK_PORT, MARK_BEGIN);
    check = b->unit();
    outb(MARK_PORT, MARK_END);
  }
  put("CHECK ");
  put(b->name);
  put(" ");
  put_hex(check, 8);
  put("\n");
}

void kmain(const struct multiboot_info *info) {
  set_up_system();
  const char *name = option(info, "bench");
  if (!name || option_is(name, "list")) {
    for (const struct bench *b = kernels; b->name; b++) describe(b);
    for (const struct bench *b = events; b->name; b++) describe(b);
    for (const struct bench *b = floats; b->name; b++) describe(b);
    leave(0);
  }
  const struct bench *b = find(kernels, name);
  if (!b) b = find(events, name);
  if (!b) b = find(floats, name);
  if (!b) {
    put("no such bench\n");
    leave(1);
  }
  describe(b);
  run(b, option_number(option(info, "units"), 1));
  leave(0);
}
