/** How the code of a case goes on: to the switch again, to the second of two joined records, or out of the block. */

/** How a case goes on: after the record, and after a store that a write to code may have followed. */
export interface Onward {
  readonly next: string;
  readonly stored: string;
}

const NEXT = 'i = after(i); continue;';
const LEAVE = '{ link = LEAVE; break; }';
export const FAULT = '{ link = FAULT; break; }';
/** A case of its own. */
export const ALONE: Onward = { next: NEXT, stored: `if (p == <u32>BOUNCE && commitBounce()) ${LEAVE} ${NEXT}` };

/** Before the second of two joined records; a store may have changed that one, so that it is looked at anew. */
export const JOINED: Onward = {
  next: 'i = after(i);',
  stored: `if (p == <u32>BOUNCE) { if (commitBounce()) ${LEAVE} ${NEXT} } i = after(i);`,
};
