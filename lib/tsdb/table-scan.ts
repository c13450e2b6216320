// One pass over a table of the index (symbols, postings offsets): every entry once, the checksum verified.
// Both tables are framed alike: `length u32 | count u32 | entries … | crc32c`.
// Owns the windows, so that a table of any size is scanned in bounded memory.
import { crc32c } from '../bytes/crc32c.ts'
import { Cursor, hex32 } from '../bytes/cursor.ts'
import type { RandomAccess } from '../bytes/random-access.ts'
import { MnemoError } from '../kit/errors.ts'
import { maxTableBytes } from './index-format.ts'

const windowBytes = 1024 * 1024

export interface TableRange {
  /** 'symbols' or 'postings offset table'. */
  readonly section: string
  /** Offset of the length field. */
  readonly offset: number
  /** What follows the table at the latest. */
  readonly limit: number
}

export interface ScannedTable {
  readonly count: number
  /** File offset behind the last entry, where the checksum stands. */
  readonly entriesEnd: number
}

/**
 * Calls `onEntry` at each entry with a cursor, which it moves over the entry, and the entry's file offset.
 * An entry that the window cuts is read again: `onEntry` must change nothing before it has read the whole entry.
 */
export async function scanTable(
  source: RandomAccess,
  range: TableRange,
  onEntry: (cursor: Cursor, offset: number) => void,
  signal?: AbortSignal,
): Promise<ScannedTable> {
  const { section } = range
  const place = { file: source.name, section, offset: range.offset }
  const head = new Cursor(await source.read(range.offset, 8, signal), place)
  const length = head.u32()
  const end = range.offset + 4 + length
  if (length < 4 || length > maxTableBytes || end + 4 > range.limit) {
    head.position = 0
    head.fail(`got a length of ${length}, want 4 to ${range.limit - range.offset - 8}`)
  }
  const count = head.u32()
  let crc = crc32c(head.bytes.subarray(4))
  let at = range.offset + 8
  let seen = 0
  let window = windowBytes
  while (at < end) {
    const bytes = await source.read(at, Math.min(window, end - at), signal)
    const cursor = new Cursor(bytes, { file: source.name, section, offset: at })
    const isLast = at + bytes.length === end
    const entries = scanWindow(cursor, { count: count - seen, isLast }, onEntry)
    crc = crc32c(bytes.subarray(0, cursor.position), crc)
    at += cursor.position
    seen += entries
    if (seen === count && at < end) cursor.fail(`got ${end - at} bytes behind the last of ${count} entries`)
    if (entries === 0) window *= 2
  }
  const tail = new Cursor(await source.read(end, 4, signal), { file: source.name, section, offset: end })
  if (seen < count) tail.fail(`got ${seen} entries, want ${count}`)
  const want = tail.u32()
  if (crc !== want) tail.fail(`got checksum ${hex32(crc)}, want ${hex32(want)}`)
  return { count, entriesEnd: end }
}

/** The number of whole entries in the window; leaves the cursor behind the last of them. */
function scanWindow(
  cursor: Cursor,
  window: { readonly count: number; readonly isLast: boolean },
  onEntry: (cursor: Cursor, offset: number) => void,
): number {
  let entries = 0
  while (entries < window.count && cursor.remaining > 0) {
    const start = cursor.position
    try {
      onEntry(cursor, cursor.place.offset + start)
    } catch (error) {
      // Bad bytes look like an entry that the window cuts; only the last window can tell.
      if (window.isLast || !(error instanceof MnemoError && error.code === 'corrupt')) throw error
      cursor.position = start
      return entries
    }
    entries++
  }
  return entries
}
