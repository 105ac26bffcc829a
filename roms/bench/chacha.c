/* chacha: the ChaCha20 block function (RFC 8439) on SSE2 vectors of four words, over 512 KiB of key stream. */
#include "float.h"

typedef uint32_t row __attribute__((vector_size(16)));
enum { BLOCKS = 8192 };

static inline row rotate(row x, int n) { return (x << n) | (x >> (32 - n)); }

static inline row shuffle(row x, int first) {
  switch (first) {
    case 1: return __builtin_shuffle(x, (row){1, 2, 3, 0});
    case 2: return __builtin_shuffle(x, (row){2, 3, 0, 1});
    default: return __builtin_shuffle(x, (row){3, 0, 1, 2});
  }
}

#define QUARTERS(a, b, c, d) \
  do {                       \
    a += b;                  \
    d = rotate(d ^ a, 16);   \
    c += d;                  \
    b = rotate(b ^ c, 12);   \
    a += b;                  \
    d = rotate(d ^ a, 8);    \
    c += d;                  \
    b = rotate(b ^ c, 7);    \
  } while (0)

uint32_t run_chacha(void) {
  enable_sse();
  const row constants = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
  const row key_low = {0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c};
  const row key_high = {0x13121110, 0x17161514, 0x1b1a1918, 0x1f1e1d1c};
  row sum = {0, 0, 0, 0};
  for (uint32_t block = 1; block <= BLOCKS; block++) {
    const row counter = {block, 0x09000000, 0x4a000000, 0};
    row a = constants, b = key_low, c = key_high, d = counter;
    for (int n = 0; n < 10; n++) {
      QUARTERS(a, b, c, d);
      b = shuffle(b, 1), c = shuffle(c, 2), d = shuffle(d, 3);
      QUARTERS(a, b, c, d);
      b = shuffle(b, 3), c = shuffle(c, 2), d = shuffle(d, 1);
    }
    sum ^= (a + constants) ^ (b + key_low) ^ (c + key_high) ^ (d + counter);
  }
  return sum[0] ^ sum[1] ^ sum[2] ^ sum[3];
}
