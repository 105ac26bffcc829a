/**
 * QEMU's options that change nothing here, or cannot be had: the first are accepted with a note, the others refused with
 * the reason and the nearest thing.
 */

/** Accepted; without a value. */
export const IDLE_FLAGS: Readonly<Record<string, string>> = {
  'no-user-config': 'there are no configuration files',
  'no-hpet': 'the HPET stays',
  'no-acpi': 'the ACPI tables stay',
  'no-fd-bootchk': 'there is no floppy drive',
  'no-shutdown': 'the run ends with the machine',
  'enable-kvm': 'the processor is emulated here, VT-x included; no help of the host is needed',
  'enable-sync-profile': 'nothing is profiled',
  'mem-prealloc': 'memory is there from the start',
  usb: 'there is no USB',
};

/** Accepted; with a value. */
export const IDLE_OPTIONS: Readonly<Record<string, string>> = {
  name: 'nobody is shown a name',
  uuid: 'give it to the guest by -smbios type=1,uuid=UUID',
  msg: 'messages have no date',
  k: 'keys go to the guest by where they are, or as the text that they make',
  L: 'firmware is named by -bios FILE or -pflash FILE',
  icount: 'time counts instructions already, unless -rtc clock=host',
  sandbox: 'the guest cannot leave its memory',
  overcommit: 'memory is as it is',
  'mem-path': 'memory lies in the process',
  numa: 'memory is one node',
  audiodev: 'there is no sound',
  trace: 'there are no trace points; -d traces',
  compat: 'nothing is deprecated',
};

/** Refused, with the reason. */
export const REFUSED: Readonly<Record<string, string>> = {
  s: 'there is no stub for a debugger yet; -d in_asm,int,exec and --break show what a guest does',
  S: 'there is no stub for a debugger yet; -d in_asm,int,exec and --break show what a guest does',
  gdb: 'there is no stub for a debugger yet; -d in_asm,int,exec and --break show what a guest does',
  qmp: 'there is no control socket yet; the library steers a machine',
  mon: 'there is no monitor yet; the library steers a machine',
  loadvm: 'there are no snapshots of machines yet; -drive load-snapshot=NAME reads a disk as it was',
  incoming: 'machines cannot be moved yet',
  daemonize: 'the command stays in the foreground: let the shell put it behind, with &',
  runas: 'the command runs as who started it',
  chroot: 'the command runs where it is; guests see files by -virtfs alone',
  fda: 'there is no floppy drive; -hda FILE boots the image as a disk, and -device loader,file=FILE,addr=0x7c00 its first sector',
  fdb: 'there is no floppy drive; -hda FILE boots the image as a disk',
  mtdblock: 'there is no such flash; -pflash FILE is firmware',
  sd: 'there is no card reader; -hda FILE is a disk',
  vnc: 'there is no VNC server yet; -display curses shows text modes, --screenshot FILE the last picture',
  spice: 'there is no SPICE server; -display curses shows text modes, --screenshot FILE the last picture',
  curses: 'say -display curses',
  blockdev: 'disks are named by -drive file=FILE,if=none,id=ID and -device',
  global: "properties are the device's: -device NAME,PROPERTY=VALUE",
  set: "properties are the device's: -device NAME,PROPERTY=VALUE",
  readconfig: 'there are no configuration files; the command line is all',
  writeconfig: 'there are no configuration files; the command line is all',
  acpitable: 'the tables are those of the board',
  option_rom: 'there are no option ROMs; -bios FILE is firmware',
  'option-rom': 'there are no option ROMs; -bios FILE is firmware',
  soundhw: 'there is no sound',
  watchdog: 'there is no watchdog; -device pvpanic tells of a crash',
  tpmdev: 'there is no TPM',
  dtb: 'PCs have no device tree',
  prom: 'say -bios FILE',
  singlestep: 'say -d in_asm, which goes step by step',
};
