/* mandel87: the Mandelbrot set in 80-bit x87 arithmetic; the sum of all iteration counts. */
#include "float.h"

enum { COLUMNS = 60, ROWS = 40, LIMIT = 200 };

uint32_t run_mandel87(void) {
  enable_x87();
  uint32_t total = 0;
  for (int row = 0; row < ROWS; row++) {
    for (int column = 0; column < COLUMNS; column++) {
      long double x0 = (long double)column * 3 / COLUMNS - 2;
      long double y0 = (long double)row * 2 / ROWS - 1;
      long double x = 0, y = 0;
      int n = 0;
      while (n < LIMIT && x * x + y * y <= 4) {
        long double t = x * x - y * y + x0;
        y = 2 * x * y + y0;
        x = t;
        n++;
      }
      total += (uint32_t)n;
    }
  }
  return total;
}
