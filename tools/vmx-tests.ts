/**
 * Runs the sub-tests of kvm-unit-tests' vmx.flat, one per machine, by the built command in dist/, and prints a table: what
 * docs/vmx-tests.md holds.
 * Usage: tsx tools/vmx-tests.ts VMX.FLAT [GROUP | SUB-TEST ..]
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

const SECONDS = 300;
const EPT_MEMORY = '2560M';
const DEFAULT_MEMORY = '512M';
/** With protection keys the page-fault tests have ten times as many cases. */
const CPU = 'max,+vmx';
const PAGE_FAULT_CPU = `${CPU},-pku`;
/** They need a second processor, which sends what they are about. */
const TWO_PROCESSORS =
  /^(nmi_hlt|vmx_(init|sipi)_signal_test|vmx_posted_interrupts_test|vmx_eoi_bitmap_ioapic_scan_test|vmx_apic_passthrough_thread_test)$/;
/** Its MSR list must lie outside memory. */
const MEMORY: Readonly<Record<string, string>> = { invalid_msr: '256M' };

/** The groups of sub-tests, by what they need: names as the test program's filter takes them. */
// biome-ignore format: words
const GROUPS: Readonly<Record<string, string>> = {
  'M1 basic instructions': `test_vmx_feature_control test_vmxon test_vmptrld test_vmclear test_vmptrst test_vmwrite_vmread
    test_vmcs_high test_vmcs_lifecycle test_vmx_caps test_vmread_flags_touch test_vmwrite_flags_touch`,
  'M1 entry, exit, controls': `null vmenter vmmcall v2_null_test v2_multiple_entries_test fixture_test_case1 fixture_test_case2
    CR_shadowing I/O_bitmap instruction_intercept control_field_PAT control_field_EFER debug_controls disable_RDTSCP
    vmx_cr_load_test vmx_cr4_osxsave_test vmx_no_nm_test vmx_ldtr_test exit_monitor_from_l2_test`,
  'M2 events': `interrupt nmi_hlt vmx_nmi_window_test vmx_intr_window_test vmx_pending_event_test vmx_pending_event_hlt_test
    vmx_exception_test vmx_db_test vmx_mtf_test vmentry_movss_shadow_test vmx_canonical_test`,
  'M2 entry-failure checks': `vmx_controls_test vmx_host_state_area_test vmx_guest_state_area_test vmentry_unrestricted_guest_test
    invalid_msr vmx_cet_test`,
  'M2 MSR lists, TSC, timer': `MSR_switch atomic_switch_max_msrs_test atomic_switch_overflow_msrs_test vmx_store_tsc_test
    rdtsc_vmexit_diff_test preemption_timer vmx_preemption_timer_zero_test vmx_preemption_timer_tf_test
    vmx_preemption_timer_expiry_test`,
  'M2 VPID, page faults, paging': `invvpid_test vmx_pae_test vmx_pse_test vmx_mtf_pdpte_test vmx_pf_exception_test
    vmx_pf_exception_forced_emulation_test vmx_pf_no_vpid_test vmx_pf_invvpid_test vmx_pf_vpid_test`,
  'M3 EPT': `EPT_A/D_disabled EPT_A/D_enabled PML ept_access_test_not_present ept_access_test_read_only ept_access_test_write_only
    ept_access_test_read_write ept_access_test_execute_only ept_access_test_execute_user_only ept_access_test_execute_both
    ept_access_test_read_execute ept_access_test_read_execute_user_only ept_access_test_read_execute_both
    ept_access_test_write_execute ept_access_test_read_write_execute ept_access_test_read_write_execute_user_only
    ept_access_test_read_write_execute_both ept_access_test_reserved_bits ept_access_test_ignored_bits
    ept_access_test_paddr_not_present_ad_disabled ept_access_test_paddr_not_present_ad_enabled
    ept_access_test_paddr_read_only_ad_disabled ept_access_test_paddr_read_only_ad_enabled ept_access_test_paddr_read_write
    ept_access_test_paddr_read_write_execute ept_access_test_paddr_read_execute_ad_disabled
    ept_access_test_paddr_read_execute_ad_enabled ept_access_test_paddr_not_present_page_fault ept_access_test_force_2m_page`,
  'M4 APIC, posted interrupts, SMP, shadowing': `apic_reg_virt_test virt_x2apic_mode_test vmx_basic_vid_test vmx_eoi_virt_test
    vmx_posted_interrupts_test vmx_hlt_with_rvi_test vmx_eoi_bitmap_ioapic_scan_test vmx_apic_passthrough_test
    vmx_apic_passthrough_thread_test vmx_apic_passthrough_tpr_threshold_test vmx_init_signal_test vmx_sipi_signal_test
    vmx_vmcs_shadow_test`,
};

const [flat, ...wanted] = process.argv.slice(2);
if (flat === undefined) {
  console.error('Usage: tsx tools/vmx-tests.ts VMX.FLAT [GROUP | SUB-TEST ..]');
  process.exit(1);
}
const main = join(resolve(import.meta.dirname, '..'), 'dist/cli/main.js');
if (!existsSync(main)) {
  console.error(`${main} is not there: run 'npm run build' first; rows of two processors need its release core`);
  process.exit(1);
}
const names = Object.values(GROUPS).flatMap((group) => group.trim().split(/\s+/));
const strange = wanted.find(
  (word) => !names.includes(word) && !Object.keys(GROUPS).some((group) => group.startsWith(word)),
);
if (strange !== undefined) {
  console.error(`${strange} is neither a sub-test nor the beginning of a group: ${Object.keys(GROUPS).join(' | ')}`);
  process.exit(1);
}
const devices = ['-device', 'isa-debug-exit,iobase=0xf4,iosize=0x4', '-device', 'pc-testdev', '-nographic'];

/** A row of the table: the program's own count, and what it says of failures. */
function row(name: string): string {
  const memory = MEMORY[name] ?? (name.startsWith('ept_access') ? EPT_MEMORY : DEFAULT_MEMORY);
  const cpu = name.startsWith('vmx_pf_') ? PAGE_FAULT_CPU : CPU;
  const processors = TWO_PROCESSORS.test(name) ? '2' : '1';
  const machine = ['-cpu', cpu, '-smp', processors, '-m', memory, '-kernel', flat, '-append', name, ...devices];
  const began = Date.now();
  const { stdout, status } = spawnSync(process.execPath, [main, ...machine], {
    encoding: 'utf8',
    timeout: SECONDS * 1000,
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const seconds = Math.round((Date.now() - began) / 1000);
  const summary = /^SUMMARY: (\d+) tests(.*)$/m.exec(stdout);
  const failures = [...stdout.matchAll(/^FAIL: (.*)$/gm)].length;
  const skipped = [...stdout.matchAll(/^SKIP: /gm)].length;
  const ended = summary ? summary[2].replace(/^, /, '') || 'all pass' : `no summary, exit status ${status ?? 'none'}`;
  return `| ${name} | ${summary?.[1] ?? 0} | ${failures} | ${skipped} | ${ended} | ${seconds} |`;
}

for (const [group, names] of Object.entries(GROUPS)) {
  const all = names.trim().split(/\s+/);
  const chosen =
    wanted.length === 0 || wanted.some((word) => group.startsWith(word))
      ? all
      : all.filter((name) => wanted.includes(name));
  if (chosen.length === 0) continue;
  console.log(`\n### ${group}\n\n| sub-test | tests | FAIL | SKIP | summary | seconds |\n|---|---|---|---|---|---|`);
  for (const name of chosen) console.log(row(name));
}
