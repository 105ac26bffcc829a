/* sha256: FIPS 180-4, "SHA-256", of 64 KiB of the bytes 0, 1, 2, .. 255, 0, ..; the constants are computed. */
#include "bench.h"

enum { LENGTH = 65536, BLOCK = 64, ROUNDS = 64, REPEATS = 3 };

static uint32_t round_constant[ROUNDS], initial_hash[8];

uint32_t prepare_sha256(uint8_t *text, const uint32_t **constants, const uint32_t **initial);

/* The first 32 bits of the fraction of a prime's square or cube root. */
static uint32_t root_fraction(uint32_t prime, int degree) {
  uint64_t root = 0;
  for (int bit = 36; bit >= 0; bit--) {
    uint64_t x = root | (uint64_t)1 << bit;
    /* x^degree <= prime * 2^(32*degree), in 32-bit digits */
    uint32_t digit[6] = {1, 0, 0, 0, 0, 0};
    for (int k = 0; k < degree; k++) {
      uint32_t product[6] = {0, 0, 0, 0, 0, 0};
      for (int half = 0; half < 2; half++) {
        uint32_t factor = (uint32_t)(x >> (32 * half));
        uint64_t carry = 0;
        for (int j = 0; j + half < 6; j++) {
          carry += (uint64_t)digit[j] * factor + product[j + half];
          product[j + half] = (uint32_t)carry;
          carry >>= 32;
        }
      }
      for (int j = 0; j < 6; j++) digit[j] = product[j];
    }
    int is_above = digit[5] || digit[4] || (degree == 2 && digit[3]) || digit[degree] >= prime;
    if (!is_above) root = x;
  }
  return (uint32_t)root;
}

static void find_constants(void) {
  int count = 0;
  for (uint32_t n = 2; count < ROUNDS; n++) {
    uint32_t d = 2;
    while (d * d <= n && n % d) d++;
    if (d * d <= n) continue;
    if (count < 8) initial_hash[count] = root_fraction(n, 2);
    round_constant[count++] = root_fraction(n, 3);
  }
}

static void compress(uint32_t *hash, const uint8_t *block) {
  uint32_t w[ROUNDS];
  for (int t = 0; t < 16; t++, block += 4) {
    w[t] = (uint32_t)block[0] << 24 | (uint32_t)block[1] << 16 | (uint32_t)block[2] << 8 | block[3];
  }
  for (int t = 16; t < ROUNDS; t++) {
    uint32_t s0 = rotate_right(w[t - 15], 7) ^ rotate_right(w[t - 15], 18) ^ (w[t - 15] >> 3);
    uint32_t s1 = rotate_right(w[t - 2], 17) ^ rotate_right(w[t - 2], 19) ^ (w[t - 2] >> 10);
    w[t] = w[t - 16] + s0 + w[t - 7] + s1;
  }
  uint32_t a = hash[0], b = hash[1], c = hash[2], d = hash[3], e = hash[4], f = hash[5], g = hash[6], h = hash[7];
  for (int t = 0; t < ROUNDS; t++) {
    uint32_t s1 = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25);
    uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + round_constant[t] + w[t];
    uint32_t s0 = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22);
    uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
  }
  hash[0] += a, hash[1] += b, hash[2] += c, hash[3] += d, hash[4] += e, hash[5] += f, hash[6] += g, hash[7] += h;
}

/* Writes the padded text, tells the constants, returns the length of the text in bytes. */
uint32_t prepare_sha256(uint8_t *text, const uint32_t **constants, const uint32_t **initial) {
  if (!round_constant[0]) find_constants();
  for (uint32_t k = 0; k < LENGTH; k++) text[k] = (uint8_t)k;
  uint8_t *padding = text + LENGTH;
  for (int k = 0; k < BLOCK; k++) padding[k] = 0;
  padding[0] = 0x80;
  const uint32_t bits = LENGTH * 8;
  for (int k = 0; k < 4; k++) padding[BLOCK - 1 - k] = (uint8_t)(bits >> (8 * k));
  *constants = round_constant;
  *initial = initial_hash;
  return LENGTH + BLOCK;
}

/* The first 32 bits of the hash. */
uint32_t run_sha256(void) {
  uint8_t *text = arena(0);
  const uint32_t *constants, *initial;
  uint32_t length = prepare_sha256(text, &constants, &initial);
  uint32_t hash[8];
  for (int repeat = 0; repeat < REPEATS; repeat++) {
    for (int k = 0; k < 8; k++) hash[k] = initial[k];
    for (uint32_t at = 0; at < length; at += BLOCK) compress(hash, text + at);
  }
  return hash[0];
}
