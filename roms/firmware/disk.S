/*
 * INT 13h: the machine's disks as hard disks 80h on, by cylinder, head and sector, and by "Enhanced Disk Drive
 * Specification" (Phoenix, version 1.1). The machine moves the sectors: see src/devices/firmware-services.ts.
 */
#include "firmware.h"
        .code16
        .text
#define READ 0
#define WRITE 1
#define VERIFY 2
#define BAD_COMMAND 0x01
#define NO_SECTOR 0x04
/* Offsets in the request and in a disk's geometry. */
#define RQ_DISK 1
#define RQ_COUNT 2
#define RQ_BUFFER 4
#define RQ_SECTOR 8
#define G_CYLINDERS 8
#define G_HEADS 10
#define G_SECTORS 12
/* The disk address packet of the extensions. */
#define DAP_COUNT 2
#define DAP_BUFFER 4
#define DAP_SECTOR 8
#define DAP_FLAT 16

        .globl int13
/* DI is the disk's geometry in the EBDA from here on. */
int13:  enter_service
        mov R_DL(%bp), %al
        sub $0x80, %al
        jb 1f
        cmp %fs:DISKS, %al
        jae 1f
        mov %al, %fs:REQUEST + RQ_DISK
        xor %ah, %ah
        shl $4, %ax
        mov %ax, %di
        add $GEOMETRY, %di
        mov $functions, %si
        jmp 2f
1:      mov $absent, %si
2:      mov R_AH(%bp), %al
        call dispatch
        leave_service

functions:
        function 0x00, success
        function 0x01, last_status
        function 0x02, read_chs
        function 0x03, write_chs
        function 0x04, verify_chs
        function 0x08, parameters
        function 0x09, success
        function 0x0c, success
        function 0x0d, success
        function 0x10, success
        function 0x11, success
        function 0x14, success
        function 0x15, disk_type
        function 0x41, extensions
        function 0x42, read_lba
        function 0x43, write_lba
        function 0x44, verify_lba
        function 0x47, success
        function 0x48, parameters_lba
        function 0x4e, success
        otherwise bad_command

/* Of drives that are not there only the controller can be reset, and asked what there is. */
absent: function 0x00, success
        function 0x15, no_disk
        otherwise bad_command

bad_command:
        mov $BAD_COMMAND, %ah
        jmp finish
success:
        xor %ah, %ah
/* Ends with the status %ah. */
finish: mov %ah, DISK_STATUS
        mov %ah, R_AH(%bp)
        test %ah, %ah
        jz clear_carry
        jmp set_carry

last_status:
        mov DISK_STATUS, %ah
        mov %ah, R_AH(%bp)
        test %ah, %ah
        jz clear_carry
        jmp set_carry

no_disk:
        movb $0, R_AH(%bp)
        jmp clear_carry
disk_type:
        movb $3, R_AH(%bp)              /* a hard disk */
        mov %fs:(%di), %eax
        mov %ax, R_DX(%bp)
        shr $16, %eax
        mov %ax, R_CX(%bp)
        jmp clear_carry

read_chs:
        mov $READ, %al
        jmp chs
write_chs:
        mov $WRITE, %al
        jmp chs
verify_chs:
        mov $VERIFY, %al
chs:    mov %al, %fs:REQUEST
        movzbw R_AL(%bp), %ax
        mov %ax, %fs:REQUEST + RQ_COUNT
        movzwl R_ES(%bp), %eax
        shl $4, %eax
        movzwl R_BX(%bp), %ecx
        add %ecx, %eax
        mov %eax, %fs:REQUEST + RQ_BUFFER
        movzbl R_CL(%bp), %ecx
        mov %cl, %bl
        and $0x3f, %cx                  /* sector, from 1 */
        jz no_sector
        cmp %fs:G_SECTORS(%di), %cx
        ja no_sector
        movzbl R_DH(%bp), %edx
        cmp %fs:G_HEADS(%di), %dx
        jae no_sector
        movzbl R_CH(%bp), %eax
        shl $2, %bx
        and $3, %bh                     /* bits 9 and 8 of the cylinder are bits 7 and 6 of CL */
        mov %bh, %ah
        cmp %fs:G_CYLINDERS(%di), %ax
        jae no_sector
        movzwl %fs:G_HEADS(%di), %ebx
        push %edx
        mul %ebx
        pop %edx
        add %edx, %eax
        movzwl %fs:G_SECTORS(%di), %ebx
        mul %ebx
        add %ecx, %eax
        dec %eax
        mov %eax, %fs:REQUEST + RQ_SECTOR
        movl $0, %fs:REQUEST + RQ_SECTOR + 4
        call transfer
        jmp finish
no_sector:
        mov $NO_SECTOR, %ah
        jmp finish

/* The machine serves the request; its status comes back in %ah. A disk that takes its time is asked again. */
transfer:
        xor %eax, %eax
        mov %fs, %ax
        shl $4, %eax
        add $REQUEST, %eax
        mov $DISK_PORT, %dx
        outl %eax, %dx
        mov $DISK_STATUS_PORT, %dx
1:      inb %dx, %al
        mov %al, %ah
        cmp $DISK_BUSY, %al
        jne 2f
        sti
        jmp 1b
2:      ret

parameters:
        mov %fs:G_CYLINDERS(%di), %ax
        dec %ax
        mov %al, R_CH(%bp)
        shl $6, %ah
        or %fs:G_SECTORS(%di), %ah
        mov %ah, R_CL(%bp)
        mov %fs:G_HEADS(%di), %al
        dec %al
        mov %al, R_DH(%bp)
        mov %fs:DISKS, %al
        mov %al, R_DL(%bp)
        movb $0, R_AL(%bp)
        jmp success

extensions:
        cmpw $0x55aa, R_BX(%bp)
        jne bad_command
        movw $0xaa55, R_BX(%bp)
        movw $1, R_CX(%bp)              /* access by packets */
        movb $0, DISK_STATUS
        movb $0x21, R_AH(%bp)           /* version 1.1 */
        jmp clear_carry

read_lba:
        mov $READ, %al
        jmp lba
write_lba:
        mov $WRITE, %al
        jmp lba
verify_lba:
        mov $VERIFY, %al
lba:    mov %al, %fs:REQUEST
        mov R_SI(%bp), %si
        mov R_DS(%bp), %es
        cmpb $16, %es:(%si)
        jb bad_command
        mov %es:DAP_COUNT(%si), %ax
        mov %ax, %fs:REQUEST + RQ_COUNT
        mov %es:DAP_BUFFER(%si), %eax
        cmp $-1, %eax
        jne 1f
        cmpb $24, %es:(%si)
        jb bad_command
        cmpl $0, %es:DAP_FLAT + 4(%si)
        jne bad_command
        mov %es:DAP_FLAT(%si), %eax
        jmp 2f
1:      movzwl %ax, %ecx
        shr $16, %eax
        shl $4, %eax
        add %ecx, %eax
2:      mov %eax, %fs:REQUEST + RQ_BUFFER
        mov %es:DAP_SECTOR(%si), %eax
        mov %eax, %fs:REQUEST + RQ_SECTOR
        mov %es:DAP_SECTOR + 4(%si), %eax
        mov %eax, %fs:REQUEST + RQ_SECTOR + 4
        call transfer
        test %ah, %ah
        jz finish
        movw $0, %es:DAP_COUNT(%si)
        jmp finish

parameters_lba:
        mov R_SI(%bp), %si
        mov R_DS(%bp), %es
        cmpw $26, %es:(%si)
        jb bad_command
        movl $0x0002001a, %es:(%si)     /* 26 bytes; the geometry is valid */
        movzwl %fs:G_CYLINDERS(%di), %eax
        mov %eax, %es:4(%si)
        movzwl %fs:G_HEADS(%di), %eax
        mov %eax, %es:8(%si)
        movzwl %fs:G_SECTORS(%di), %eax
        mov %eax, %es:12(%si)
        mov %fs:(%di), %eax
        mov %eax, %es:16(%si)
        mov %fs:4(%di), %eax
        mov %eax, %es:20(%si)
        movw $512, %es:24(%si)
        jmp success
