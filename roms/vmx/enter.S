/* The registers that a C function gives back as they were. */
        .macro push_saved
        push %rbx
        push %rbp
        push %r12
        push %r13
        push %r14
        push %r15
        .endm
        .macro pop_saved
        pop %r15
        pop %r14
        pop %r13
        pop %r12
        pop %rbp
        pop %rbx
        .endm
        .text
/* The round trip: int vmx_enter(struct registers *, int launched). 0: a VM exit came back; 1: the entry failed. */
        .globl vmx_enter, vmx_exited
vmx_enter:
        push_saved
        push %rdi
        mov $0x6c14, %eax               /* HOST_RSP */
        vmwrite %rsp, %rax
        test %esi, %esi
        mov (%rdi), %rax
        mov 8(%rdi), %rcx
        mov 16(%rdi), %rdx
        mov 24(%rdi), %rbx
        mov 40(%rdi), %rbp
        mov 48(%rdi), %rsi
        mov 64(%rdi), %r8
        mov 72(%rdi), %r9
        mov 80(%rdi), %r10
        mov 88(%rdi), %r11
        mov 96(%rdi), %r12
        mov 104(%rdi), %r13
        mov 112(%rdi), %r14
        mov 120(%rdi), %r15
        mov 56(%rdi), %rdi
        jnz 1f
        vmlaunch
        jmp 2f
1:      vmresume
2:      pop %rdi
        mov $1, %eax
        jmp 3f
vmx_exited:                             /* RSP is what HOST_RSP says: the address of the registers is on top */
        push %rdi
        mov 8(%rsp), %rdi
        mov %rax, (%rdi)
        mov %rcx, 8(%rdi)
        mov %rdx, 16(%rdi)
        mov %rbx, 24(%rdi)
        mov %rbp, 40(%rdi)
        mov %rsi, 48(%rdi)
        mov %r8, 64(%rdi)
        mov %r9, 72(%rdi)
        mov %r10, 80(%rdi)
        mov %r11, 88(%rdi)
        mov %r12, 96(%rdi)
        mov %r13, 104(%rdi)
        mov %r14, 112(%rdi)
        mov %r15, 120(%rdi)
        pop %rax
        mov %rax, 56(%rdi)
        pop %rdi
        xor %eax, %eax
3:      pop_saved
        ret

/*
 * The loop: int vmx_loop(struct registers *, int (*handler)(struct registers *), int launched). The registers are where the
 * processor's stack begins on a VM exit, so that pushing them is keeping them.
 */
        .globl vmx_loop
vmx_loop:
        push_saved
        push %rsi                       /* the handler */
        mov %rsp, stack(%rip)
        lea 128(%rdi), %rcx
        mov $0x6c14, %eax               /* HOST_RSP */
        vmwrite %rcx, %rax
        lea looped(%rip), %rcx
        mov $0x6c16, %eax               /* HOST_RIP */
        vmwrite %rcx, %rax
        mov %rdi, %rsp
        test %edx, %edx
1:      pop %rax
        pop %rcx
        pop %rdx
        pop %rbx
        lea 8(%rsp), %rsp
        pop %rbp
        pop %rsi
        pop %rdi
        pop %r8
        pop %r9
        pop %r10
        pop %r11
        pop %r12
        pop %r13
        pop %r14
        pop %r15
        jz 2f
        vmresume
        jmp 3f
2:      vmlaunch
3:      mov stack(%rip), %rsp
        mov $-1, %eax
        jmp 4f
looped: push %r15
        push %r14
        push %r13
        push %r12
        push %r11
        push %r10
        push %r9
        push %r8
        push %rdi
        push %rsi
        push %rbp
        lea -8(%rsp), %rsp
        push %rbx
        push %rdx
        push %rcx
        push %rax
        mov %rsp, %rbx                  /* the handler keeps it */
        mov %rsp, %rdi
        mov stack(%rip), %rsp
        call *(%rsp)
        test %eax, %eax
        jz 4f
        mov %rbx, %rsp
        jmp 1b
4:      pop %rsi
        pop_saved
        ret
        .bss
stack:  .quad 0
