/** VM-exit information fields (SDM Vol. 3C, "VM-Exit Information Fields"), written from the record of the exit. */
import { lastExit, Part } from '../cpu/exit';
import { Field, setField } from './vmcs';

/** What the record does not say leaves its field as it was. */
export function writeExit(): void {
  setField<u32>(Field.EXIT_REASON, lastExit.reason);
  setField<u64>(Field.EXIT_QUALIFICATION, lastExit.qualification);
  setField<u32>(Field.EXIT_INTERRUPTION_INFORMATION, lastExit.interruption);
  setField<u32>(Field.IDT_VECTORING_INFORMATION, lastExit.vectoring);
  const parts = lastExit.parts;
  if ((parts & Part.LENGTH) != 0) setField<u32>(Field.EXIT_INSTRUCTION_LENGTH, lastExit.length);
  if ((parts & Part.OPERANDS) != 0) setField<u32>(Field.EXIT_INSTRUCTION_INFORMATION, lastExit.operands);
  if ((parts & ~(Part.LENGTH | Part.OPERANDS)) != 0) writeRest(parts);
}
function writeRest(parts: u32): void {
  if ((parts & Part.PHYSICAL) != 0) setField<u64>(Field.GUEST_PHYSICAL_ADDRESS, lastExit.guestPhysical);
  if ((parts & Part.LINEAR) != 0) setField<u64>(Field.GUEST_LINEAR_ADDRESS, lastExit.guestLinear);
  if ((parts & Part.ERROR_CODE) != 0) setField<u32>(Field.EXIT_INTERRUPTION_ERROR_CODE, lastExit.errorCode);
  if ((parts & Part.VECTORING_CODE) != 0) setField<u32>(Field.IDT_VECTORING_ERROR_CODE, lastExit.vectoringCode);
}

/** A VM entry that fails after it began says no more than this (SDM Vol. 3C, "VM-Entry Failures During or After Loading Guest State"). */
export function writeEntryFailure(): void {
  setField<u32>(Field.EXIT_REASON, lastExit.reason);
  setField<u64>(Field.EXIT_QUALIFICATION, lastExit.qualification);
}
