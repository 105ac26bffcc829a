/** What `vmlaunch --help` says. */
export const HELP = `usage: vmlaunch [options]           boots a guest; without kernel and disk the one that comes along
       vmlaunch stat [options]      the same, and tables of exits at the end
       vmlaunch trace [options]     the same as -d vmexit
       vmlaunch vmcs [options]      prints the current VMCS at the end, or where --break stops
       vmlaunch vectors FILE..      runs instruction vectors

Options have one dash or two.

  -kernel FILE           Multiboot 1 or 2, Linux bzImage, ELF32 or ELF64 (by PVH where it can)
  -append TEXT           the kernel's command line
  -initrd 'FILE ARGS,..' modules for Multiboot, parts of the initial RAM disk for Linux
  -device loader,file=FILE,addr=ADDRESS[,mode=16|32|64]
                         a flat binary instead of a kernel, entered at its start
  -bios FILE             firmware such as SeaBIOS instead of a kernel: it boots a disk
  -fw_cfg NAME,string=TEXT|file=FILE
                         a file for firmware and guest
  -smbios type=N,FIELD=TEXT..
                         what the machine says it is
  -m SIZE                memory: 256M, 1G; 128M if absent
  -cpu MODEL[,+FEATURE][,-FEATURE]
                         the processor's model; -cpu help lists models and features
  -smp N                 processors: 1 to 8, which take turns; 1 if absent
  -accel bare            the guest owns the processor; kvm, tcg and the like mean the same
  -boot order=c|d        what comes first: disks, or the image of -cdrom
  -machine pc|q35|microvm
                         the board
  -machine linux-boot=unpack|image|image32|image16
                         a bzImage is unpacked by the host; or unpacks itself, entered in
                         64-bit mode where it can; or in 32-bit mode; or in real mode
  -device NAME[,PROPERTY=VALUE..]
                         a device; -device help lists them, -device NAME,help its properties
  -drive file=FILE[,if=virtio|nvme|pflash|none][,format=FORMAT][,id=ID][,readonly=on][,snapshot=on]
                         a disk, which boots where there is neither kernel nor firmware; -drive
                         help lists formats; -hda FILE is -drive file=FILE, -cdrom FILE a
                         read-only disk
  -snapshot              what is written to disks is forgotten at the end
  -netdev TYPE,id=ID.., -nic TYPE[,model=DEVICE].., -net nic -net user, -chardev TYPE,id=ID..
                         what devices stand on; -netdev help, -chardev help
  -virtfs local,path=FOLDER,mount_tag=TAG[,readonly=on]
                         shares a folder by 9P; also as -fsdev local,id=ID,path=FOLDER
                         and -device virtio-9p,fsdev=ID,mount_tag=TAG
  -object filter-dump,id=ID,netdev=ID,file=FILE[,maxlen=N]
                         writes a network down, as a pcap file
  -serial stdio|none|file:FILE
                         a serial port, up to four; the first is stdio if absent
  -debugcon stdio|none|file:FILE
                         port 0xe9; stdio if absent
  -nographic             Ctrl-C belongs to the guest; Ctrl-A x leaves
  -no-reboot             a reset or a triple fault ends the run
  -rtc base=utc|DATE     the date at power-on; 2026-01-01 if absent
  -rtc clock=vm|host     time counts instructions (every run is the same), or follows
                         the host's clock (if absent: where a person types)
  -d in_asm,int,exec,vmexit
                         writes a trace to stderr, or where -D FILE says; vmexit: every VM exit
                         of a guest's guest as a line of JSON
  -vga std|none          a VGA, which only programs can look at; std if absent on a pc
  -display curses        text modes of the screen on this terminal, whose keys the guest gets
  --screenshot FILE      keeps the screen at the end, as PNG, or PPM for FILE.ppm
  -display none, -monitor none, -net none, -parallel none, -nodefaults
                         accepted: there is nothing to switch off
  -name, -uuid, -enable-kvm and others of QEMU's
                         accepted with a note, where they change nothing here
  -pidfile FILE          keeps the number of the process while it runs
  --json[=FILE]          what stat and vmcs print as lines of JSON, in a file of their own
  --report               says at the end what the machine did
  --break REASON|any|failure[,rip=ADDRESS][,nth=N]
                         ends the run at the (Nth) VM exit of that reason, by Linux's name, or
                         VM entry that fails, before the hypervisor's next instruction
  --limit N              ends the run after N instructions
  --timeout SECONDS      ends the run after so much time of the host
  --help, --version

  vmlaunch -kernel kernel.elf -append 'console=ttyS0' -m 256M -nographic
  vmlaunch -kernel test.flat -device isa-debug-exit,iobase=0xf4,iosize=0x4 -device pc-testdev -nographic -no-reboot
  vmlaunch -kernel vmlinuz -initrd rd.img -append console=ttyS0 -nographic -nic user,hostfwd=tcp::2222-:22
  vmlaunch -device loader,file=boot.bin,addr=0x7c00 -d in_asm -D trace.txt

Keys on a terminal: Ctrl-A x leaves, Ctrl-A Ctrl-A types Ctrl-A.
SIGTERM presses the power button, where the guest listens; once more ends the run, as SIGINT does.
Exit codes:
  0                      the guest ended: powered off, reset with -no-reboot; or a --break came
  (N << 1) | 1           isa-debug-exit, where N was written
  1                      errors, and a guest that crashed by pvpanic
  100                    the guest halted with nothing to wake it
  102                    triple fault with -no-reboot, or three in a row without output
  104, 106, 124          the --limit was reached; a --break never came; the --timeout was over
  128 + N                signal N ended the run
`;
