/* Multiboot entry of a 64-bit guest: from flat 32-bit mode to long mode with the first GiB mapped, then kmain(info). */
        .section .multiboot, "ax"
        .align 4
        .long 0x1badb002, 0, -0x1badb002

        .text
        .code32
        .globl _start
_start: cld
        mov $stack_top, %esp
        mov $pml4, %eax
        movl $pdpt + 7, (%eax)
        movl $pd + 7, pdpt
        mov $pd, %edi
        mov $0x87, %eax                 /* present, writable, user, 2 MiB */
1:      mov %eax, (%edi)
        add $0x200000, %eax
        add $8, %edi
        cmp $0x40000000, %eax
        jb 1b
        mov %cr4, %eax
        or $0x20, %eax                  /* PAE */
        mov %eax, %cr4
        mov $pml4, %eax
        mov %eax, %cr3
        mov $0xc0000080, %ecx           /* EFER */
        rdmsr
        or $0x101, %eax                 /* LME, SCE */
        wrmsr
        mov %cr0, %eax
        or $0x80000000, %eax            /* PG */
        mov %eax, %cr0
        lgdt gdt_pointer
        ljmp $0x08, $2f
        .code64
2:      mov $0x10, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %ss
        xor %eax, %eax
        mov %eax, %fs
        mov %eax, %gs
        push $0
        popf
        mov %ebx, %edi
        call kmain
3:      hlt
        jmp 3b

        .data
        .align 8
        .globl gdt
gdt:    .quad 0
        .quad 0x00af9b000000ffff        /* 0x08 code, ring 0 */
        .quad 0x00cf93000000ffff        /* 0x10 data, ring 0 */
        .quad 0                         /* 0x18 SYSRET counts from here */
        .quad 0x00cff3000000ffff        /* 0x20 data, ring 3 */
        .quad 0x00affb000000ffff        /* 0x28 code, ring 3 */
        .quad 0, 0                      /* 0x30 TSS, filled in by those who need it */
gdt_end:
gdt_pointer:
        .word gdt_end - gdt - 1
        .long gdt

        .bss
        .align 4096
        .globl pml4, pdpt, pd
pml4:   .skip 4096
pdpt:   .skip 4096
pd:     .skip 4096
        .skip 65536
stack_top:
