/** Registers of 64 bits, as transports show them: in halves of 32. */
const LOW = 0xffff_ffffn;

/** Half `sel` (0 the low one) of a value; 0 beyond. */
export const half = (value: bigint, sel: number): number => (sel > 1 ? 0 : Number((value >> BigInt(32 * sel)) & LOW));

/** The value with its half `sel` (0 or 1) replaced. */
export const withHalf = (value: bigint, sel: number, part: number): bigint =>
  (value & ~(LOW << BigInt(32 * sel))) | (BigInt(part >>> 0) << BigInt(32 * sel));
