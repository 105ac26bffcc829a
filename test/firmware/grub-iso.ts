/** A CD image as grub-mkrescue makes it: it boots as a disk too. Debian's tools make it, wherever they are unpacked. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { debianPackage } from '../linux/debian.ts';

const LIBRARIES = ['libisoburn1', 'libisofs6', 'libburn4', 'libjte2', 'libdevmapper1.02.1', 'libreadline8'];

const MENU = `serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
set timeout=1
menuentry 'hello' {
  multiboot /boot/hello.elf from a CD
  boot
}
`;

/** The bytes of a CD whose GRUB boots `kernel`, a Multiboot image, with the words "from a CD". */
export function grubIso(kernel: Uint8Array): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'vmlaunch-iso-'));
  try {
    const root = join(folder, 'root');
    mkdirSync(join(root, 'boot/grub'), { recursive: true });
    writeFileSync(join(root, 'boot/hello.elf'), kernel);
    writeFileSync(join(root, 'boot/grub/grub.cfg'), MENU);
    const grub = join(debianPackage('grub-common'), 'usr/bin');
    const images = join(debianPackage('grub-pc-bin'), 'usr/lib/grub/i386-pc');
    const xorriso = join(debianPackage('xorriso'), 'usr/bin/xorriso');
    const libraries = LIBRARIES.flatMap((name) =>
      ['usr/lib', 'lib'].map((path) => join(debianPackage(name), path, 'x86_64-linux-gnu')),
    );
    const iso = join(folder, 'cd.iso');
    const nothing = ['--locales=', '--fonts=', '--themes='];
    const where = [`--directory=${images}`, `--xorriso=${xorriso}`, '-o', iso];
    execFileSync(join(grub, 'grub-mkrescue'), [...where, ...nothing, root], {
      env: { ...process.env, LD_LIBRARY_PATH: libraries.join(':') },
      stdio: 'pipe',
    });
    return new Uint8Array(readFileSync(iso));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
