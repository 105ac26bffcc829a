/**
 * How each of kvm-unit-tests' programs is run, as its own configuration runs it, but for what belongs to KVM. A program
 * that is not named here runs with the defaults; those that judge KVM's own inventions, SVM or QEMU's devices are left out.
 */

export interface Settings {
  budget: number;
  append: string;
  cpu: string;
  memory: string;
  smp: number;
  machine: 'pc' | 'microvm';
  /**
   * 1 tells the program by a file of its environment that it runs on a bare processor: no hypervisor answers VMCALL.
   */
  bare: number;
}

export interface Suite extends Partial<Settings> {
  name: string;
  /** The file without .flat; the name where absent. */
  file?: string;
}

const NO_BUDGET = 1e12;
const TIMER = 'max,+tsc-deadline';

const vmexit = (append: string, settings: Partial<Settings> = {}): Suite => ({
  name: `vmexit_${append}`,
  file: 'vmexit',
  append,
  budget: NO_BUDGET,
  ...settings,
});

export const SUITES: readonly Suite[] = [
  { name: 'x2apic', file: 'apic', smp: 2, cpu: `${TIMER},+x2apic`, bare: 1, budget: NO_BUDGET },
  { name: 'xapic', file: 'apic', smp: 2, cpu: `${TIMER},-x2apic`, bare: 1, budget: NO_BUDGET },
  { name: 'ioapic', smp: 4 },
  { name: 'smptest', smp: 2 },
  { name: 'smptest3', file: 'smptest', smp: 3 },
  vmexit('cpuid'),
  vmexit('mov_from_cr8'),
  vmexit('mov_to_cr8'),
  vmexit('inl_from_pmtimer'),
  vmexit('ipi', { smp: 2 }),
  vmexit('ipi_halt', { smp: 2 }),
  vmexit('ple_round_robin'),
  vmexit('tscdeadline', { cpu: TIMER }),
  vmexit('tscdeadline_immed', { cpu: TIMER }),
  vmexit('toggle_cr0_wp', { smp: 2 }),
  vmexit('toggle_cr4_pge', { smp: 2 }),
  // An Intel processor of few features.
  { name: 'msr64', file: 'msr', cpu: 'qemu64,vendor=GenuineIntel' },
  { name: 'hpet_read_test', smp: 4 },
  { name: 'pcid-disabled', file: 'pcid', cpu: 'max,-pcid,-invpcid' },
  { name: 'pcid-asymmetric', file: 'pcid', cpu: 'max,-pcid,+invpcid' },
  // On a pc IRQ 11 is a wire of PCI: the program withdraws the level, and waits for the timer that a BIOS leaves running.
  { name: 'realmode', machine: 'microvm' },
  // SYSCALL in compatibility mode is AMD's.
  { name: 'syscall', cpu: 'qemu64' },
  { name: 'sieve', budget: NO_BUDGET },
  { name: 'access_test', budget: NO_BUDGET },
];

/** Programs that judge something else than a processor and its board. */
const LEFT_OUT = /^(asyncpf|hyperv_.*|kvmclock_test|vmware_backdoors|pmu.*|svm.*|intel-iommu|init|vmx|vmexit|apic)$/;

/** The suites of a folder with these programs, named or all. */
export function suitesOf(files: readonly string[], names: readonly string[]): Suite[] {
  const described = SUITES.filter(({ name, file = name }) => files.includes(file));
  const others = files.filter((file) => !SUITES.some(({ name }) => name === file) && !LEFT_OUT.test(file));
  const all: Suite[] = [...described, ...others.map((name) => ({ name }))];
  if (names.length === 0) return all;
  return names.map((name) => {
    const suite = all.find((one) => one.name === name) ?? (files.includes(name) ? { name } : undefined);
    if (!suite) throw new Error(`there is no ${name}.flat, and no suite of that name for the files there are`);
    return suite;
  });
}

/** The words on the command line that differ from the defaults. */
export function wordsOf({ append, cpu, smp, machine, bare }: Suite): string {
  const words = [
    machine ? `-M ${machine}` : '',
    smp ? `-smp ${smp}` : '',
    cpu ? `-cpu ${cpu}` : '',
    append ? `-append ${append}` : '',
    bare ? '-initrd env' : '',
  ];
  return words.filter((word) => word !== '').join(' ');
}
