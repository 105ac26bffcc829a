/*
 * A small virtual machine monitor on /dev/kvm: boots a bzImage with an initramfs by the 32-bit boot protocol (Linux
 * Documentation/x86/boot.rst). KVM brings interrupt controllers and timer; here are a serial port and the way out.
 *
 *   minivmm KERNEL INITRD COMMAND-LINE
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MEMORY = 96 << 20, PARAMS = 0x10000, CMDLINE = 0x20000, KERNEL = 0x100000, COM1 = 0x3f8, COM1_IRQ = 4, GDT_CODE = 0x10, GDT_DATA = 0x18 };
enum { SETUP_SECTS = 0x1f1, LOADER_TYPE = 0x210, LOADFLAGS = 0x211, RAMDISK = 0x218, RAMDISK_SIZE = 0x21c, CMDLINE_PTR = 0x228, HEADER_END = 0x202, E820_COUNT = 0x1e8, E820 = 0x2d0 };

static uint8_t *memory;
static int vm, vcpu;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static size_t load(const char *path, uint8_t **bytes) {
  struct stat st;
  int fd = open(path, O_RDONLY);
  if (fd < 0 || fstat(fd, &st) < 0) die(path);
  *bytes = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (*bytes == MAP_FAILED) die(path);
  return st.st_size;
}
static void put32(uint8_t *at, uint32_t value) { memcpy(at, &value, 4); }

static void e820(int n, uint64_t base, uint64_t size) {
  uint8_t *at = memory + PARAMS + E820 + 20 * n;
  memcpy(at, &base, 8);
  memcpy(at + 8, &size, 8);
  put32(at + 16, 1);
  memory[PARAMS + E820_COUNT] = n + 1;
}

static void load_linux(const char *kernel, const char *initrd, const char *command_line) {
  uint8_t *image, *disk;
  size_t size = load(kernel, &image), disk_size = load(initrd, &disk);
  size_t setup = (image[SETUP_SECTS] + 1) * 512;
  uint8_t *params = memory + PARAMS;
  memcpy(params + SETUP_SECTS, image + SETUP_SECTS, HEADER_END + image[HEADER_END - 1] - SETUP_SECTS);
  memcpy(memory + KERNEL, image + setup, size - setup);
  uint32_t disk_at = (MEMORY - disk_size) & ~4095u;
  memcpy(memory + disk_at, disk, disk_size);
  strcpy((char *)memory + CMDLINE, command_line);
  params[LOADER_TYPE] = 0xff;
  params[LOADFLAGS] |= 1;
  put32(params + RAMDISK, disk_at);
  put32(params + RAMDISK_SIZE, disk_size);
  put32(params + CMDLINE_PTR, CMDLINE);
  e820(0, 0, 0x9fc00);
  e820(1, 0x100000, MEMORY - 0x100000);
}

/* A serial port that is always ready to send: reads of what a driver looks at, and the transmit interrupt. */
static uint8_t serial[8];
static void irq(int level) {
  struct kvm_irq_level line = {.irq = COM1_IRQ, .level = level};
  ioctl(vm, KVM_IRQ_LINE, &line);
}
static uint8_t serial_in(int r) {
  switch (r) {
    case 2: irq(0); return serial[1] & 2 ? 0xc2 : 0xc1;
    case 5: return 0x60;
    case 6: return 0xb0;
    case 0: return serial[3] & 0x80 ? 1 : 0;
    default: return serial[r];
  }
}
static void serial_out(int r, uint8_t value) {
  if (r == 0 && !(serial[3] & 0x80)) {
    putchar(value);
    fflush(stdout);
  } else serial[r] = value;
  if (r <= 1 && serial[1] & 2) {
    irq(0);
    irq(1);
  }
}

static void io(struct kvm_run *run) {
  uint8_t *data = (uint8_t *)run + run->io.data_offset;
  int r = run->io.port - COM1;
  for (uint32_t n = 0; n < run->io.count; n++, data += run->io.size) {
    if (r >= 0 && r < 8 && run->io.size == 1) {
      if (run->io.direction == KVM_EXIT_IO_IN) *data = serial_in(r);
      else serial_out(r, *data);
    } else if (run->io.direction == KVM_EXIT_IO_IN) memset(data, 0xff, run->io.size);
    else if (run->io.port == 0x64 && *data == 0xfe) {
      printf("minivmm: the guest asked for a reset\n");
      exit(0);
    }
  }
}

static void show_cpuid(int kvm) {
  struct kvm_cpuid2 *cpuid = calloc(1, sizeof *cpuid + 128 * sizeof cpuid->entries[0]);
  cpuid->nent = 128;
  if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid) < 0) die("KVM_GET_SUPPORTED_CPUID");
  for (uint32_t n = 0; n < cpuid->nent; n++) {
    if (cpuid->entries[n].function == 1) cpuid->entries[n].ecx |= 1u << 31;
  }
  if (ioctl(vcpu, KVM_SET_CPUID2, cpuid) < 0) die("KVM_SET_CPUID2");
}

static struct kvm_segment flat(int selector, int type) {
  return (struct kvm_segment){.base = 0, .limit = 0xffffffff, .selector = selector, .type = type, .present = 1, .db = 1, .s = 1, .g = 1};
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  int kvm = open("/dev/kvm", O_RDWR);
  if (kvm < 0) die("/dev/kvm");
  if ((vm = ioctl(kvm, KVM_CREATE_VM, 0)) < 0) die("KVM_CREATE_VM");
  uint64_t identity = 0xfffbc000;
  struct kvm_pit_config pit = {0};
  if (ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, &identity) < 0 || ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000) < 0) die("KVM_SET_TSS_ADDR");
  if (ioctl(vm, KVM_CREATE_IRQCHIP, 0) < 0 || ioctl(vm, KVM_CREATE_PIT2, &pit) < 0) die("KVM_CREATE_IRQCHIP");
  memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  struct kvm_userspace_memory_region region = {.memory_size = MEMORY, .userspace_addr = (uintptr_t)memory};
  if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0) die("KVM_SET_USER_MEMORY_REGION");
  load_linux(argv[1], argv[2], argv[3]);
  if ((vcpu = ioctl(vm, KVM_CREATE_VCPU, 0)) < 0) die("KVM_CREATE_VCPU");
  struct kvm_run *run = mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
  show_cpuid(kvm);
  struct kvm_sregs sregs;
  ioctl(vcpu, KVM_GET_SREGS, &sregs);
  sregs.cs = flat(GDT_CODE, 11);
  sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = flat(GDT_DATA, 3);
  sregs.cr0 |= 1;
  if (ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0) die("KVM_SET_SREGS");
  struct kvm_regs regs = {.rip = KERNEL, .rsi = PARAMS, .rflags = 2};
  if (ioctl(vcpu, KVM_SET_REGS, &regs) < 0) die("KVM_SET_REGS");
  for (;;) {
    if (ioctl(vcpu, KVM_RUN, 0) < 0) die("KVM_RUN");
    switch (run->exit_reason) {
      case KVM_EXIT_IO: io(run); break;
      case KVM_EXIT_MMIO:
        if (!run->mmio.is_write) memset(run->mmio.data, 0xff, sizeof run->mmio.data);
        break;
      case KVM_EXIT_SHUTDOWN: printf("minivmm: the guest is gone\n"); return 0;
      default: printf("minivmm: exit reason %u\n", run->exit_reason); return 1;
    }
  }
}
