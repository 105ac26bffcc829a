/** Copies and fills between host pointers, with the outcome that element by element would have. */

/** Bytes up to which a loop is faster than what calling into the engine costs. */
const SHORT: u32 = 64;

/**
 * Copies `bytes` bytes of elements, both pointers being those of the lowest byte, in ascending or descending order of
 * elements. Where the target overlaps what is yet to be read, the elements propagate as one by one.
 */
export function copyElements<T>(to: u32, from: u32, bytes: u32, descending: bool): void {
  if (descending) {
    if (bytes > SHORT && (from - to >= bytes || from == to)) memory.copy(to, from, bytes);
    else for (let n: i32 = bytes - sizeof<T>(); n >= 0; n -= sizeof<T>()) store<T>(to + n, load<T>(from + n));
    return;
  }
  const distance = to - from;
  if (bytes > SHORT && distance >= bytes) {
    memory.copy(to, from, bytes);
    return;
  }
  if (bytes <= SHORT || distance % sizeof<T>() != 0) {
    for (let n: u32 = 0; n < bytes; n += sizeof<T>()) store<T>(to + n, load<T>(from + n));
    return;
  }
  if (distance == 0) return;
  // What is written repeats with the period `distance`: each copy can be as long as all before it.
  for (let done: u32 = 0; done < bytes; ) {
    const part = min<u32>(distance + done, bytes - done);
    memory.copy(to + done, from, part);
    done += part;
  }
}

/** Fills `bytes` bytes at `to` with elements of one value. */
export function fillElements<T>(to: u32, value: T, bytes: u32): void {
  if (bytes <= SHORT) {
    for (let n: u32 = 0; n < bytes; n += sizeof<T>()) store<T>(to + n, value);
    return;
  }
  if (sizeof<T>() == 1 || isOneByte<T>(value)) {
    memory.fill(to, <u8>value, bytes);
    return;
  }
  store<T>(to, value);
  for (let done: u32 = sizeof<T>(); done < bytes; ) {
    const part = min<u32>(done, bytes - done);
    memory.copy(to + done, to, part);
    done += part;
  }
}
@inline function isOneByte<T>(value: T): bool {
  return value == <T>(<u64>(<u8>value) * 0x0101010101010101);
}
