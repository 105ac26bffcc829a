/* The benches: a name, what a unit of it counts, and a function that runs one unit and returns a checksum. */
#ifndef BENCH_H
#define BENCH_H
#include "../common/guest.h"

struct bench {
  const char *name;
  const char *counts; /* "kernel", "float", "events" or "bytes" */
  uint32_t per_unit;  /* events or bytes; 0 for a kernel or float */
  uint32_t (*unit)(void);
};

extern const struct bench kernels[], events[], floats[];

uint32_t run_sha256(void);
uint32_t run_core(void);

/* Memory that no code or data of the image lies in; RAM of at least 64 MiB is assumed. */
enum { ARENA = 16 << 20, ARENA_SIZE = 32 << 20, PAGE = 4096, MAPPED = 64 << 20 };

static inline uint8_t *arena(uint32_t offset) { return (uint8_t *)(word)(ARENA + offset); }

static inline uint32_t rotate_left(uint32_t x, int n) { return (x << n) | (x >> (32 - n)); }
static inline uint32_t rotate_right(uint32_t x, int n) { return (x >> n) | (x << (32 - n)); }

/* A small generator for test data (xorshift). */
static inline uint32_t next_random(uint32_t *state) {
  uint32_t x = *state;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return *state = x;
}

void set_up_system(void);
#endif
