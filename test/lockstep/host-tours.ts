/**
 * Tours of the lock-step judge without VM entries: the program goes back and forth between two settings of one thing
 * and uses the same page in both, so that what a processor kept from either meets the other.
 */
import { type Code, Reg } from './code.ts';
import { ACCESSES, access, CALL, CR0, CR4, EFER, probeAddress } from './host-pieces.ts';
import { below, chance, pick, type Random, ROOTS, rootOf } from './world.ts';

/** The two settings between which a tour goes, as code. */
type Settings = readonly [one: (code: Code) => void, other: (code: Code) => void];

const DR7_FIXED = 0x400;
const WITHOUT_CALL = ACCESSES.filter((bytes) => bytes !== CALL);

/** Bits of a control register, clear and set. `modrm` names it to 0F 20 and 0F 22, which move it to RAX and from it. */
const bitOf = (modrm: string, bits: number): Settings => [
  (code) => code.hex(`0f 20 ${modrm} 48 25`).imm32(~bits).hex(`0f 22 ${modrm}`), // and rax, ~bits
  (code) => code.hex(`0f 20 ${modrm} 48 0d`).imm32(bits).hex(`0f 22 ${modrm}`), // or rax, bits
];

/** Two address spaces; each keeps what it had, or flushes it. CR4.PCIDE can be set while PCID 0 runs. */
function addressSpaces(code: Code, next: Random): Settings {
  const root = below(next, ROOTS);
  const to = (to: number, keeps: boolean) => (code: Code) => {
    code.mov(Reg.RAX, BigInt(rootOf(to) | to) | (keeps ? 1n << 63n : 0n)).hex('0f 22 d8');
  };
  bitOf('e0', CR4.PCIDE)[1](code.mov(Reg.RAX, rootOf(0)).hex('0f 22 d8'));
  return [to(root, chance(next, 85)), to((root + 1 + below(next, ROOTS - 1)) % ROOTS, chance(next, 30))];
}

/** A breakpoint on what is accessed, off and on. */
function breakpoint(next: Random, address: number): Settings {
  const dr7 = (value: number) => (code: Code) => code.mov(Reg.RAX, value).hex('0f 23 f8');
  const armed = dr7(DR7_FIXED | 2 | (pick(next, [1, 3]) << 16) | (3 << 18));
  return [dr7(DR7_FIXED), (code) => armed(code.mov(Reg.RAX, address & ~3).hex('0f 23 c0'))];
}

function settings(code: Code, next: Random, address: number): Settings {
  const kind = below(next, 100);
  if (kind < 55) return addressSpaces(code, next);
  if (kind < 65) return breakpoint(next, address);
  if (kind < 72) return [(code) => code.hex('0f 01 ca'), (code) => code.hex('0f 01 cb')]; // clac, stac
  if (kind < 78) return bitOf('c0', CR0.WP);
  if (kind < 95) return bitOf('e0', pick(next, [CR4.PGE, CR4.SMEP, CR4.SMAP, CR4.PKE, CR4.PKS]));
  const efer = (bytes: string) => (code: Code) => code.mov(Reg.RCX, EFER).hex(`0f 32 ${bytes} 0f 30`);
  return [efer('25 ff f7 ff ff'), efer('0d 00 08 00 00')];
}

/** Goes there and back, up to twenty times. */
export function hostTour(code: Code, next: Random): void {
  const isCall = chance(next, 60);
  const address = probeAddress(next, isCall);
  const [one, other] = settings(code, next, address);
  const use = () => access(code, next, isCall ? CALL : pick(next, WITHOUT_CALL), address);
  code.repeat(1 + below(next, 20), () => {
    one(code);
    use();
    other(code);
    use();
  });
}
