// The command line: QEMU's words, and an error for every word that makes no sense.
import { describe, expect, it } from 'vitest';
import { parseCommandLine } from '../../src/cli/options.ts';
import { parseProperties, splitCommas } from '../../src/cli/properties.ts';
import type { RunOptions } from '../../src/cli/run-options.ts';

const parse = (...args: string[]): RunOptions => {
  const parsed = parseCommandLine(args);
  if (parsed.kind !== 'run') throw new Error(`parsed as ${parsed.kind}`);
  return parsed.options;
};

describe('a command line', () => {
  it('says the same with one dash and with two', () => {
    const words = ['kernel', 'a.elf', 'append', 'x y', 'm', '256M', 'nographic', 'no-reboot'];
    const dashed = (dash: string): string[] =>
      words.map((word) => (['a.elf', 'x y', '256M'].includes(word) ? word : dash + word));
    expect(parse(...dashed('-'))).toEqual(parse(...dashed('--')));
    expect(parse(...dashed('-'))).toMatchObject({ kernel: 'a.elf', append: 'x y', memory: '256M', reboot: false });
  });

  it('takes the line that runs kvm-unit-tests', () => {
    const line =
      '-kernel X.flat -append a -device isa-debug-exit,iobase=0xf4,iosize=0x4 -device pc-testdev -nographic -m 256M -cpu max';
    expect(parse(...line.split(' '))).toMatchObject({
      devices: [{ type: 'isa-debug-exit', iobase: 0xf4, iosize: 4 }, { type: 'pc-testdev' }],
      nographic: true,
      cpu: 'max',
    });
  });

  it('takes what switches off what is not there', () => {
    const words = ['display', 'monitor', 'net', 'parallel'].flatMap((word) => [`-${word}`, 'none']);
    expect(parse(...words, '-nodefaults', '-accel', 'tcg', '-M', 'accel=bare')).toEqual(parse());
  });

  it('takes a VGA or none', () => {
    expect([parse('-vga', 'std').vga, parse('-vga', 'none').vga, parse().vga]).toEqual(['std', 'none', undefined]);
    expect(() => parse('-vga', 'qxl')).toThrow('-vga qxl: there are std and none');
  });

  it('gives every -serial a port in order', () => {
    const { serial } = parse('-serial', 'mon:stdio', '-serial', 'none', '-serial', 'file:out.txt');
    expect(serial).toEqual([{ kind: 'stdio' }, { kind: 'none' }, { kind: 'file', path: 'out.txt' }]);
  });

  it('splits modules at commas and keeps their arguments', () => {
    expect(parse('-kernel', 'k', '-initrd', 'a.bin one two,b,,c.bin').modules).toEqual([
      { path: 'a.bin', commandLine: 'a.bin one two' },
      { path: 'b,c.bin', commandLine: 'b,c.bin' },
    ]);
  });

  it('names a flat binary by the generic loader', () => {
    expect(parse('-device', 'loader,file=b.bin,addr=0x7c00').flat).toEqual({
      path: 'b.bin',
      address: 0x7c00,
      mode: 16,
    });
    expect(parse('-device', 'loader,file=b,addr=4096,mode=64').flat?.mode).toBe(64);
  });

  it('takes dates as UTC', () => {
    expect(parse('-rtc', 'base=2026-02-03T04:05:06').date?.toISOString()).toBe('2026-02-03T04:05:06.000Z');
  });

  it('names boards, with versions too', () => {
    expect(['pc', 'q35', 'microvm'].map((name) => parse('-M', name).machine)).toEqual(['pc', 'q35', 'microvm']);
    expect(['pc-i440fx-7.2', 'pc-q35-8.0'].map((name) => parse('-M', name).machine)).toEqual(['pc', 'q35']);
    expect(() => parse('-M', 'pc-q36-8.0')).toThrow('-machine pc-q36-8.0: there are pc, q35, microvm');
  });

  it('gives devices the properties of their rows', () => {
    expect(parse('-chardev', 'file,id=c0,path=a,,b', '-device', 'virtio-serial,chardev=c0,packed=off')).toMatchObject({
      backends: [{ option: 'chardev', id: 'c0', type: 'file', values: { path: 'a,b' } }],
      devices: [{ type: 'virtio-serial', chardev: 'c0', packed: false }],
    });
  });

  it('gives every disk a device, and makes all of them temporary with -snapshot', () => {
    const { backends, devices } = parse(
      '-hda',
      'a,b.img',
      '-snapshot',
      '-drive',
      'file=c,if=nvme,format=qcow2,id=root',
    );
    expect(backends).toEqual([
      { option: 'drive', id: 'drive0', type: 'auto', values: { file: 'a,b.img', snapshot: true } },
      { option: 'drive', id: 'root', type: 'qcow2', values: { file: 'c', snapshot: true } },
    ]);
    expect(devices).toEqual([
      { type: 'virtio-blk', drive: 'drive0' },
      { type: 'nvme', drive: 'root' },
    ]);
  });

  it.each([
    ['-device help', /isa-debug-exit .*exits[\s\S]*virtio-blk, virtio-blk-pci, virtio-blk-device/],
    ['-device virtio-blk-pci,help', /drive +a text; required[\s\S]*packed +on or off; default on/],
    ['-device isa-debug-exit,help', /iobase +a number from 1 to 0xffff; default 0x501/],
    ['-chardev help', /file: a file[\s\S]*path +a text; required/],
  ])('%s says what there is', (line, text) => {
    const parsed = parseCommandLine(line.split(' '));
    expect(parsed.kind === 'device-help' ? parsed.text : parsed.kind).toMatch(text);
  });

  it('takes firmware with its files and texts', () => {
    const words = ['-bios', 'b.bin', '-fw_cfg', 'opt/a,string=x,,y', '-fw_cfg', 'name=opt/b,file=f'];
    const parsed = parseCommandLine([...words, '-smbios', 'type=1,serial=S 1', '-smbios', 'type=1,sku=7']);
    expect(parsed.kind === 'run' && parsed.options.firmware).toEqual({
      bios: 'b.bin',
      fwCfg: [
        { name: 'opt/a', text: 'x,y' },
        { name: 'opt/b', path: 'f' },
      ],
      smbios: { 1: { serial: 'S 1', sku: '7' } },
    });
  });

  it('asks for help or the version wherever the word stands', () => {
    expect(parseCommandLine(['-m', '1G', '--help']).kind).toBe('help');
    expect(parseCommandLine(['-version']).kind).toBe('version');
  });

  it.each([
    ['1', 1],
    ['8', 8],
    ['cpus=3', 3],
    ['sockets=2,cores=2,threads=2', 8],
    ['4,sockets=2', 4],
    ['2,maxcpus=2', 2],
  ])('counts the processors of -smp %s', (value, vcpus) => {
    expect(parse('-smp', value).vcpus).toBe(vcpus);
  });

  it.each([
    ['-bios b -kernel k', '-bios b boots what it finds on disks; it takes no kernel'],
    ['-fw_cfg opt/a', '-fw_cfg opt/a: needs either string=TEXT or file=FILE'],
    ['-fw_cfg string=x', 'needs a name'],
    ['-smbios type=2,serial=1', 'needs type=N with N of 0, 1, 3, 4, 17'],
    ['-smbios type=1,colour=red', "unknown property 'colour'"],
    ['-machine linux-boot=never', 'linux-boot=never: there are unpack, image, image32, image16'],
    ['-frobnicate', 'unknown option -frobnicate; --help'],
    ['--constructor', 'unknown option --constructor'],
    ['kernel.elf', "'kernel.elf' is neither an option nor a command: images are given by -kernel FILE"],
    ['vectros', "did you mean 'vectors'?"],
    ['-kernal k', 'unknown option -kernal; did you mean -kernel?'],
    ['-kernel', '-kernel needs a value'],
    ['-smp 9', '-smp 9: 1 to 8 processors'],
    ['-smp sockets=3,cores=3', '-smp sockets=3,cores=3: 1 to 8 processors'],
    ['-smp 1,sockets=2', '-smp 1,sockets=2: sockets, cores and threads make 2 processors, not 1'],
    ['-smp 2,maxcpus=4', '-smp 2,maxcpus=4: processors cannot be added later, maxcpus must be 2'],
    ['-smp many', "-smp cpus: 'many' is not a number from 1 to 255"],
    ['-accel fast', '-accel fast: there are bare, tcg, kvm'],
    ['-machine isapc', '-machine isapc: there are pc, q35, microvm'],
    ['-M pc,accel=kvm:fast', '-accel fast: there are'],
    ['-machine pc,colour=red', "-machine pc: unknown property 'colour'; there are type, accel"],
    ['-device floppy', '-device floppy: there is no such device; -device help lists them'],
    ['-device isa-debug-exit,iobase=0x10000', "'0x10000' is not a number from 1 to 0xffff"],
    ['-device isa-debug-exit,iosize=8', "'8' is not a number from 1 to 4"],
    ['-device isa-debug-exit,port=1', "unknown property 'port'; there are iobase, iosize, id"],
    ['-device pc-testdev,x=1', "unknown property 'x'; there are id"],
    ['-device isa-debug-exit,iobase', "'iobase' is not of the form key=value"],
    ['-device virtio-blk', '-device virtio-blk needs drive= (id of a -drive)'],
    ['-device virtio-rng,packed=maybe', "'maybe' is not on or off"],
    ['-drive if=virtio,format=vdi,file=x', '-drive format=vdi: there are'],
    ['-drive if=floppy,file=x', '-drive if=floppy: there is no floppy drive; if=virtio'],
    ['-chardev null', '-chardev null: id= is missing'],
    ['-chardev null,id=a -chardev null,id=a', '-chardev id=a: this id is taken'],
    ['-chardev null,id=1', "an id is a letter followed by letters, digits, '-', '.' and '_'"],
    ['-chardev pty,id=a', '-chardev pty: there are null, file'],
    ['-netdev tap,id=n', '-netdev tap: there are'],
    ['-device loader,addr=0', 'needs file=FILE'],
    ['-device loader,file=a', 'loader,file=a needs addr=ADDRESS'],
    ['-device loader,file=a,addr=0,mode=8', 'mode=8: there are 16, 32 and 64'],
    ['-serial tcp:1', '-serial tcp:1: there is no console over TCP yet; stdio is possible'],
    ['-display gtk', '-display gtk: there are curses (text modes, on this terminal) and none'],
    ['-d cpu', '-d cpu: in_asm shows instructions'],
    ['-d vmexits', "-d vmexits: did you mean 'vmexit'?"],
    ['-rtc base=yesterday', '-rtc base=yesterday: there are utc, localtime and dates'],
    ['-rtc clock=sun', '-rtc clock=sun: there are vm'],
    ['-rtc foo', "-rtc foo: 'foo' is not of the form key=value"],
    ['--limit 0', "-limit: '0' is not a number from 1"],
    ['-initrd x', '-initrd needs a -kernel'],
    ['-kernel k -device loader,file=a,addr=0', 'exclude each other'],
    ['-m size=1G,pages=2', "unknown property 'pages'"],
  ])('is refused: %s', (line, message) => {
    expect(() => parse(...line.split(' '))).toThrow(message);
  });
});

describe('a property list', () => {
  it('keeps doubled commas as one, and values with an equals sign', () => {
    expect(splitCommas('a,,b,c,,,d')).toEqual(['a,b', 'c,', 'd']);
    expect(parseProperties('x', 'dev,a=1=2').values.get('a')).toBe('1=2');
    expect(parseProperties('x', 'a=1').name).toBe('');
  });
});
