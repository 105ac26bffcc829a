/* What C cannot say: handlers, the way into ring 3 and back, a loop that patches itself. Both widths. */
        .text
        .globl on_page_fault, on_int80, on_leave_user, on_syscall, in_user_mode, user_int80, user_syscall, patch_own_loop

#ifdef __x86_64__

on_page_fault:                          /* makes the page at CR2 present */
        push %rax
        mov %cr2, %rax
        shr $12, %rax
        lea tables(,%rax,8), %rax
        orl $1, (%rax)
        pop %rax
        add $8, %rsp
        iretq

on_int80:
        add $1, %eax
        iretq

on_syscall:
        add $1, %eax
        sysretq

in_user_mode:                           /* loop in rdi, count in esi */
        push %rbx
        push %rbp
        push %r12
        push %r13
        push %r14
        push %r15
        mov %rsp, kernel_stack
        mov %rsp, tss+4
        xor %eax, %eax
        pushq $0x23
        push $user_stack_top
        pushq $2
        pushq $0x2b
        push %rdi
        iretq

on_leave_user:
        mov kernel_stack, %rsp
        pop %r15
        pop %r14
        pop %r13
        pop %r12
        pop %rbp
        pop %rbx
        ret

user_int80:
        int $0x80
        nop
        dec %esi
        jnz user_int80
        int $0x81

user_syscall:
        syscall
        nop
        dec %esi
        jnz user_syscall
        int $0x81

patch_own_loop:                         /* count in edi */
        xor %eax, %eax
1:      mov %edi, 2f+1(%rip)
2:      mov $0, %ecx
        add %ecx, %eax
        dec %edi
        jnz 1b
        ret

        .bss
kernel_stack: .quad 0
#else

on_page_fault:
        push %eax
        mov %cr2, %eax
        shr $12, %eax
        lea tables(,%eax,4), %eax
        orl $1, (%eax)
        pop %eax
        add $4, %esp
        iret

on_int80:
        add $1, %eax
        iret

on_syscall:
        ret

in_user_mode:
        push %ebx
        push %ebp
        push %esi
        push %edi
        mov %esp, kernel_stack
        mov %esp, tss+4
        mov 20(%esp), %edx
        mov 24(%esp), %esi
        mov $0x23, %eax
        mov %eax, %ds
        mov %eax, %es
        xor %eax, %eax
        push $0x23
        push $user_stack_top
        push $2
        push $0x1b
        push %edx
        iret

on_leave_user:
        mov $0x10, %ecx
        mov %ecx, %ds
        mov %ecx, %es
        mov kernel_stack, %esp
        pop %edi
        pop %esi
        pop %ebp
        pop %ebx
        ret

user_int80:
        int $0x80
        nop
        dec %esi
        jnz user_int80
        int $0x81

user_syscall:
        int $0x81

patch_own_loop:
        mov 4(%esp), %edx
        xor %eax, %eax
1:      mov %edx, 2f+1
2:      mov $0, %ecx
        add %ecx, %eax
        dec %edx
        jnz 1b
        ret

        .bss
kernel_stack: .long 0
#endif
        .align 16
        .skip 4096
user_stack_top:
