// Writes postings lists one after the other, and the table of where they stand, in bounded memory: long ones go out in pieces.
// Specification: Prometheus tsdb/docs/format/index.md, "Postings" and "Postings Offset Table".
// Owns the table's entries until they are asked for: beside the index where they are many.
import { rm } from 'node:fs/promises'
import { crc32c } from '../bytes/crc32c.ts'
import { EncodeBuffer } from '../bytes/encode-buffer.ts'
import { FileWriter } from '../bytes/file-writer.ts'
import { encodePostings } from './postings.ts'

const defaultPieceRefs = 256 * 1024
const defaultTableBytes = 1024 * 1024

/** What is held in memory: references of one list, bytes of the table's entries. */
export interface PostingsLimits {
  readonly pieceRefs?: number
  readonly tableBytes?: number
}

export class PostingsWriter {
  readonly #file: FileWriter
  readonly #tablePath: string
  readonly #pieceRefs: number
  readonly #tablePieceBytes: number
  readonly #entries = new EncodeBuffer(64 * 1024)
  #spilled: FileWriter | undefined
  #count = 0
  #piece: Uint32Array
  #length = 0
  /** Offset of the open list where its first pieces are in the file already. */
  #start: number | undefined
  #refs = 0

  constructor(file: FileWriter, { pieceRefs, tableBytes }: PostingsLimits = {}) {
    this.#file = file
    this.#pieceRefs = pieceRefs ?? defaultPieceRefs
    this.#tablePieceBytes = tableBytes ?? defaultTableBytes
    this.#piece = new Uint32Array(Math.min(1024, this.#pieceRefs))
    this.#tablePath = `${file.path}.postings-table`
  }

  /** Entries of the table so far. */
  get count(): number {
    return this.#count
  }

  /** Begins a list. */
  async begin(name: string, value: string): Promise<void> {
    const entries = this.#entries
    entries.uvarint(2)
    entries.uvarintString(name)
    entries.uvarintString(value)
    entries.uvarint(this.#file.position)
    this.#count++
    this.#length = 0
    this.#refs = 0
    this.#start = undefined
    if (entries.length < this.#tablePieceBytes) return
    this.#spilled ??= await FileWriter.create(this.#tablePath)
    await this.#spilled.append(entries.borrowBytes())
    entries.clear()
  }

  /** Adds the next series to the open list. Where it returns true, `flush` must be called before the next one. */
  push(ref: number): boolean {
    if (this.#length === this.#piece.length) {
      const bigger = new Uint32Array(Math.min(this.#length * 2, this.#pieceRefs))
      bigger.set(this.#piece)
      this.#piece = bigger
    }
    this.#piece[this.#length++] = ref
    return this.#length === this.#pieceRefs
  }

  /** Writes a piece of a long list. */
  async flush(): Promise<void> {
    if (this.#start === undefined) {
      this.#start = this.#file.position
      await this.#file.append(new Uint8Array(8)) // length and count, known at the end
    }
    const bytes = Buffer.from(this.#piece.slice(0, this.#length).buffer)
    await this.#file.append(bytes.swap32())
    this.#refs += this.#length
    this.#length = 0
  }

  /** Ends the open list. */
  async end(): Promise<void> {
    if (this.#start === undefined) {
      await this.#file.append(encodePostings(this.#piece.subarray(0, this.#length)))
      return
    }
    await this.flush()
    const head = Buffer.alloc(8)
    head.writeUInt32BE(4 + this.#refs * 4, 0)
    head.writeUInt32BE(this.#refs, 4)
    await this.#file.patch(head, this.#start)
    const crc = Buffer.alloc(4)
    crc.writeUInt32BE(await this.#file.crc32c(this.#start + 4, this.#file.position))
    await this.#file.append(crc)
  }

  /** The length of all entries in bytes. */
  get tableBytes(): number {
    return (this.#spilled?.position ?? 0) + this.#entries.length
  }

  /** Appends all entries of the table to the index; returns their checksum, which begins with `seed`. */
  async appendTable(seed: number): Promise<number> {
    let crc = seed
    const append = async (bytes: Uint8Array) => {
      crc = crc32c(bytes, crc)
      await this.#file.append(bytes)
    }
    const size = this.#spilled?.position ?? 0
    for (let at = 0; at < size; at += this.#tablePieceBytes)
      await append(await this.#spilled!.read(at, Math.min(this.#tablePieceBytes, size - at)))
    await append(this.#entries.borrowBytes())
    return crc
  }

  async close(): Promise<void> {
    const spilled = this.#spilled
    if (spilled === undefined) return
    this.#spilled = undefined
    await spilled.abort()
    await rm(this.#tablePath, { force: true })
  }
}
