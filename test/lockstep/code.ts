/** Machine code for the pieces of the lock-step judge: hexadecimal bytes, and the few instructions that take a number. */

export const Reg = { RAX: 0, RCX: 1, RDX: 2, RBX: 3, RSI: 6, RDI: 7 } as const;
export type Reg = (typeof Reg)[keyof typeof Reg];

const littleEndian = (value: bigint | number, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, n) => Number((BigInt.asUintN(64, BigInt(value)) >> BigInt(8 * n)) & 0xffn));

/** Code that will lie at `at`. Every method appends and returns the code itself. */
export class Code {
  readonly at: number;
  readonly bytes: number[] = [];

  constructor(at: number) {
    this.at = at;
  }
  hex(text: string): this {
    this.bytes.push(
      ...text
        .trim()
        .split(/\s+/)
        .map((byte) => Number.parseInt(byte, 16)),
    );
    return this;
  }
  /** mov r64, imm64 */
  mov(reg: Reg, value: bigint | number): this {
    this.bytes.push(0x48, 0xb8 + reg, ...littleEndian(value, 8));
    return this;
  }
  /** jmp rel32 */
  jmp(target: number): this {
    this.bytes.push(0xe9, ...littleEndian(target - (this.at + this.bytes.length + 5), 4));
    return this;
  }
  /** call rel32 */
  call(target: number): this {
    this.bytes.push(0xe8, ...littleEndian(target - (this.at + this.bytes.length + 5), 4));
    return this;
  }
  /** Does `body` `times` times over. R13 counts. */
  repeat(times: number, body: () => void): this {
    this.hex('49 c7 c5').imm32(times); // mov r13, times
    const begin = this.at + this.bytes.length;
    body();
    this.hex('49 ff cd 0f 85'); // dec r13; jnz begin
    return this.imm32(begin - (this.at + this.bytes.length + 4));
  }
  imm32(value: number): this {
    this.bytes.push(...littleEndian(value, 4));
    return this;
  }
  /** R14, the sum of all that the program saw, takes RAX in: rol r14, 7; xor r14, rax. */
  fold(): this {
    return this.hex('49 c1 c6 07 49 31 c6');
  }
  /** wrmsr of `msr`, EDX:EAX = `value`. */
  wrmsr(msr: number, value: number): this {
    return this.mov(Reg.RCX, msr).mov(Reg.RAX, value).hex('31 d2 0f 30');
  }
  /** vmwrite of the field with this encoding. */
  vmwrite(encoding: number, value: bigint | number): this {
    return this.mov(Reg.RAX, encoding).mov(Reg.RCX, value).hex('0f 79 c1');
  }
  /** vmread rax, encoding; folded. */
  vmread(encoding: number): this {
    return this.mov(Reg.RCX, encoding).hex('0f 78 c8').fold();
  }
}
