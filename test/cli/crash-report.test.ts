// What is kept of a console, for the last words of a guest.
import { expect, it } from 'vitest';
import { CrashWatch } from '../../src/cli/crash-report.ts';

it('a guest that never writes a newline, or only long lines, is remembered by the end of what it said', () => {
  const watch = new CrashWatch();
  for (let count = 0; count < 20_000; count++) watch.hear('A'.repeat(4096));
  expect(watch.size).toBeLessThanOrEqual(2048);
  for (let count = 0; count < 1000; count++) watch.hear(`${'B'.repeat(100_000)}\n`);
  expect(watch.size).toBeLessThanOrEqual(200 * 2048);
  watch.hear('Kernel panic - not syncing: hello\n');
  expect(watch.report({ reason: 'panicked' }, [])).toContain('the guest panicked: Kernel panic - not syncing: hello');
});
