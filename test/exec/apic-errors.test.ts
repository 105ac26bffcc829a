/** Errors that the local APIC records (SDM Vol. 3A, "Error Handling", "SELF IPI Register"). */
import { beforeEach, describe, expect, it } from 'vitest';
import { CODE, HANDLER, type Lab, longLab } from './lab.ts';

const Msr = {
  BASE: 0x1b,
  SVR: 0x80f,
  ISR0: 0x810,
  IRR0: 0x820,
  ESR: 0x828,
  ICR: 0x830,
  LVT_ERROR: 0x837,
  SELF_IPI: 0x83f,
};
const SEND_ILLEGAL = 0x20n;
const RECEIVE_ILLEGAL = 0x40n;
const SELF = 0x40000n;
const ERROR_VECTOR = 0x31;

let lab: Lab;
beforeEach(async () => {
  lab = await longLab();
  lab.core.writeMsr(Msr.BASE, 0xfee00d00n);
  lab.core.writeMsr(Msr.SVR, 0x1ffn);
});
/** What ESR shows once it is written. */
function errors(): bigint {
  lab.code(CODE, '90');
  lab.set({ rip: CODE });
  lab.step();
  lab.core.writeMsr(Msr.ESR, 0n);
  return lab.core.readMsr(Msr.ESR);
}

describe('a vector below 16', () => {
  it.each([0n, 5n, 15n])('is an error of the sender and of the receiver of self IPI %i', (vector) => {
    lab.core.writeMsr(Msr.SELF_IPI, vector);
    expect(errors()).toBe(SEND_ILLEGAL | RECEIVE_ILLEGAL);
    expect(lab.core.readMsr(Msr.IRR0)).toBe(0n);
  });
  it('is an error of the sender of an IPI', () => {
    lab.core.writeMsr(Msr.ICR, (7n << 32n) | 5n);
    expect(errors()).toBe(SEND_ILLEGAL);
  });
  it('is an error of the receiver of an IPI too', () => {
    lab.core.writeMsr(Msr.ICR, SELF | 5n);
    expect(errors()).toBe(SEND_ILLEGAL | RECEIVE_ILLEGAL);
    expect(lab.core.readMsr(Msr.IRR0)).toBe(0n);
  });
  it('is an error of the receiver of a message', () => {
    lab.core.deliverMsi(0xfee00000, 5);
    expect(errors()).toBe(RECEIVE_ILLEGAL);
    expect(lab.core.readMsr(Msr.IRR0)).toBe(0n);
  });
});

describe('ESR', () => {
  it('shows what came since the last write to it, until the next', () => {
    lab.core.writeMsr(Msr.SELF_IPI, 0n);
    expect(lab.core.readMsr(Msr.ESR)).toBe(0n);
    expect(errors()).not.toBe(0n);
    expect(lab.core.readMsr(Msr.ESR)).not.toBe(0n);
    expect(errors()).toBe(0n);
  });
  it('forgets what came when the APIC is turned off and on', () => {
    lab.core.writeMsr(Msr.SELF_IPI, 0n);
    for (const base of [0xfee00100n, 0xfee00900n, 0xfee00d00n]) lab.core.writeMsr(Msr.BASE, base);
    expect(errors()).toBe(0n);
  });
});

describe('the error interrupt', () => {
  beforeEach(() => {
    lab.gate64(ERROR_VECTOR, BigInt(HANDLER));
    lab.set({ rflags: 0x202 });
    lab.code(CODE, '90 90 90');
  });
  const rip = () => Number(lab.get('rip'));

  it('comes with the first error, and again once ESR was written', () => {
    lab.core.writeMsr(Msr.LVT_ERROR, BigInt(ERROR_VECTOR));
    const raise = () => {
      lab.core.writeMsr(Msr.SELF_IPI, 0n);
      lab.set({ rip: CODE, rflags: 0x202 });
      lab.step();
      lab.core.writeMsr(0x80b, 0n);
      return rip();
    };
    expect(raise()).toBe(HANDLER);
    expect(raise()).toBe(CODE + 1);
    lab.core.writeMsr(Msr.ESR, 0n);
    expect(raise()).toBe(HANDLER);
  });
  it('with an illegal vector of its own is one more error and no interrupt', () => {
    lab.core.writeMsr(Msr.LVT_ERROR, 3n);
    lab.core.writeMsr(Msr.ICR, (7n << 32n) | 5n);
    lab.step();
    expect(rip()).toBe(CODE + 1);
    expect(errors()).toBe(SEND_ILLEGAL | RECEIVE_ILLEGAL);
  });
});
