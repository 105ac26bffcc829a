/*
 * A disk that boots the next disk as a guest: its first sector loads the hypervisor to the end of conventional memory. The
 * firmware's services are used up to the moment when the guest begins, which goes on using them by itself.
 */
#include "chain.h"
        .code16
        .section .boot, "ax"
        .globl _start
_start: ljmp $0, $1f
1:      xor %ax, %ax
        mov %ax, %ds
        mov %ax, %ss
        mov $BOOT_SECTOR, %sp
        cld
        mov $packet, %si
        mov $0x42, %ah
        int $0x13
        jc 2f
        ljmp $SEGMENT, $(prepare - BASE)
2:      mov $failed, %si
3:      lodsb
        test %al, %al
        jz 4f
        mov $0x0e, %ah
        mov $7, %bx
        int $0x10
        jmp 3b
4:      cli
        hlt
        jmp 4b
failed: .asciz "chain: the hypervisor cannot be read\r\n"
packet: .byte 16, 0
        .word image_sectors, 0, SEGMENT
        .quad 1
        .org 510
        .word 0xaa55
