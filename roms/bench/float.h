/* The floating-point and SIMD kernels. Each switches the unit it needs on when it first runs. */
#ifndef FLOAT_H
#define FLOAT_H
#include "bench.h"

/* CR0.MP, no EM, no TS; FNINIT. */
void enable_x87(void);
/* CR4.OSFXSR and OSXMMEXCPT besides. */
void enable_sse(void);
/* CR4.OSXSAVE and XCR0 besides. */
void enable_avx(void);

uint32_t run_mandel87(void);
uint32_t run_nbody(void);
uint32_t run_chacha(void);
uint32_t run_matmul(void);
uint32_t run_shani(void);
#endif
