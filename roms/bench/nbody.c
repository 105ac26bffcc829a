/* nbody: five bodies under gravity, scalar SSE2 doubles; the bits of the energy-like sum at the end. */
#include "float.h"

enum { BODIES = 5, STEPS = 8000 };

struct body {
  double x[3], v[3], mass;
};

static struct body bodies[BODIES];

static double square_root(double x) {
  double y;
  __asm__("sqrtsd %1, %0" : "=x"(y) : "x"(x));
  return y;
}

static void place(void) {
  for (int i = 0; i < BODIES; i++) {
    struct body *b = &bodies[i];
    b->mass = 1.0 / (1 + i);
    for (int k = 0; k < 3; k++) {
      b->x[k] = (double)((i * 7 + k * 3) % 11) - 5;
      b->v[k] = (double)((i * 5 + k * 2) % 7 - 3) / 16;
    }
  }
}

static void step(double dt) {
  for (int i = 0; i < BODIES; i++) {
    for (int j = i + 1; j < BODIES; j++) {
      double d[3];
      double distance2 = 0.01;
      for (int k = 0; k < 3; k++) {
        d[k] = bodies[i].x[k] - bodies[j].x[k];
        distance2 += d[k] * d[k];
      }
      double pull = dt / (distance2 * square_root(distance2));
      for (int k = 0; k < 3; k++) {
        bodies[i].v[k] -= d[k] * bodies[j].mass * pull;
        bodies[j].v[k] += d[k] * bodies[i].mass * pull;
      }
    }
  }
  for (int i = 0; i < BODIES; i++) {
    for (int k = 0; k < 3; k++) bodies[i].x[k] += dt * bodies[i].v[k];
  }
}

uint32_t run_nbody(void) {
  enable_sse();
  place();
  for (int n = 0; n < STEPS; n++) step(0.001);
  double sum = 0;
  for (int i = 0; i < BODIES; i++) {
    for (int k = 0; k < 3; k++) sum += bodies[i].mass * bodies[i].v[k] * bodies[i].v[k] + bodies[i].x[k];
  }
  union {
    double value;
    uint32_t half[2];
  } bits = {sum};
  return bits.half[0] ^ bits.half[1];
}
