// All series of an index in the order of their label sets: one pass with read-ahead, in bounded memory.
// Specification: series-entry.ts.
// Owns the entry at hand; it waits only where its bytes are not there yet.
import { Cursor } from '../bytes/cursor.ts'
import type { RandomAccess } from '../bytes/random-access.ts'
import { readAhead } from '../bytes/read-ahead.ts'
import { seriesAlignment } from './index-format.ts'
import { decodeSeriesRecord, SeriesRecord, seriesEntryLength } from './series-entry.ts'

export class SeriesScan {
  /** The entry at hand; overwritten by the next one. */
  readonly record = new SeriesRecord()
  /** Offset of the entry divided by 16: what postings hold. */
  ref = 0
  readonly #source: RandomAccess
  readonly #end: number
  readonly #pieces: AsyncGenerator<Uint8Array>
  #cursor: Cursor

  /** The series section is [start, end) of the source. */
  constructor(source: RandomAccess, range: { readonly start: number; readonly end: number }, signal?: AbortSignal) {
    this.#source = source
    this.#end = range.end
    this.#pieces = readAhead(source, range, signal)
    this.#cursor = this.#cursorOver(new Uint8Array(), range.start)
  }

  /** Moves to the next entry; false at the end. A promise only where bytes must be awaited. Throws `corrupt`. */
  next(): boolean | Promise<boolean> {
    return this.#decodeNext() || this.#nextPiece()
  }

  #decodeNext(): boolean {
    const cursor = this.#cursor
    const { offset } = cursor.place
    const over = (offset + cursor.position) % seriesAlignment
    if (over !== 0) cursor.skip(Math.min(cursor.remaining, seriesAlignment - over))
    const length = seriesEntryLength(cursor)
    if (length === undefined) return false
    const room = this.#end - offset - cursor.position
    if (length > room) cursor.fail(`got an entry of ${length} bytes, want at most ${room}`)
    if (length > cursor.remaining) return false
    this.ref = (offset + cursor.position) / seriesAlignment
    decodeSeriesRecord(cursor, this.record)
    return true
  }

  async #nextPiece(): Promise<boolean> {
    do {
      const { bytes, position, place } = this.#cursor
      const rest = bytes.subarray(position)
      const { value: piece, done } = await this.#pieces.next()
      if (done) {
        if (rest.length > 0) this.#cursor.fail('got the end of the section inside an entry')
        return false
      }
      const joined = rest.length === 0 ? piece : Buffer.concat([rest, piece])
      this.#cursor = this.#cursorOver(joined, place.offset + position)
    } while (!this.#decodeNext())
    return true
  }

  #cursorOver(bytes: Uint8Array, offset: number): Cursor {
    return new Cursor(bytes, { file: this.#source.name, section: 'series', offset })
  }

  async close(): Promise<void> {
    await this.#pieces.return(undefined)
  }
}
