/* core: a mixture like an embedded benchmark's: a linked list, a small matrix, a scanner of numbers, a CRC. */
#include "bench.h"

struct node {
  struct node *next;
  uint16_t key, value;
};

enum { NODES = 200, SIZE = 12, TEXT = 256 };

static struct node nodes[NODES];
static int16_t left[SIZE][SIZE], right[SIZE][SIZE];
static int32_t product[SIZE][SIZE];
static char text[TEXT];

static uint16_t crc16(uint16_t crc, uint16_t value) {
  for (int bit = 0; bit < 16; bit++) {
    uint16_t odd = (crc ^ value) & 1;
    crc >>= 1;
    value >>= 1;
    if (odd) crc ^= 0xa001;
  }
  return crc;
}

static struct node *merge(struct node *a, struct node *b) {
  struct node head;
  struct node *last = &head;
  while (a && b) {
    struct node **smaller = a->key <= b->key ? &a : &b;
    last->next = *smaller;
    last = *smaller;
    *smaller = (*smaller)->next;
  }
  last->next = a ? a : b;
  return head.next;
}

static struct node *sort(struct node *list, int length) {
  if (length < 2) {
    if (list) list->next = 0;
    return list;
  }
  struct node *middle = list;
  for (int k = 0; k < length / 2; k++) middle = middle->next;
  struct node *rest = sort(middle, length - length / 2);
  return merge(sort(list, length / 2), rest);
}

static struct node *reverse(struct node *list) {
  struct node *result = 0;
  while (list) {
    struct node *next = list->next;
    list->next = result;
    result = list;
    list = next;
  }
  return result;
}

static uint16_t work_list(uint32_t *seed, uint16_t crc) {
  for (int k = 0; k < NODES; k++) {
    uint32_t r = next_random(seed);
    nodes[k] = (struct node){k + 1 < NODES ? &nodes[k + 1] : 0, (uint16_t)r, (uint16_t)(r >> 16)};
  }
  struct node *list = reverse(sort(nodes, NODES));
  for (int k = 0; k < 8; k++) {
    uint16_t wanted = (uint16_t)(next_random(seed) & 0xff);
    const struct node *n = list;
    while (n && (n->value & 0xff) != wanted) n = n->next;
    crc = crc16(crc, n ? n->key : wanted);
  }
  return crc;
}

static uint16_t work_matrix(uint32_t *seed, uint16_t crc) {
  for (int i = 0; i < SIZE; i++) {
    for (int j = 0; j < SIZE; j++) {
      left[i][j] = (int16_t)next_random(seed);
      right[i][j] = (int16_t)(left[i][j] >> 3);
    }
  }
  for (int i = 0; i < SIZE; i++) {
    for (int j = 0; j < SIZE; j++) {
      int32_t sum = 0;
      for (int k = 0; k < SIZE; k++) sum += left[i][k] * right[k][j];
      product[i][j] = sum;
    }
  }
  for (int i = 0; i < SIZE; i++) crc = crc16(crc, (uint16_t)(product[i][i] >> 8));
  return crc;
}

enum state { START, SIGN, INTEGER, FRACTION, EXPONENT, INVALID, STATES };

static enum state next_state(enum state s, char c) {
  int is_digit = c >= '0' && c <= '9';
  switch (s) {
    case START:
      if (is_digit) return INTEGER;
      return c == '-' || c == '+' ? SIGN : INVALID;
    case SIGN: return is_digit ? INTEGER : INVALID;
    case INTEGER:
      if (is_digit) return INTEGER;
      if (c == '.') return FRACTION;
      return c == 'e' ? EXPONENT : INVALID;
    case FRACTION:
      if (is_digit) return FRACTION;
      return c == 'e' ? EXPONENT : INVALID;
    case EXPONENT: return is_digit ? EXPONENT : INVALID;
    default: return INVALID;
  }
}

static uint16_t work_text(uint32_t *seed, uint16_t crc) {
  static const char alphabet[16] = "0123456789.e-+, ";
  for (int k = 0; k < TEXT; k++) text[k] = alphabet[next_random(seed) & 15];
  uint16_t count[STATES] = {0};
  enum state s = START;
  for (int k = 0; k < TEXT; k++) {
    if (text[k] == ',' || text[k] == ' ') {
      count[s]++;
      s = START;
    } else {
      s = next_state(s, text[k]);
    }
  }
  for (int k = 0; k < STATES; k++) crc = crc16(crc, count[k]);
  return crc;
}

uint32_t run_core(void) {
  uint32_t seed = 88172645u;
  uint16_t crc = 0xffff;
  for (int round = 0; round < 150; round++) {
    crc = work_list(&seed, crc);
    crc = work_matrix(&seed, crc);
    crc = work_text(&seed, crc);
  }
  return crc;
}
