/* Multiboot entry of a 32-bit guest: a stack and a flat GDT of its own, then kmain(info). */
        .section .multiboot, "ax"
        .align 4
        .long 0x1badb002, 0, -0x1badb002

        .text
        .globl _start
_start: cld
        mov $stack_top, %esp
        lgdt gdt_pointer
        ljmp $0x08, $1f
1:      mov $0x10, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %ss
        xor %eax, %eax
        mov %eax, %fs
        mov %eax, %gs
        push $0
        popf
        push %ebx
        call kmain
2:      hlt
        jmp 2b

        .data
        .align 8
        .globl gdt
gdt:    .quad 0
        .quad 0x00cf9b000000ffff        /* 0x08 code, ring 0 */
        .quad 0x00cf93000000ffff        /* 0x10 data, ring 0 */
        .quad 0x00cffb000000ffff        /* 0x18 code, ring 3 */
        .quad 0x00cff3000000ffff        /* 0x20 data, ring 3 */
        .quad 0, 0                      /* 0x28 TSS, filled in by those who need it */
gdt_end:
gdt_pointer:
        .word gdt_end - gdt - 1
        .long gdt

        .bss
        .align 16
        .skip 65536
stack_top:
