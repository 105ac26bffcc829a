/* The guest that vmx-ept and vmx-shadow run alike: an operating system of two address spaces. */
#ifndef PROGRAM_H
#define PROGRAM_H
#include "vmx.h"

enum { PAGES = 64, ROUNDS = 4, PAGE = 4096, HEAP = 0x20000000 };

/* Guest code: maps PAGES pages at HEAP in two address spaces, writes and sums them in turn, says the sum by VMCALL. */
void program(void);
/* What it must come to. */
uint64_t program_sum(void);
extern uint8_t program_stack[8192];
/* Serves CPUID, and VMCALL, after which it says how many exits there were and leaves. */
void serve(uint32_t reason, struct registers *registers);
/* Counts the exit and names the counted ones at the end. */
void count_exit(uint32_t reason);
#endif
