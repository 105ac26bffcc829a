/*
 * A hypervisor that runs the next disk as its guest: it gives the guest the whole machine but its own memory, and takes part
 * only where VMX insists (SDM Vol. 3C, "VMX Non-Root Operation").
 */
#include "chain.h"
#include "../vmx/vmx.h"

enum { EXIT_TRIPLE_FAULT = 2, EXIT_INVD = 13, EXIT_VMCLEAR = 19, EXIT_VMXON = 27, EXIT_RDMSR = 31, EXIT_WRMSR = 32, EXIT_INVEPT = 50, EXIT_INVVPID = 53, EXIT_XSETBV = 55 };
enum { ENTRY_FAILED = 0x80000000u };
enum { MSR_BITMAPS = 1 << 28, UNRESTRICTED = 1 << 7 };
/* Instructions that a guest would lack without these. */
enum { ENABLE_RDTSCP = 1 << 3, ENABLE_INVPCID = 1 << 12, ENABLE_XSAVES = 1 << 20 };
enum { SAVE_EFER = 1 << 20, IA32E_GUEST = 1 << 9 };
enum { MSR_SECONDARY = 0x48b, MSR_EPT = 0x48c, EPT_1G = 1 << 17 };
enum more_fields {
  MSR_BITMAP = 0x2004, GUEST_PDPTE0 = 0x280a, CR0_MASK = 0x6000, CR4_MASK = 0x6002, CR0_SHADOW = 0x6004, CR4_SHADOW = 0x6006,
};
#define FIELD(name) ((enum field)(name))
enum { CR0_PE = 1, CR0_ET = 0x10, CR0_NE = 0x20, CR0_PG = 0x80000000u, CR4_PAE = 0x20, CR4_VMXE = 0x2000, CR4_OSXSAVE = 0x40000, CR4_PKE = 0x400000 };
enum { EFER_LME = 0x100, EFER_LMA = 0x400 };
enum { UD = 6, GP = 13 };
enum { RIGHTS_CODE16 = 0x9b, RIGHTS_DATA16 = 0x93, RIGHTS_TSS = 0x8b, UNUSABLE = 0x10000 };
enum { PAGE = 0x1000, LARGE = 0x200000, RWX = 7, RX = 5, WRITE_BACK = 6 << 3, IS_LARGE = 0x80, WALK_4 = 3 << 3, STRUCTURES_WB = 6 };
#define GIB 0x40000000ull
#define FOUR_GIB 0x100000000ull

extern struct { uint64_t base, length; uint32_t type; } __attribute__((packed)) map[];
extern uint16_t map_count;

static uint64_t ept_pml4[512], ept_pdpt[512], ept_pd[4][512], ept_pt[512], msr_bitmap[512], blank[512] __attribute__((aligned(4096)));

/* Where RAM below 4 GiB ends: behind it lie devices. */
static uint64_t ram_end(void) {
  uint64_t end = 0;
  for (int n = 0; n < map_count; n++) {
    uint64_t last = map[n].base + map[n].length;
    if (map[n].type == 1 && last <= FOUR_GIB && last > end) end = last;
  }
  return end;
}

/*
 * Guest-physical addresses are the machine's own. Of the hypervisor's memory there is the page of its services alone: the
 * others read as zeros, since kernels look for tables of the firmware up to 1 MiB, and nothing can be written there.
 */
static void map_guest(void) {
  uint64_t end = ram_end();
  ept_pml4[0] = (word)ept_pdpt | RWX;
  for (uint64_t n = 0; n < 4; n++) ept_pdpt[n] = (word)ept_pd[n] | RWX;
  if (rdmsr(MSR_EPT) & EPT_1G)
    for (uint64_t n = 4; n < 512; n++) ept_pdpt[n] = n * GIB | IS_LARGE | WRITE_BACK | RWX;
  for (uint64_t n = 0; n < 2048; n++) {
    uint64_t address = n * LARGE;
    ept_pd[n / 512][n % 512] = address | IS_LARGE | (address < end ? WRITE_BACK : 0) | RWX;
  }
  ept_pd[0][0] = (word)ept_pt | RWX;
  for (uint64_t n = 0; n < 512; n++) {
    uint64_t address = n * PAGE;
    int is_screen = address >= 0xa0000 && address < 0xc0000;
    ept_pt[n] = address | (is_screen ? 0 : WRITE_BACK) | RWX;
    if (address >= BASE && address < END) ept_pt[n] = (address == RESIDENT ? address : (word)blank) | WRITE_BACK | RX;
  }
}

/* The state of a PC whose firmware has loaded a boot sector. */
static void real_mode(struct registers *registers) {
  for (int s = 0; s < 8; s++) {
    vmwrite(GUEST_ES_SELECTOR + 2 * s, 0);
    vmwrite(GUEST_ES_BASE + 2 * s, 0);
    vmwrite(GUEST_ES_LIMIT + 2 * s, 0xffff);
    vmwrite(GUEST_ES_RIGHTS + 2 * s, s == 1 ? RIGHTS_CODE16 : s == 6 ? UNUSABLE : s == 7 ? RIGHTS_TSS : RIGHTS_DATA16);
  }
  vmwrite(GUEST_GDTR_BASE, 0);
  vmwrite(GUEST_GDTR_LIMIT, 0xffff);
  vmwrite(GUEST_IDTR_BASE, 0);
  vmwrite(GUEST_IDTR_LIMIT, 0x3ff);
  vmwrite(GUEST_CR0, CR0_ET | CR0_NE);
  vmwrite(FIELD(CR0_MASK), CR0_NE);
  vmwrite(FIELD(CR0_SHADOW), CR0_ET);
  vmwrite(GUEST_CR3, 0);
  vmwrite(GUEST_CR4, CR4_VMXE);
  vmwrite(FIELD(CR4_MASK), CR4_VMXE);
  vmwrite(FIELD(CR4_SHADOW), 0);
  vmwrite(GUEST_EFER, 0);
  vmwrite(GUEST_RFLAGS, 0x202);
  vmwrite(GUEST_RIP, BOOT_SECTOR);
  vmwrite(GUEST_RSP, BOOT_SECTOR);
  vmwrite(ENTRY_CONTROLS, vmread(ENTRY_CONTROLS) & ~(uint64_t)IA32E_GUEST);
  vmwrite(EXIT_CONTROLS, vmread(EXIT_CONTROLS) | SAVE_EFER);
  registers->rdx = 0x80;
}

/* An exception instead of the instruction; real mode has no error codes. */
static void inject(uint32_t vector) {
  int has_code = vector == GP && vmread(GUEST_CR0) & CR0_PE;
  vmwrite(ENTRY_EVENT, 0x80000300 | (has_code ? 0x800 : 0) | vector);
  if (has_code) vmwrite(ENTRY_ERROR_CODE, 0);
}

static struct cpuid cpuid_of(uint32_t leaf, uint32_t subleaf) {
  struct cpuid r;
  __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(subleaf));
  return r;
}

/* The processor's own answers without VMX, with the hypervisor's name, and with the bits that mirror the guest's CR4. */
static void answer_cpuid(struct registers *registers) {
  enum { VMX = 1 << 5, OSXSAVE = 1 << 27, OSPKE = 1 << 4 };
  uint32_t leaf = (uint32_t)registers->rax;
  struct cpuid r = cpuid_of(leaf, (uint32_t)registers->rcx);
  uint64_t cr4 = vmread(GUEST_CR4);
  if (leaf == 1) r.c = (r.c & ~(uint32_t)(VMX | OSXSAVE)) | 1u << 31 | (cr4 & CR4_OSXSAVE ? OSXSAVE : 0);
  if (leaf == 7 && !registers->rcx) r.c = (r.c & ~(uint32_t)OSPKE) | (cr4 & CR4_PKE ? OSPKE : 0);
  if (leaf == 0x40000000) r = (struct cpuid){leaf, 0x69616863, 0x6f6c2d6e, 0x72656461}; /* chain-loader */
  registers->rax = r.a;
  registers->rbx = r.b;
  registers->rcx = r.c;
  registers->rdx = r.d;
  vmx_skip();
}

/* Only NE is the hypervisor's in CR0: the guest believes what it wrote, and VMX operation keeps it set. */
static int write_cr0(uint64_t value) {
  uint64_t efer = vmread(GUEST_EFER);
  if (!(efer & EFER_LMA)) value = (uint32_t)value;
  if (value & CR0_PG && !(value & CR0_PE)) return 0;
  int is_long = value & CR0_PG && efer & EFER_LME;
  uint64_t controls = vmread(ENTRY_CONTROLS) & ~(uint64_t)IA32E_GUEST;
  vmwrite(ENTRY_CONTROLS, controls | (is_long ? IA32E_GUEST : 0));
  vmwrite(GUEST_EFER, (efer & ~(uint64_t)EFER_LMA) | (is_long ? EFER_LMA : 0));
  if (value & CR0_PG && !is_long && vmread(GUEST_CR4) & CR4_PAE) {
    const uint64_t *entries = (const uint64_t *)(vmread(GUEST_CR3) & 0xffffffe0);
    for (int n = 0; n < 4; n++) vmwrite(FIELD(GUEST_PDPTE0 + 2 * n), entries[n]);
  }
  vmwrite(GUEST_CR0, value | CR0_NE | CR0_ET);
  vmwrite(FIELD(CR0_SHADOW), value | CR0_ET);
  return 1;
}

/* "Exit Qualification for Control-Register Accesses": MOV to CR0, and MOV to CR4 that would set VMXE. */
static void answer_control_register(struct registers *registers) {
  uint64_t qualification = vmread(EXIT_QUALIFICATION);
  uint32_t number = qualification >> 8 & 15;
  uint64_t value = number == 4 ? vmread(GUEST_RSP) : (&registers->rax)[number];
  if ((qualification & 0x3f) == 0 && write_cr0(value)) vmx_skip();
  else inject(GP);
}

static void answer_xsetbv(const struct registers *registers) {
  struct cpuid possible = cpuid_of(13, 0);
  uint32_t low = (uint32_t)registers->rax, high = (uint32_t)registers->rdx;
  int is_good = !registers->rcx && low & 1 && !(low & ~possible.a) && !(high & ~possible.d) && !(low & 4 && !(low & 2));
  if (!is_good) {
    inject(GP);
    return;
  }
  __asm__ volatile("xsetbv" ::"a"(low), "d"(high), "c"(0));
  vmx_skip();
}

static int give_up(uint32_t reason) {
  put("chain: the guest ends by exit ");
  put_decimal(reason & 0xffff);
  if (reason & ENTRY_FAILED) put(", a failed entry,");
  put(" qualification ");
  put_hex((uint32_t)vmread(EXIT_QUALIFICATION), 8);
  put(" address ");
  put_hex((uint32_t)vmread(GUEST_PHYSICAL_ADDRESS), 8);
  put(" at ");
  put_hex((uint32_t)vmread(GUEST_RIP), 8);
  put("\r\n");
  return 0;
}

static int serve(struct registers *registers) {
  uint32_t reason = (uint32_t)vmread(EXIT_REASON);
  switch (reason) {
    case EXIT_CPUID: answer_cpuid(registers); break;
    case EXIT_CR_ACCESS: answer_control_register(registers); break;
    case EXIT_XSETBV: answer_xsetbv(registers); break;
    case EXIT_INVD:
      __asm__ volatile("wbinvd");
      vmx_skip();
      break;
    case EXIT_RDMSR: case EXIT_WRMSR: inject(GP); break;
    case EXIT_VMCALL ... EXIT_VMXON: case EXIT_INVEPT: case EXIT_INVVPID: inject(UD); break;
    case EXIT_TRIPLE_FAULT: outb(0xcf9, 6); return 0;
    default: return give_up(reason);
  }
  return 1;
}

void chain(void) {
  struct registers registers = {0};
  struct cpuid features = cpuid(1);
  if (features.c & 1 << 26) {
    word cr4;
    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    __asm__ volatile("mov %0, %%cr4" ::"r"(cr4 | CR4_OSXSAVE));
  }
  vmx_on();
  uint32_t can = rdmsr(MSR_SECONDARY) >> 32;
  uint32_t wished = can & (ENABLE_VPID | ENABLE_RDTSCP | ENABLE_INVPCID | ENABLE_XSAVES);
  vmx_guest(0, 0, MSR_BITMAPS, ENABLE_EPT | UNRESTRICTED | wished);
  map_guest();
  vmwrite(EPT_POINTER, (word)ept_pml4 | WALK_4 | STRUCTURES_WB);
  vmwrite(FIELD(MSR_BITMAP), (word)msr_bitmap);
  real_mode(&registers);
  vmx_serve(&registers, serve);
}
