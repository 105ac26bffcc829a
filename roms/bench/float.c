/* The list of floating-point and SIMD kernels, and how their units are switched on (SDM Vol. 3A, "Control Registers"). */
#include "float.h"

enum { CR0_MP = 2, CR0_EM = 4, CR0_TS = 8, CR4_OSFXSR = 0x200, CR4_OSXMMEXCPT = 0x400, CR4_OSXSAVE = 0x40000 };

static void set_cr4(word bits) {
  word cr4;
  __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
  __asm__ volatile("mov %0, %%cr4" ::"r"(cr4 | bits));
}

void enable_x87(void) {
  word cr0;
  __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
  __asm__ volatile("mov %0, %%cr0" ::"r"((cr0 | CR0_MP) & ~(word)(CR0_EM | CR0_TS)));
  __asm__ volatile("fninit");
}

void enable_sse(void) {
  enable_x87();
  set_cr4(CR4_OSFXSR | CR4_OSXMMEXCPT);
}

void enable_avx(void) {
  enable_sse();
  set_cr4(CR4_OSXSAVE);
  __asm__ volatile("xsetbv" ::"a"(7), "d"(0), "c"(0));
}

const struct bench floats[] = {
    {"mandel87", "float", 0, run_mandel87},
    {"nbody", "float", 0, run_nbody},
    {"chacha", "float", 0, run_chacha},
#ifdef __x86_64__
    {"matmul", "float", 0, run_matmul},
    {"shani", "float", 0, run_shani},
#endif
    {0, 0, 0, 0},
};
