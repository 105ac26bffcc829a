/* The smallest user of /dev/kvm: a 16-bit guest that writes the squares of 1 to 10 to a port and halts. */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

enum { MEMORY = 0x10000, CODE = 0x1000, PORT = 0x10, COUNT = 10 };

/* mov cx, 1; next: mov ax, cx; mul cx; out PORT, ax; inc cx; cmp cx, COUNT + 1; jne next; hlt */
static const uint8_t code[] = {0xb9, 1, 0, 0x89, 0xc8, 0xf7, 0xe1, 0xe7, PORT, 0x41, 0x83, 0xf9, COUNT + 1, 0x75, 0xf4, 0xf4};

static int fail(const char *what) {
  perror(what);
  return 1;
}

int main(void) {
  int kvm = open("/dev/kvm", O_RDWR);
  if (kvm < 0) return fail("/dev/kvm");
  printf("KVM API %d\n", ioctl(kvm, KVM_GET_API_VERSION, 0));
  int vm = ioctl(kvm, KVM_CREATE_VM, 0);
  if (vm < 0) return fail("KVM_CREATE_VM");
  uint8_t *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  memcpy(memory + CODE, code, sizeof code);
  struct kvm_userspace_memory_region region = {.memory_size = MEMORY, .userspace_addr = (uintptr_t)memory};
  if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0) return fail("KVM_SET_USER_MEMORY_REGION");
  int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
  if (vcpu < 0) return fail("KVM_CREATE_VCPU");
  /* Never run; a VM of two makes KVM say what it thinks of the host's TSC. */
  if (ioctl(vm, KVM_CREATE_VCPU, 1) < 0) return fail("KVM_CREATE_VCPU 1");
  struct kvm_run *run = mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
  struct kvm_sregs sregs;
  ioctl(vcpu, KVM_GET_SREGS, &sregs);
  sregs.cs.base = 0;
  sregs.cs.selector = 0;
  ioctl(vcpu, KVM_SET_SREGS, &sregs);
  struct kvm_regs regs = {.rip = CODE, .rflags = 2, .rsp = 0x8000};
  ioctl(vcpu, KVM_SET_REGS, &regs);
  for (;;) {
    if (ioctl(vcpu, KVM_RUN, 0) < 0) return fail("KVM_RUN");
    if (run->exit_reason == KVM_EXIT_HLT) break;
    if (run->exit_reason != KVM_EXIT_IO || run->io.port != PORT) {
      printf("exit %u, hardware reason %#llx\n", run->exit_reason, (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
      return 1;
    }
    printf("%u ", *(uint16_t *)((uint8_t *)run + run->io.data_offset));
  }
  printf("and the guest halted\n");
  return 0;
}
