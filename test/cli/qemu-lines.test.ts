// Lines for QEMU, from its manual and from the pages of projects that say how they are run: each is accepted as it is
// meant, accepted with a note where a word has no effect here, or refused with the reason and what comes nearest.
import { describe, expect, it } from 'vitest';
import { parseCommandLine } from '../../src/cli/options.ts';
import type { RunOptions } from '../../src/cli/run-options.ts';

const parse = (line: string): RunOptions => {
  const parsed = parseCommandLine(line.split(' '));
  if (parsed.kind !== 'run') throw new Error(`parsed as ${parsed.kind}`);
  return parsed.options;
};

describe('a line for QEMU is accepted', () => {
  it.each<[line: string, meaning: object]>([
    [
      '-kernel bzImage -initrd rootfs.cpio.gz -append console=ttyS0 -nographic',
      { kernel: 'bzImage', append: 'console=ttyS0', nographic: true },
    ],
    [
      '-kernel vmlinuz -append root=/dev/vda -drive file=rootfs.img,format=raw,if=virtio -m 512M',
      { memory: '512M', devices: [{ type: 'virtio-blk', drive: 'drive0' }] },
    ],
    ['-kernel kernel.elf -serial stdio -display none', { serial: [{ kind: 'stdio' }] }],
    ['-kernel kernel.elf -device isa-debug-exit,iobase=0xf4,iosize=0x04 -no-reboot', { reboot: false }],
    ['-kernel k -smp 4', { vcpus: 4 }],
    ['-kernel k -smp cpus=2,sockets=1,cores=2,threads=1', { vcpus: 2 }],
    ['-kernel k -smp 4,sockets=1,dies=1,cores=4,threads=1', { vcpus: 4 }],
    ['-kernel k -cpu max', { cpu: 'max' }],
    ['-kernel k -cpu Skylake-Client,+vmx', { cpu: 'Skylake-Client,+vmx' }],
    ['-kernel k -m 1G', { memory: '1G' }],
    ['-kernel k -m size=2G', { memory: '2G' }],
    ['-kernel k -M pc', { machine: 'pc' }],
    ['-kernel k -M q35', { machine: 'q35' }],
    ['-kernel k -M pc-i440fx-7.2', { machine: 'pc' }],
    ['-kernel k -M pc-q35-7.2', { machine: 'q35' }],
    ['-kernel k -machine type=pc', { machine: 'pc' }],
    ['-kernel k -machine type=q35,accel=tcg', { machine: 'q35' }],
    ['-kernel k -machine microvm', { machine: 'microvm' }],
    ['-kernel k -accel tcg', {}],
    ['-hda disk.img', { devices: [{ type: 'virtio-blk', drive: 'drive0' }] }],
    ['-hda a.img -hdb b.img', { devices: [{ drive: 'drive0' }, { drive: 'drive1' }] }],
    ['-drive file=a.qcow2,if=virtio,cache=none', { backends: [{ values: { file: 'a.qcow2', cache: 'none' } }] }],
    [
      '-drive file=a.qcow2,if=none,id=nvm -device nvme,serial=deadbeef,drive=nvm',
      { devices: [{ type: 'nvme', drive: 'nvm' }] },
    ],
    [
      '-drive file=a.img,if=none,id=d0 -device virtio-blk-pci,drive=d0',
      { devices: [{ type: 'virtio-blk-pci', drive: 'd0' }] },
    ],
    [
      '-drive if=pflash,format=raw,readonly=on,file=OVMF_CODE.fd -drive if=pflash,format=raw,file=OVMF_VARS.fd -hda d',
      { devices: [{ type: 'pflash', unit: 0 }, { type: 'pflash', unit: 1 }, {}] },
    ],
    ['-pflash OVMF.fd -hda d', { devices: [{ type: 'pflash' }, {}] }],
    ['-bios OVMF.fd -hda d', { firmware: { bios: 'OVMF.fd' } }],
    ['-hda d -snapshot', { backends: [{ values: { snapshot: true } }] }],
    ['-hda d -boot c', { bootOrder: 'c' }],
    ['-hda d -boot order=c', { bootOrder: 'c' }],
    ['-kernel k -nic user', { devices: [{ type: 'virtio-net', netdev: 'nic0' }] }],
    ['-kernel k -nic user,model=virtio-net-pci', { devices: [{ type: 'virtio-net-pci' }] }],
    ['-kernel k -nic user,hostfwd=tcp::2222-:22', { backends: [{ values: { hostfwd: 'tcp::2222-:22' } }] }],
    ['-kernel k -nic none', { devices: [] }],
    ['-kernel k -net none', { devices: [] }],
    ['-kernel k -net nic -net user', { devices: [{ type: 'virtio-net' }] }],
    [
      '-kernel k -net user,hostfwd=tcp::8022-:22 -net nic,model=virtio',
      { devices: [{ type: 'virtio-net' }], backends: [{ values: { hostfwd: 'tcp::8022-:22' } }] },
    ],
    ['-kernel k -net nic,macaddr=52:54:00:12:34:57 -net user', { devices: [{ mac: '52:54:00:12:34:57' }] }],
    [
      '-kernel k -netdev user,id=n0 -device virtio-net-pci,netdev=n0,mac=52:54:00:12:34:56',
      { devices: [{ netdev: 'n0', mac: '52:54:00:12:34:56' }] },
    ],
    [
      '-kernel k -netdev user,id=n0,restrict=on -device virtio-net-pci,netdev=n0',
      { backends: [{ values: { restrict: true } }] },
    ],
    ['-kernel k -netdev socket,id=n,listen=:1234 -device virtio-net-pci,netdev=n', { backends: [{ type: 'socket' }] }],
    [
      '-kernel k -object filter-dump,id=f,netdev=n,file=x.pcap -netdev user,id=n -device virtio-net,netdev=n',
      { dumps: [{ netdev: 'n', file: 'x.pcap' }] },
    ],
    ['-kernel k -device virtio-rng-pci', { devices: [{ type: 'virtio-rng-pci' }] }],
    ['-kernel k -device virtio-balloon-pci', { devices: [{ type: 'virtio-balloon-pci' }] }],
    ['-kernel k -device virtio-gpu-pci', { devices: [{ type: 'virtio-gpu-pci' }] }],
    ['-kernel k -device vhost-vsock-pci,guest-cid=3', { devices: [{ type: 'vhost-vsock-pci' }] }],
    ['-kernel k -device pvpanic', { devices: [{ type: 'pvpanic' }] }],
    ['-kernel k -device VGA', { devices: [{ type: 'VGA' }] }],
    ['-kernel k -vga std', { vga: 'std' }],
    ['-kernel k -vga none', { vga: 'none' }],
    [
      '-kernel k -virtfs local,path=/srv,mount_tag=host0,security_model=none,id=host0',
      { devices: [{ type: 'virtio-9p', mount_tag: 'host0' }] },
    ],
    [
      '-kernel k -fsdev local,id=f,path=/srv,security_model=passthrough -device virtio-9p-pci,fsdev=f,mount_tag=m',
      { devices: [{ fsdev: 'f' }] },
    ],
    ['-kernel k -serial file:out.txt', { serial: [{ kind: 'file', path: 'out.txt' }] }],
    ['-kernel k -serial none', { serial: [{ kind: 'none' }] }],
    ['-kernel k -debugcon file:debug.txt', { debugcon: { kind: 'file', path: 'debug.txt' } }],
    ['-kernel k -debugcon stdio', { debugcon: { kind: 'stdio' } }],
    [
      '-kernel k -chardev stdio,id=c -device virtio-serial-pci -device virtconsole,chardev=c',
      { devices: [{}, { chardev: 'c' }] },
    ],
    ['-kernel k -monitor none -parallel none', {}],
    ['-kernel k -nodefaults', {}],
    ['-kernel k -rtc base=utc', { date: expect.any(Date) }],
    ['-kernel k -rtc base=localtime', { date: expect.any(Date) }],
    ['-kernel k -rtc base=2026-01-31T12:00:00,clock=vm', { clock: 'vm' }],
    ['-kernel k -d int,in_asm -D log.txt', { trace: ['int', 'in_asm'], traceFile: 'log.txt' }],
    ['-kernel k -pidfile run.pid', { pidFile: 'run.pid' }],
    ['-kernel k -display curses', { curses: true }],
    ['-device loader,file=boot.bin,addr=0x7c00,force-raw=on', { flat: { address: 0x7c00 } }],
    ['-kernel k -fw_cfg opt/a,string=b', { firmware: { fwCfg: [{}] } }],
    ['-kernel k -smbios type=1,manufacturer=Me,product=It', {}],
  ])('as it is meant: %s', (line, meaning) => {
    const options = parse(line);
    expect(options).toMatchObject(meaning);
    expect(options.notes).toEqual([]);
  });

  it.each<[line: string, note: string | RegExp]>([
    ['-kernel k -enable-kvm', /-enable-kvm has no effect: the processor is emulated here/],
    ['-kernel k -accel kvm', /-accel kvm: the processor is emulated here/],
    ['-kernel k -machine q35,accel=kvm:tcg', /-accel kvm: the processor is emulated/],
    ['-kernel k -accel hvf', /-accel hvf: the processor is emulated/],
    ['-kernel k -cpu host', /-cpu host: the model is max/],
    ['-kernel k -cpu host,-vmx', /-cpu host: the model is max/],
    ['-kernel k -name guest=vm', /-name has no effect/],
    ['-kernel k -uuid 12345678-1234-1234-1234-123456789abc', /-uuid has no effect: .*-smbios type=1,uuid=/],
    ['-kernel k -no-user-config', /-no-user-config has no effect/],
    ['-kernel k -msg timestamp=on', /-msg has no effect/],
    ['-kernel k -k en-us', /-k has no effect/],
    ['-kernel k -no-hpet', /-no-hpet has no effect: the HPET stays/],
    ['-kernel k -no-acpi', /-no-acpi has no effect/],
    ['-kernel k -no-shutdown', /-no-shutdown has no effect/],
    ['-kernel k -L /usr/share/qemu', /-L has no effect/],
    ['-kernel k -sandbox on', /-sandbox has no effect/],
    ['-kernel k -overcommit mem-lock=off', /-overcommit has no effect/],
    ['-kernel k -icount shift=auto', /-icount has no effect: time counts instructions/],
    ['-kernel k -usb', /-usb has no effect/],
    ['-kernel k -machine pc,usb=off,vmport=off,dump-guest-core=off,hpet=off', /hpet=off: no effect, hpet is always on/],
    ['-kernel k -m 512M,slots=2,maxmem=1G', /memory cannot be added/],
    ['-kernel k -serial mon:stdio', /there is no monitor/],
    ['-kernel k -d guest_errors', /-d guest_errors: what a driver does wrong is told in any case/],
    [
      '-kernel k -object rng-random,filename=/dev/urandom,id=r -device virtio-rng-pci,rng=r',
      /-object rng-random has no effect/,
    ],
    ['-kernel k -object memory-backend-ram,id=m,size=1G', /-object memory-backend-ram has no effect/],
    ['-kernel k -object iothread,id=io', /-object iothread has no effect/],
    ['-drive file=a,if=virtio,aio=native,discard=unmap', /-drive aio= has no effect/],
    ['-cdrom debian.iso', /debian.iso is a read-only virtio disk/],
    ['-drive file=x.iso,media=cdrom', /x.iso is a read-only virtio disk/],
    ['-hda d -boot menu=on', /-boot menu=on: no effect/],
    ['-hda d -net nic', /-net nic has no effect: there is no -net user/],
  ])('with a note: %s', (line, note) => {
    expect(parse(line).notes.join('; ')).toMatch(note);
  });

  it('with the image of -cdrom first where -boot says d', () => {
    const first = (line: string): unknown => parse(line).devices[0];
    expect(first('-hda disk.img -cdrom x.iso -boot d')).toMatchObject({ drive: 'drive1' });
    expect(first('-hda disk.img -cdrom x.iso -boot order=dc')).toMatchObject({ drive: 'drive1' });
    expect(first('-hda disk.img -cdrom x.iso -boot order=cd')).toMatchObject({ drive: 'drive0' });
    expect(first('-hda disk.img -cdrom x.iso -boot once=d')).toMatchObject({ drive: 'drive1' });
  });
});

describe('a line for QEMU is refused with the reason', () => {
  it.each<[line: string, reason: string]>([
    ['-kernel k -s', '-s: there is no stub for a debugger yet'],
    ['-kernel k -S', '-S: there is no stub for a debugger yet'],
    ['-kernel k -gdb tcp::1234', '-gdb: there is no stub for a debugger yet'],
    ['-kernel k -qmp unix:q,server=on', '-qmp: there is no control socket yet'],
    ['-kernel k -monitor stdio', '-monitor stdio: there is no monitor yet'],
    ['-kernel k -loadvm x', '-loadvm: there are no snapshots of machines yet'],
    ['-kernel k -daemonize', '-daemonize: the command stays in the foreground'],
    ['-kernel k -vnc :1', '-vnc: there is no VNC server yet'],
    ['-kernel k -display gtk', '-display gtk: there are curses'],
    ['-kernel k -vga qxl', '-vga qxl: there are std and none'],
    ['-kernel k -serial pty', '-serial pty: there are no pseudo-terminals'],
    ['-kernel k -serial tcp::4444,server,nowait', '-serial tcp::4444,server,nowait: there is no console over TCP yet'],
    ['-kernel k -chardev socket,id=c,path=x,server=on', '-chardev socket: there are'],
    ['-fda floppy.img', '-fda: there is no floppy drive; -hda FILE'],
    ['-hda d -boot n', '-boot n: there is neither a floppy drive (a) nor a network boot (n)'],
    ['-hda d -boot d', '-boot d: d is the image of -cdrom, and there is none'],
    ['-drive file=a,if=ide', '-drive if=ide: there is no IDE; if=virtio'],
    ['-drive file=a,if=scsi', '-drive if=scsi: there is no SCSI; if=virtio'],
    ['-kernel k -device e1000,netdev=n', '-device e1000: there is no such device; there are virtio-net cards only'],
    ['-kernel k -nic user,model=e1000', '-nic e1000: there is no such device; there are virtio-net cards only'],
    ['-kernel k -device qemu-xhci', '-device qemu-xhci: there is no such device; there is no USB'],
    ['-kernel k -device virtio-scsi-pci', '-device virtio-scsi-pci: there is no such device; there is no SCSI'],
    ['-kernel k -device ich9-ahci', '-device ich9-ahci: there is no such device; there is no IDE'],
    ['-kernel k -device intel-hda', '-device intel-hda: there is no such device; there is no sound'],
    [
      '-kernel k -device virtio-blk-pic,drive=d',
      "-device virtio-blk-pic: there is no such device; did you mean 'virtio-blk-pci'?",
    ],
    ['-blockdev driver=file,filename=a,node-name=n', '-blockdev: disks are named by -drive'],
    ['-kernel k -global kvm-pit.lost_tick_policy=discard', "-global: properties are the device's"],
    ['-kernel k -netdev tap,id=n', '-netdev tap: there are user, socket'],
    ['-kernel k -object secret,id=s,data=x', '-object secret: there are filter-dump'],
    ['-kernel k -append', '-append needs a value'],
    ['-append quiet', '-append needs a -kernel'],
  ])('%s', (line, reason) => {
    expect(() => parse(line)).toThrow(reason);
  });
});
