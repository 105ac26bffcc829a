/** How a printed case ends. */

/** How a case goes on: after the record, and after a store that a write to code may have followed. */
export interface Onward {
  readonly next: string;
  readonly stored: string;
}

export const NEXT = 'i = after(i); continue;';
export const LEAVE = '{ link = LEAVE; break; }';
export const FAULT = '{ link = FAULT; break; }';
