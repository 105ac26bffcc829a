/** What the last page walk found, or why it failed. */
@unmanaged
class Walked {
  /** The linear address that is being translated; and, under EPT, what guest paging says of it (Linear of ept.ts). */
  linear: u64;
  rights: u32;
  /** Error code of the page fault that a failed walk is. */
  error: u32;
  /** Of a successful one: the physical address, through EPT where it is on, and EntryFlags of the TLB. */
  pa: u64;
  flags: u32;
}
export const walked = changetype<Walked>(memory.data(32));
