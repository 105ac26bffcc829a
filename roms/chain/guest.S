/*
 * A disk for a guest of the chain loader, or for any PC: prints what it sees, by INT 10h, and reads its next sector. Ends the
 * machine by isa-debug-exit at F4h, with code 0 where all went well.
 */
        .code16
        .text
        .globl _start
_start: ljmp $0, $1f
1:      xor %ax, %ax
        mov %ax, %ds
        mov %ax, %es
        mov %ax, %ss
        mov $0x7c00, %sp
        cld
        mov %dl, disk
        mov $begins, %si
        call say
        mov disk, %al
        call byte
        mov $base, %si
        call say
        int $0x12
        push %ax
        mov %ah, %al
        call byte
        pop %ax
        call byte
        mov $1, %eax
        cpuid
        push %ecx
        mov $vmx, %si
        call say
        pop %ecx
        shr $5, %cx
        and $1, %cl
        mov %cl, %al
        call byte
        mov $0x40000000, %eax
        cpuid
        mov %ebx, name
        mov %ecx, name + 4
        mov %edx, name + 8
        mov $monitor, %si
        call say
/* Protected mode and back: the next sector is read afterwards. */
        cli
        lgdt gdt_pointer
        mov %cr0, %eax
        or $1, %al
        mov %eax, %cr0
        mov $8, %bx
        mov %bx, %fs
        mov $0x100000, %ebx
        mov %fs:(%ebx), %ecx
        and $0xfe, %al
        mov %eax, %cr0
        xor %bx, %bx
        mov %bx, %fs
        sti
        mov $0x0201, %ax
        mov $0x0002, %cx
        mov disk, %dl
        xor %dh, %dh
        mov $0x7e00, %bx
        int $0x13
        sbb %al, %al
        jc 2f
        push %ax
        mov $0x7e00, %si
        call say
        pop %ax
2:      and $1, %al
        out %al, $0xf4
        cli
        hlt
        jmp 2b
byte:   push %ax
        shr $4, %al
        call digit
        pop %ax
digit:  and $0x0f, %al
        cmp $10, %al
        sbb $0x69, %al
        das
        jmp put
say:    lodsb
        test %al, %al
        jz 3f
        call put
        jmp say
put:    mov $0x0e, %ah
        mov $7, %bx
        int $0x10
3:      ret
begins: .asciz "guest: disk "
base:   .asciz " base memory "
vmx:    .asciz " vmx "
monitor:
        .ascii " monitor "
name:   .skip 12
        .asciz "\r\n"
disk:   .byte 0
        .align 8
gdt:    .quad 0, 0x00cf93000000ffff
gdt_pointer:
        .word 15
        .long gdt
        .org 510
        .word 0xaa55
        .asciz "guest: the next sector says goodbye\r\n"
        .org 1024
