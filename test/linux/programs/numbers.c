/* Prints results of vectorised, fused, x87 and string code: the same on every processor that computes as IEEE 754 says. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 48 };
static double a[N][N], b[N][N], c[N][N];
static float f[1024], g[1024];
static uint32_t state = 12345;

static uint32_t next(void) { return state = state * 1664525u + 1013904223u; }

static void matrices(void) {
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) a[i][j] = next() / 4294967296.0, b[i][j] = next() / 65536.0;
  for (int i = 0; i < N; i++)
    for (int k = 0; k < N; k++)
      for (int j = 0; j < N; j++) c[i][j] = fma(a[i][k], b[k][j], c[i][j]);
  double trace = 0;
  for (int i = 0; i < N; i++) trace += c[i][i];
  printf("matrix %.17g %a\n", trace, c[7][11]);
}

static void singles(void) {
  for (int i = 0; i < 1024; i++) f[i] = (float)(next() >> 8) / 3.0f, g[i] = (float)i - 500.25f;
  float dot = 0, most = 0;
  for (int i = 0; i < 1024; i++) dot += f[i] * g[i], most = fmaxf(most, sqrtf(fabsf(g[i])));
  printf("single %a %a\n", dot, most);
}

static void extended(void) {
  long double sum = 0;
  for (int i = 1; i <= 1000; i++) sum += 1.0L / i / i;
  printf("extended %.20Lg %La\n", sum, sqrtl(sum * 6));
  printf("integers %lld %llu\n", llrintl(sum * 1e15L), (unsigned long long)(sum * 1e18L));
}

static void strings(void) {
  static char text[4096], copy[4096];
  for (int i = 0; i < 4095; i++) text[i] = 'a' + next() % 26;
  memcpy(copy, text, sizeof text);
  memmove(copy + 13, copy, 2000);
  uint32_t hash = 2166136261u;
  for (char *p = copy; *p; p++) hash = (hash ^ (uint8_t)*p) * 16777619u;
  printf("strings %zu %d %ld %u\n", strlen(copy), strcmp(text, copy) > 0, (long)(strchr(copy + 100, 'q') - copy), hash);
}

static int order(const void *x, const void *y) { return (*(const float *)x > *(const float *)y) - (*(const float *)x < *(const float *)y); }

int main(void) {
  matrices();
  singles();
  extended();
  strings();
  qsort(f, 1024, sizeof *f, order);
  printf("sorted %a %a %a\n", f[0], f[512], f[1023]);
  printf("decimal %.3f %e %g %s\n", 1e22 / 3, 2.2250738585072014e-308, 0.1, "done");
  return 0;
}
