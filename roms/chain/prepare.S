/* From real mode, with the firmware's help, to long mode: the memory map, the guest's boot sector, the hooks. */
#include "chain.h"
#define SMAP 0x534d4150
#define AVAILABLE 1
#define RESERVED 2
        .code16
        .text
        .globl prepare
prepare:
        mov %cs, %ax
        mov %ax, %ds
        mov %ax, %es
        mov $(hello - BASE), %si
        call say
/* The firmware's map, with the hypervisor's part of conventional memory reserved. */
        xor %ebx, %ebx
        mov $(map - BASE), %di
1:      mov $0xe820, %eax
        mov $SMAP, %edx
        mov $MAP_ENTRY, %ecx
        int $0x15
        mov $(no_map - BASE), %si
        jc fail
        cmp $SMAP, %eax
        jne fail
        cmpl $0, 4(%di)
        jne 2f
        cmpl $AVAILABLE, 16(%di)
        jne 2f
        cmpl $BASE, (%di)
        jae 2f
        mov (%di), %eax
        add 8(%di), %eax                /* the end */
        cmp $BASE, %eax
        jbe 2f
        cmp $0x100000, %eax
        ja 2f
        mov (%di), %ecx
        neg %ecx
        add $BASE, %ecx
        mov %ecx, 8(%di)
        add $MAP_ENTRY, %di
        incw map_count - BASE
        movl $BASE, (%di)
        movl $0, 4(%di)
        sub $BASE, %eax
        mov %eax, 8(%di)
        movl $0, 12(%di)
        movl $RESERVED, 16(%di)
2:      add $MAP_ENTRY, %di
        incw map_count - BASE
        cmpw $MAP_ENTRIES - 1, map_count - BASE
        jae 3f
        test %ebx, %ebx
        jnz 1b
/* The boot sector of the disk behind this one. */
3:      xor %ax, %ax
        mov %ax, %es
        mov $0x0201, %ax
        mov $BOOT_SECTOR, %bx
        mov $0x0001, %cx
        mov $0x0081, %dx
        int $0x13
        mov $(no_disk - BASE), %si
        jc fail
        cmpw $0xaa55, %es:BOOT_SECTOR + 510
        jne fail
/* Interrupts that hide the hypervisor, and the size of base memory. */
        cli
        mov %es:0x13 * 4, %eax
        mov %eax, old13 - BASE
        mov %es:0x15 * 4, %eax
        mov %eax, old15 - BASE
        movl $(SEGMENT << 16) + int13 - BASE, %es:0x13 * 4
        movl $(SEGMENT << 16) + int15 - BASE, %es:0x15 * 4
        movw $BASE_KIB, %es:0x413
        in $0x92, %al                   /* A20 */
        or $2, %al
        and $0xfe, %al
        out %al, $0x92
        lgdtl gdt_pointer - BASE
        mov %cr0, %eax
        or $1, %al
        mov %eax, %cr0
        ljmpl $0x18, $protected
fail:   call say
1:      cli
        hlt
        jmp 1b
say:    lodsb
        test %al, %al
        jz 1f
        mov $0x0e, %ah
        mov $7, %bx
        int $0x10
        jmp say
1:      ret
hello:  .asciz "chain: the next disk becomes a guest\r\n"
no_map: .asciz "chain: the firmware has no memory map\r\n"
no_disk:
        .asciz "chain: there is no second disk with a boot sector\r\n"

/* The first 4 GiB mapped as they are, by 2 MiB pages. */
        .code32
protected:
        mov $0x10, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %ss
        mov $cleared, %edi
        mov $cleared_end, %ecx
        sub %edi, %ecx
        xor %eax, %eax
        cld
        rep stosb
        mov $stack_top, %esp
        movl $pdpt + 3, pml4
        mov $pdpt, %edi
        mov $pd + 3, %eax
        mov $4, %ecx
1:      mov %eax, (%edi)
        add $4096, %eax
        add $8, %edi
        loop 1b
        mov $pd, %edi
        mov $0x83, %eax                 /* present, writable, 2 MiB */
        mov $2048, %ecx
1:      mov %eax, (%edi)
        add $0x200000, %eax
        add $8, %edi
        loop 1b
        mov %cr4, %eax
        or $0x20, %eax                  /* PAE */
        mov %eax, %cr4
        mov $pml4, %eax
        mov %eax, %cr3
        mov $0xc0000080, %ecx           /* EFER */
        rdmsr
        or $0x100, %eax                 /* LME */
        wrmsr
        mov %cr0, %eax
        or $0x80000000, %eax            /* PG */
        mov %eax, %cr0
        ljmp $0x08, $1f
        .code64
1:      mov $0x10, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %ss
        call chain
2:      cli
        hlt
        jmp 2b

        .data
        .align 8
        .globl gdt
gdt:    .quad 0
        .quad 0x00af9b000000ffff        /* 0x08 code, 64 bits */
        .quad 0x00cf93000000ffff        /* 0x10 data */
        .quad 0x00cf9b000000ffff        /* 0x18 code, 32 bits */
        .quad 0, 0
        .quad 0, 0                      /* 0x30 TSS */
gdt_end:
gdt_pointer:
        .word gdt_end - gdt - 1
        .long gdt

        .bss
        .align 4096
        .globl pml4
pml4:   .skip 4096
pdpt:   .skip 4096
pd:     .skip 4 * 4096
        .skip 4096
stack_top:
