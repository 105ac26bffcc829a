/* matmul: single-precision matrices of 128 x 128 with AVX2 and FMA; the sum of the bits of the diagonal. */
#include "float.h"

typedef float lanes __attribute__((vector_size(32), aligned(32)));
enum { SIZE = 128, LANES = 8, REPEATS = 3 };

uint32_t run_matmul(void) {
  enable_avx();
  float *a = (float *)arena(0), *b = a + SIZE * SIZE, *c = b + SIZE * SIZE;
  for (int k = 0; k < SIZE * SIZE; k++) {
    a[k] = (float)(k % 13) - 6;
    b[k] = (float)(k % 17) / 4;
  }
  for (int repeat = 0; repeat < REPEATS; repeat++) {
    for (int i = 0; i < SIZE; i++) {
      for (int j = 0; j < SIZE; j += LANES) {
        lanes sum = {0};
        for (int k = 0; k < SIZE; k++) {
          float x = a[i * SIZE + k];
          const lanes factor = {x, x, x, x, x, x, x, x};
          sum += factor * *(const lanes *)&b[k * SIZE + j];
        }
        *(lanes *)&c[i * SIZE + j] = sum;
      }
    }
  }
  uint32_t check = 0;
  for (int k = 0; k < SIZE; k++) check += ((const uint32_t *)c)[k * SIZE + k];
  __asm__ volatile("vzeroupper");
  return check;
}
