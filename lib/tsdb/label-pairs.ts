// Which series have which label pair, gathered in the order of series and handed out in the order of pairs: postings.
// An external sort: runs of bounded size are sorted in memory, put on disk where there is more than one, and merged.
// Owns the memory and the runs' file, which is made beside the index; both go with close().
import { rm } from 'node:fs/promises'
import { FileWriter } from '../bytes/file-writer.ts'
import { freeBytes } from '../bytes/free-bytes.ts'

/** Triples of name, value (both by symbol) and series: 12 bytes each. */
const width = 3
/** A run is sorted in memory, which takes twice its size. */
const defaultRunTriples = 1024 * 1024
/** Read of each run at a time while they are merged. */
const mergeTriples = 8192
const mostDigitBits = 16

/** Consecutive triples in order, borrowed until the next are asked for. */
export type Triples = Uint32Array

export class LabelPairs {
  readonly #path: string
  readonly #capacity: number
  #triples = new Uint32Array(width * 1024)
  #length = 0
  #file: FileWriter | undefined
  /** Offsets where runs begin in the file, and its end. */
  readonly #runs: number[] = [0]

  /** `path`: of the file that runs go to. */
  constructor(path: string, { runTriples = defaultRunTriples }: { readonly runTriples?: number } = {}) {
    this.#path = path
    this.#capacity = runTriples * width
  }

  /** Series ascend. Where it returns true, `spill` must be called before the next push. */
  push(nameRef: number, valueRef: number, seriesRef: number): boolean {
    if (this.#length === this.#triples.length) this.#grow()
    const at = this.#length
    this.#triples[at] = nameRef
    this.#triples[at + 1] = valueRef
    this.#triples[at + 2] = seriesRef
    this.#length = at + width
    return this.#length === this.#capacity
  }

  #grow(): void {
    const bigger = new Uint32Array(Math.min(this.#triples.length * 2, this.#capacity))
    bigger.set(this.#triples)
    freeBytes(this.#triples)
    this.#triples = bigger
  }

  /** Puts what has been gathered on disk as a sorted run. */
  async spill(): Promise<void> {
    if (this.#length === 0) return
    this.#file ??= await FileWriter.create(this.#path)
    const scratch = new Uint32Array(this.#length)
    const sorted = sortTriples(this.#triples.subarray(0, this.#length), scratch)
    await this.#file.append(new Uint8Array(sorted.buffer, sorted.byteOffset, sorted.byteLength))
    freeBytes(scratch)
    this.#runs.push(this.#file.position)
    this.#length = 0
  }

  /** All triples, ascending by name, value and series. */
  async *sorted(): AsyncGenerator<Triples> {
    if (this.#file === undefined) {
      const scratch = new Uint32Array(this.#length)
      yield sortTriples(this.#triples.subarray(0, this.#length), scratch)
      freeBytes(scratch)
      return
    }
    await this.spill()
    this.#free()
    yield* mergeRuns(this.#file, this.#runs)
  }

  #free(): void {
    freeBytes(this.#triples)
    this.#triples = new Uint32Array(0)
  }

  async close(): Promise<void> {
    this.#free()
    const file = this.#file
    if (file === undefined) return
    this.#file = undefined
    await file.abort()
    await rm(this.#path, { force: true })
  }
}

/**
 * By value, then by name, digit by digit from the lowest: each pass is stable, so that series stay in order. `scratch` is as large;
 * the result is one of the two.
 */
function sortTriples(triples: Uint32Array, scratch: Uint32Array): Uint32Array {
  const starts = new Uint32Array((1 << mostDigitBits) + 1)
  let [from, to] = [triples, scratch]
  for (const field of [1, 0]) {
    const fieldBits = 32 - Math.clz32(highest(from, field))
    // No more digits than are needed, and each as short as that allows.
    const digits = Math.ceil(fieldBits / mostDigitBits)
    const bits = Math.ceil(fieldBits / Math.max(1, digits))
    for (let digit = 0; digit < digits; digit++) {
      sortByDigit(from, to, { field, shift: digit * bits, starts: starts.subarray(0, (1 << bits) + 1) })
      ;[from, to] = [to, from]
    }
  }
  freeBytes(starts)
  return from
}

function highest(triples: Uint32Array, field: number): number {
  let all = 0
  for (let at = field; at < triples.length; at += width) all |= triples[at]!
  return all >>> 0
}

function sortByDigit(
  from: Uint32Array,
  to: Uint32Array,
  { field, shift, starts }: { readonly field: number; readonly shift: number; readonly starts: Uint32Array },
): void {
  const mask = starts.length - 2
  starts.fill(0)
  for (let at = field; at < from.length; at += width) starts[((from[at]! >>> shift) & mask) + 1]!++
  for (let i = 1; i < starts.length; i++) starts[i]! += starts[i - 1]!
  for (let at = 0; at < from.length; at += width) {
    const place = starts[(from[at + field]! >>> shift) & mask]!++ * width
    to[place] = from[at]!
    to[place + 1] = from[at + 1]!
    to[place + 2] = from[at + 2]!
  }
}

/** A sorted run of the file, a piece at a time. */
class Run {
  piece: Uint32Array = new Uint32Array(0)
  at = 0
  readonly number: number
  readonly #file: FileWriter
  readonly #end: number
  #offset: number

  constructor(file: FileWriter, number: number, range: { readonly start: number; readonly end: number }) {
    this.#file = file
    this.number = number
    this.#offset = range.start
    this.#end = range.end
  }

  /** Moves to the next piece; false at the end. */
  async refill(): Promise<boolean> {
    const length = Math.min(mergeTriples * width * 4, this.#end - this.#offset)
    if (length === 0) return false
    const bytes = await this.#file.read(this.#offset, length)
    this.piece = new Uint32Array(bytes.buffer, bytes.byteOffset, length / 4)
    this.at = 0
    this.#offset += length
    return true
  }

  /** Whether this run's triple comes first. Runs of one pair follow in their order: their series ascend. */
  isBefore(other: Run): boolean {
    const [a, b] = [this.piece, other.piece]
    const name = a[this.at]! - b[other.at]!
    if (name !== 0) return name < 0
    const value = a[this.at + 1]! - b[other.at + 1]!
    return value !== 0 ? value < 0 : this.number < other.number
  }
}

async function* mergeRuns(file: FileWriter, offsets: readonly number[]): AsyncGenerator<Triples> {
  const heap: Run[] = []
  for (let i = 0; i + 1 < offsets.length; i++) {
    const run = new Run(file, i, { start: offsets[i]!, end: offsets[i + 1]! })
    if (await run.refill()) heap.push(run)
  }
  for (let i = heap.length >> 1; i >= 0; i--) sink(heap, i)
  const out = new Uint32Array(mergeTriples * width)
  let length = 0
  while (heap.length > 0) {
    const run = heap[0]!
    out[length] = run.piece[run.at]!
    out[length + 1] = run.piece[run.at + 1]!
    out[length + 2] = run.piece[run.at + 2]!
    length += width
    run.at += width
    if (run.at === run.piece.length && !(await run.refill())) {
      const last = heap.pop()!
      if (heap.length > 0) heap[0] = last
    }
    sink(heap, 0)
    if (length === out.length) {
      yield out
      length = 0
    }
  }
  yield out.subarray(0, length)
}

/** Moves an entry of the heap down to its place. */
function sink(heap: Run[], from: number): void {
  const run = heap[from]
  if (run === undefined) return
  let at = from
  for (;;) {
    let child = 2 * at + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && heap[child + 1]!.isBefore(heap[child]!)) child++
    if (!heap[child]!.isBefore(run)) break
    heap[at] = heap[child]!
    at = child
  }
  heap[at] = run
}
