// One block's series in order, as compaction reads them: entries and chunks of which JavaScript has a part at hand at a time.
// Specification: lib/compact/series-input.ts, which fills in what is wanted, and says what is wrong where a step stops.
// Owns the series at hand. JavaScript writes to the fields under "given" alone.
import { ChunkRun, findRun, RUN_CUT, RUN_FOUND, runBytes } from './chunk-run'
import { recordsAreWhole } from './crc32c'
import { decodeEntry, ENTRY_CUT, ENTRY_LARGE, ENTRY_STRANGE, entryBytes, Series, wantedChunks, wantedLabels } from './series-entry'

export const STEP_DONE: i32 = 0
/** No series is left. */
export const STEP_END: i32 = 1
/** `wanted` bytes from `entry` on are to be at hand. */
export const STEP_ENTRIES: i32 = 2
/** There is room for fewer symbols than `wantedLabels`, or fewer chunks than `wantedChunks`. */
export const STEP_LARGE: i32 = 3
/** The entry is not as its format says. */
export const STEP_STRANGE: i32 = 4
/** By their symbols' numbers, the series is not behind the one before. */
export const STEP_UNORDERED: i32 = 5
/** `wanted` is the page of numbers that is not at hand. */
export const STEP_NUMBERS: i32 = 6
/** `wanted` bytes from the first chunk on are to be at hand, of the series' segment. */
export const STEP_CHUNKS: i32 = 7
/** The series is not as simple as that: JavaScript reads it. */
export const STEP_OTHER: i32 = 8

/** What is known of the series at hand. */
const NOTHING: u32 = 0
const DECODED: u32 = 1
const IN_ORDER: u32 = 2
const AT_HAND: u32 = 3
const AT_END: u32 = 4

const ALIGNMENT: usize = 16
const PAGE_BITS: u32 = 12
const PAGE_MASK: u32 = 4095

@unmanaged
export class SeriesInput {
  // Given: what is at hand of the series section, where the next entry or what aligns it begins, and its offset in the file.
  entry: usize
  entriesEnd: usize
  entryOffset: f64
  /** Given: the section ends with what is at hand. */
  isLast: u32
  // Given: what is at hand of a segment, and the reference of the chunk that would begin there.
  chunks: usize
  chunksEnd: usize
  chunksRef: f64
  // Given: the block's time, [minTime, maxTime) in ms.
  minTime: f64
  maxTime: f64
  // Given: symbols that there are, whether their numbers are in their order, and what each page of them is in the merged list: addresses
  // of pages of 4096 u32, 0 where one is not at hand. No pages: nothing is translated.
  symbolCount: u32
  areAscending: u32
  pages: usize
  // Given: references (u32, ascending) of series of which something was deleted.
  deleted: usize
  deletedEnd: usize
  // Given: rooms. Symbols of the series before, and those of the merged list, as large as the series' own.
  lastSymbols: usize
  numbers: usize
  // Given: the series at hand, and its chunks once they have been found.
  series: Series
  run: ChunkRun
  /** Given: the series at hand is read by JavaScript. */
  isOther: u32

  state: u32
  hasLast: u32
  lastLength: u32
  translated: u32
  wanted: u32
  /** Of the series at hand: what postings hold. */
  ref: u32
}

/** Leaves the series at hand. */
export function leaveSeries(input: SeriesInput): void {
  if (input.state != AT_HAND) return
  const series = input.series
  const symbols = series.symbols
  series.symbols = input.lastSymbols
  input.lastSymbols = symbols
  input.lastLength = series.labelLength
  input.hasLast = 1
  input.state = NOTHING
}

/** Has the next series at hand. STEP_DONE, STEP_END, or what is wanted before it is called again. */
export function nextSeries(input: SeriesInput): i32 {
  if (input.state == AT_END) return STEP_END
  if (input.state == NOTHING) {
    const step = decodeNext(input)
    if (step != STEP_DONE) return step
    input.state = DECODED
    input.translated = 0
    input.isOther = 0
  }
  if (input.state == DECODED) {
    if (!isInOrder(input)) return STEP_UNORDERED
    input.state = IN_ORDER
  }
  if (input.state == IN_ORDER) {
    if (input.pages && !translate(input)) return STEP_NUMBERS
    input.state = AT_HAND
  }
  return STEP_DONE
}

/** JavaScript has seen that the series is behind the one before. */
export function acceptOrder(input: SeriesInput): void {
  if (input.state == DECODED) input.state = IN_ORDER
}

function decodeNext(input: SeriesInput): i32 {
  const over = <usize>(<u64>input.entryOffset % ALIGNMENT)
  if (over) move(input, min(ALIGNMENT - over, input.entriesEnd - input.entry))
  if (input.entry == input.entriesEnd) {
    if (!input.isLast) return cut(input, 1)
    input.state = AT_END
    return STEP_END
  }
  const series = input.series
  const outcome = decodeEntry(input.entry, input.entriesEnd, series)
  if (outcome == ENTRY_CUT) return input.isLast ? STEP_STRANGE : cut(input, entryBytes)
  if (outcome == ENTRY_LARGE) return STEP_LARGE
  if (outcome == ENTRY_STRANGE) return STEP_STRANGE
  for (let i: u32 = 0; i < series.labelLength; i++)
    if (load<u32>(series.symbols + (<usize>i << 2)) >= input.symbolCount) return STEP_STRANGE
  input.ref = <u32>(<u64>input.entryOffset / ALIGNMENT)
  move(input, entryBytes)
  return STEP_DONE
}

@inline
function move(input: SeriesInput, bytes: usize): void {
  input.entry += bytes
  input.entryOffset += <f64>bytes
}

function cut(input: SeriesInput, bytes: u32): i32 {
  input.wanted = bytes
  return STEP_ENTRIES
}

/** Whether the first symbols that differ say that the series is behind the one before. */
function isInOrder(input: SeriesInput): bool {
  if (!input.hasLast) return true
  const symbols = input.series.symbols
  const labelLength = input.series.labelLength
  const common = min(labelLength, input.lastLength)
  for (let i: u32 = 0; i < common; i++) {
    const cell = <usize>i << 2
    const symbol = load<u32>(symbols + cell)
    const before = load<u32>(input.lastSymbols + cell)
    if (symbol != before) return symbol > before && input.areAscending != 0
  }
  return labelLength > input.lastLength
}

/** False where a page is not at hand: what has been translated before it is kept. */
function translate(input: SeriesInput): bool {
  const symbols = input.series.symbols
  const labelLength = input.series.labelLength
  for (let i = input.translated; i < labelLength; i++) {
    const cell = <usize>i << 2
    const symbol = load<u32>(symbols + cell)
    const page = load<u32>(input.pages + (<usize>(symbol >> PAGE_BITS) << 2))
    if (!page) {
      input.translated = i
      input.wanted = symbol >> PAGE_BITS
      return false
    }
    store<u32>(input.numbers + cell, load<u32>(<usize>page + (<usize>(symbol & PAGE_MASK) << 2)))
  }
  return true
}

/** Finds the chunks of the series at hand: STEP_DONE, STEP_CHUNKS or STEP_OTHER. */
export function findChunks(input: SeriesInput): i32 {
  const series = input.series
  const run = input.run
  if (input.isOther || !series.chunkCount || isDeleted(input) || !timesAreRight(input)) return STEP_OTHER
  const ahead = load<f64>(series.chunkRefs) - input.chunksRef
  if (ahead < 0 || ahead > <f64>(input.chunksEnd - input.chunks)) {
    input.wanted = 0
    return STEP_CHUNKS
  }
  const first = input.chunks + <usize>ahead
  const outcome = findRun(first, input.chunksEnd, series.chunkRefs, series.chunkCount, run)
  if (outcome == RUN_FOUND) return STEP_DONE
  if (outcome != RUN_CUT) return STEP_OTHER
  input.wanted = runBytes
  return STEP_CHUNKS
}

function isDeleted(input: SeriesInput): bool {
  while (input.deleted < input.deletedEnd && load<u32>(input.deleted) < input.ref) input.deleted += 4
  return input.deleted < input.deletedEnd && load<u32>(input.deleted) == input.ref
}

/** Chunks follow each other, all of them inside the block's time. */
function timesAreRight(input: SeriesInput): bool {
  const minTimes = input.series.minTimes
  const maxTimes = input.series.maxTimes
  const chunkCount = input.series.chunkCount
  let last = input.minTime - 1
  for (let i: u32 = 0; i < chunkCount; i++) {
    const cell = <usize>i << 3
    const minTime = load<f64>(minTimes + cell)
    const maxTime = load<f64>(maxTimes + cell)
    if (!(minTime > last && minTime <= maxTime && maxTime < input.maxTime)) return false
    last = maxTime
  }
  return true
}

/** Whether the records that findChunks() has found have the checksums of their bytes. */
export function chunksAreWhole(input: SeriesInput): bool {
  const run = input.run
  return recordsAreWhole(run.start, <u32>(run.end - run.start))
}

/** What has been counted. */
@unmanaged
export class SeriesCount {
  numSeries: f64
  numChunks: f64
  numSamples: f64
}

/** Counts series with all of their chunks, verified, up to one that JavaScript must see to; STEP_END at the end. */
export function countSeries(input: SeriesInput, count: SeriesCount): i32 {
  let step = nextSeries(input)
  for (; step == STEP_DONE; step = nextSeries(input)) {
    const found = findChunks(input)
    if (found != STEP_DONE) return found
    if (!chunksAreWhole(input)) return STEP_OTHER
    count.numSeries++
    count.numChunks += <f64>input.series.chunkCount
    count.numSamples += input.run.numSamples
    leaveSeries(input)
  }
  return step
}
