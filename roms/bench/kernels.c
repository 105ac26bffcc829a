/* Integer kernels: each stands for one way in which programs spend their time. */
#include "bench.h"

#define NOINLINE __attribute__((noinline))

/* alu: registers only, a dependent chain. */
static uint32_t run_alu(void) {
  uint32_t a = 1, b = 2, c = 3, d = 4;
  for (uint32_t n = 1000000; n > 0; n--) {
    a += b ^ n;
    b = rotate_left(b, 7) - c;
    c ^= a + (d << 3);
    d += c >> 5;
    a -= d & b;
  }
  return a ^ b ^ c ^ d;
}

/* ldst: two loads and a store for little arithmetic, 64 KiB. */
enum { WORDS = 8192 };

static uint32_t run_ldst(void) {
  uint32_t *from = (uint32_t *)arena(0);
  uint32_t *to = from + WORDS + 1;
  for (uint32_t k = 0; k <= WORDS; k++) from[k] = k * 2654435761u;
  for (int pass = 0; pass < 150; pass++) {
    for (uint32_t k = 0; k < WORDS; k++) to[k] = from[k] + (from[k + 1] >> 1);
    uint32_t *other = from;
    from = to;
    to = other;
  }
  return from[WORDS / 2];
}

/* interp: a bytecode machine with a switch, running a program that sums a sequence. */
enum { PUSH, LOAD, STORE, ADD, SUB, XOR, LESS, JUMP_IF, HALT };

static const uint8_t program[] = {
    PUSH,  0, STORE, 0, PUSH, 0, STORE, 1,              /* sum = 0, n = 0 */
    LOAD,  0, LOAD,  1, ADD,  0, PUSH,  3, XOR,     0,  /* loop: (sum + n) ^ 3 */
    LOAD,  1, SUB,   0, LOAD, 1, ADD,   0, STORE,   0,  /* sum = that, - n, + n */
    LOAD,  1, PUSH,  1, ADD,  0, STORE, 1,              /* n = n + 1 */
    LOAD,  1, LOAD,  2, LESS, 0, JUMP_IF, 8, HALT,  0,  /* again while n < limit */
};

static NOINLINE uint32_t interpret(const uint8_t *code, uint32_t limit) {
  uint32_t stack[16];
  uint32_t variable[4] = {0, 0, limit, 0};
  uint32_t *top = stack;
  const uint8_t *pc = code;
  for (;;) {
    uint8_t operand = pc[1];
    switch (*pc) {
      case PUSH: *top++ = operand; break;
      case LOAD: *top++ = variable[operand]; break;
      case STORE: variable[operand] = *--top; break;
      case ADD: top--; top[-1] += top[0]; break;
      case SUB: top--; top[-1] -= top[0]; break;
      case XOR: top--; top[-1] ^= top[0]; break;
      case LESS: top--; top[-1] = top[-1] < top[0]; break;
      case JUMP_IF:
        if (*--top) {
          pc = code + operand;
          continue;
        }
        break;
      default: return variable[0];
    }
    pc += 2;
  }
}

static uint32_t run_interp(void) { return interpret(program, 100000); }

/* fnptr: calls through a table, the next one chosen by the last result. */
static NOINLINE uint32_t f_add(uint32_t x) { return x + 0x9e3779b9u; }
static NOINLINE uint32_t f_rotate(uint32_t x) { return rotate_left(x, 11) + 1; }
static NOINLINE uint32_t f_xor(uint32_t x) { return x ^ (x >> 15); }
static NOINLINE uint32_t f_multiply(uint32_t x) { return x * 2246822519u; }
static NOINLINE uint32_t f_negate(uint32_t x) { return ~x + 17; }
static NOINLINE uint32_t f_swap(uint32_t x) { return (x >> 16) | (x << 16); }
static NOINLINE uint32_t f_mask(uint32_t x) { return x - (x & 0x00ff00ffu); }
static NOINLINE uint32_t f_shift(uint32_t x) { return x + (x << 5) + 3; }

static uint32_t (*const volatile table[8])(uint32_t) = {f_add, f_rotate, f_xor, f_multiply, f_negate, f_swap, f_mask, f_shift};

static uint32_t run_fnptr(void) {
  uint32_t x = 1;
  for (uint32_t n = 0; n < 800000; n++) x = table[(x ^ n) & 7](x);
  return x;
}

/* fib: calls and returns. */
static NOINLINE uint32_t fib(uint32_t n) {
  if (n < 2) return n;
  uint32_t (*volatile self)(uint32_t) = fib;
  return self(n - 1) + self(n - 2);
}

static uint32_t run_fib(void) { return fib(25); }

/* sieve: byte stores with a stride; counts the primes below a million. */
static uint32_t run_sieve(void) {
  enum { LIMIT = 1000000 };
  uint8_t *composite = arena(0);
  uint32_t count = 0;
  for (uint32_t n = 0; n < LIMIT; n++) composite[n] = 0;
  for (uint32_t n = 2; n < LIMIT; n++) {
    if (composite[n]) continue;
    count++;
    for (uint32_t m = n + n; m < LIMIT; m += n) composite[m] = 1;
  }
  return count;
}

/* qsort: unpredictable branches over 400 KB. */
static void quicksort(uint32_t *low, uint32_t *high) {
  while (high - low > 8) {
    uint32_t pivot = low[(high - low) / 2];
    uint32_t *i = low;
    uint32_t *j = high - 1;
    for (;;) {
      while (*i < pivot) i++;
      while (pivot < *j) j--;
      if (i >= j) break;
      uint32_t x = *i;
      *i++ = *j;
      *j-- = x;
    }
    quicksort(low, i);
    low = i;
  }
  for (uint32_t *i = low + 1; i < high; i++) {
    uint32_t x = *i;
    uint32_t *j = i;
    for (; j > low && j[-1] > x; j--) *j = j[-1];
    *j = x;
  }
}

static uint32_t run_qsort(void) {
  enum { COUNT = 100000 };
  uint32_t *list = (uint32_t *)arena(0);
  uint32_t seed = 2463534242u;
  for (uint32_t k = 0; k < COUNT; k++) list[k] = next_random(&seed);
  quicksort(list, list + COUNT);
  uint32_t check = 0;
  for (uint32_t k = 1; k < COUNT; k++) {
    if (list[k - 1] > list[k]) return 0;
    check = rotate_left(check, 1) ^ list[k];
  }
  return check;
}

const struct bench kernels[] = {
    {"alu", "kernel", 0, run_alu},     {"core", "kernel", 0, run_core},   {"ldst", "kernel", 0, run_ldst},
    {"interp", "kernel", 0, run_interp}, {"fnptr", "kernel", 0, run_fnptr}, {"fib", "kernel", 0, run_fib},
    {"sieve", "kernel", 0, run_sieve}, {"qsort", "kernel", 0, run_qsort}, {"sha256", "kernel", 0, run_sha256},
    {0, 0, 0, 0},
};
