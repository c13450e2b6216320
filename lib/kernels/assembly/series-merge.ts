// Merges the series of several blocks where that is simple: chunks that follow each other from block to block are copied as bytes, those
// that overlap are merged by series-overlap.ts.
// Algorithm: a merge of sorted lists; blocks are few, so that the smallest series is looked for among all of them.
// Specification: lib/compact/merge.ts, which does all that is not simple. Owns what has been written and JavaScript has not taken.
import { chunksAreWhole, findChunks, leaveSeries, nextSeries, SeriesInput, STEP_DONE, STEP_END, STEP_OTHER } from './series-input'
import { isFloat, isHistogram } from './chunk-run'
import { madeAt, makeChunks, OVERLAP_DONE, OVERLAP_LARGE, OVERLAP_TAKE, OverlapRoom } from './series-overlap'
import { beginEntry, endEntry, mostEntryBytes, putChunk } from './series-entry'

/** What has been written is to be taken. */
export const STEP_TAKE: i32 = 9
/** There is room for fewer samples than `wantedSamples`, or fewer chunks than `wantedListed`. */
export const STEP_SAMPLES: i32 = 10

const ALIGNMENT: usize = 16
/** What a chunk may take in a segment more than its record: its length field in five bytes. */
const MORE_LENGTH_BYTES: f64 = 4

@unmanaged
export class SeriesMerge {
  // Given: addresses of inputs, and room for as many of those at the smallest series.
  inputs: usize
  inputCount: u32
  members: usize
  // Given: chunks are verified before they are copied.
  isVerified: u32
  // Given anew when what was written has been taken: where the next entry begins in the index, at its end; the reference of the next
  // chunk, and how many bytes its segment may still take.
  indexOffset: f64
  chunkRef: f64
  segmentRoom: f64
  // Given: rooms.
  entries: usize
  entriesRoom: u32
  chunks: usize
  chunksRoom: u32
  overlap: OverlapRoom

  /** Inputs at the smallest series; none at the end. */
  memberCount: u32
  /** The input that the step is about. */
  input: u32

  // Written, and what it comes to: all of it begins anew when it is taken.
  entriesLength: u32
  chunksLength: u32
  numSeries: u32
  numChunks: u32
  /** Of the first and the last series: what postings hold. */
  firstRef: u32
  lastRef: u32
  /** As lib/tsdb/index-stats.ts has them, of these series by themselves. */
  seriesMaxSize: u32
  chunkMaxSize: u32
  numSamples: f64
  numFloatSamples: f64
  numHistogramSamples: f64
  /** Samples of all chunks that were read for them, and of those what stood in several chunks, or was left out by the penalty. */
  numRead: f64
  numDropped: f64
  minTime: f64
  maxTime: f64
}

/** What has been written has been taken. */
export function beginWriting(merge: SeriesMerge): void {
  merge.entriesLength = 0
  merge.chunksLength = 0
  merge.numSeries = 0
  merge.numChunks = 0
  merge.seriesMaxSize = 0
  merge.chunkMaxSize = 0
  merge.numSamples = 0
  merge.numFloatSamples = 0
  merge.numHistogramSamples = 0
  merge.numRead = 0
  merge.numDropped = 0
  merge.minTime = Infinity
  merge.maxTime = -Infinity
}

@inline
function inputAt(list: usize, number: u32): SeriesInput {
  return changetype<SeriesInput>(<usize>load<u32>(list + (<usize>number << 2)))
}

/** Copies series up to one that JavaScript must see to: it is that of the members. STEP_END at the end of all inputs. */
export function mergeSeries(merge: SeriesMerge): i32 {
  let step = standAtSmallest(merge)
  for (; step == STEP_DONE; step = standAtSmallest(merge)) {
    const copied = copySeries(merge)
    if (copied != STEP_DONE) return copied
    for (let i: u32 = 0; i < merge.memberCount; i++) merge.numRead += member(merge, i).run.numSamples
    leaveMembers(merge)
  }
  return step
}

/** Has all inputs at their next series, and the members at the smallest. */
function standAtSmallest(merge: SeriesMerge): i32 {
  for (let i: u32 = 0; i < merge.inputCount; i++) {
    const step = nextSeries(inputAt(merge.inputs, i))
    if (step == STEP_DONE || step == STEP_END) continue
    merge.input = i
    return step
  }
  findSmallest(merge)
  return merge.memberCount ? STEP_DONE : STEP_END
}

/** Leaves the smallest series, which has been seen to. */
export function leaveMembers(merge: SeriesMerge): void {
  for (let i: u32 = 0; i < merge.memberCount; i++)
    leaveSeries(inputAt(merge.inputs, load<u32>(merge.members + (<usize>i << 2))))
}

@inline
function member(merge: SeriesMerge, number: u32): SeriesInput {
  return inputAt(merge.inputs, load<u32>(merge.members + (<usize>number << 2)))
}

function findSmallest(merge: SeriesMerge): void {
  let count: u32 = 0
  for (let i: u32 = 0; i < merge.inputCount; i++) {
    const input = inputAt(merge.inputs, i)
    if (nextSeries(input) == STEP_END) continue
    const order = count ? compare(input, member(merge, 0)) : 0
    if (order > 0) continue
    if (order < 0) count = 0
    store<u32>(merge.members + (<usize>count << 2), i)
    count++
  }
  merge.memberCount = count
}

/** By their symbols of the merged list, whose order is that of the labels. */
function compare(a: SeriesInput, b: SeriesInput): i32 {
  const lengthA = a.series.labelLength
  const lengthB = b.series.labelLength
  const common = min(lengthA, lengthB)
  for (let i: u32 = 0; i < common; i++) {
    const cell = <usize>i << 2
    const one = load<u32>(a.numbers + cell)
    const other = load<u32>(b.numbers + cell)
    if (one != other) return one < other ? -1 : 1
  }
  return lengthA == lengthB ? 0 : lengthA < lengthB ? -1 : 1
}

function copySeries(merge: SeriesMerge): i32 {
  let bytes: u32 = 0
  for (let i: u32 = 0; i < merge.memberCount; i++) {
    const input = member(merge, i)
    const step = findChunks(input)
    if (step != STEP_DONE) {
      merge.input = load<u32>(merge.members + (<usize>i << 2))
      return step
    }
    bytes += <u32>(input.run.end - input.run.start)
  }
  const chunkCount = countChunks(merge)
  if (!chunkCount) return writeOverlapping(merge)
  const room = roomFor(merge, bytes, chunkCount)
  if (room != STEP_DONE) return room
  if (bytes > merge.chunksRoom - merge.chunksLength) return merge.chunksLength ? STEP_TAKE : STEP_OTHER
  if (merge.isVerified)
    for (let i: u32 = 0; i < merge.memberCount; i++) if (!chunksAreWhole(member(merge, i))) return STEP_OTHER
  write(merge, chunkCount)
  return STEP_DONE
}

/** Whether there is room for the entry of so many chunks, and for their bytes in the segment. */
function roomFor(merge: SeriesMerge, bytes: u32, chunkCount: u32): i32 {
  // A segment may have to be cut among them.
  if (<f64>merge.chunksLength + <f64>bytes + MORE_LENGTH_BYTES * <f64>chunkCount > merge.segmentRoom) return STEP_OTHER
  const entryBytes = mostEntryBytes(member(merge, 0).series.labelLength, chunkCount) + <u32>ALIGNMENT
  if (entryBytes > merge.entriesRoom) return STEP_OTHER
  return entryBytes > merge.entriesRoom - merge.entriesLength ? STEP_TAKE : STEP_DONE
}

/** Chunks of the members that do not follow each other. */
function writeOverlapping(merge: SeriesMerge): i32 {
  const overlap = merge.overlap
  const to = merge.chunks + <usize>merge.chunksLength
  const end = merge.chunks + <usize>merge.chunksRoom
  const outcome = makeChunks(overlap, merge.inputs, merge.members, merge.memberCount, to, end)
  if (outcome == OVERLAP_TAKE) return merge.chunksLength ? STEP_TAKE : STEP_OTHER
  if (outcome == OVERLAP_LARGE) return STEP_SAMPLES
  if (outcome != OVERLAP_DONE) return STEP_OTHER
  const count = overlap.madeCount
  const room = roomFor(merge, overlap.madeBytes, count)
  if (room != STEP_DONE) return room
  const entry = startEntry(merge, count)
  let before: f64 = 0
  for (let i: u32 = 0; i < count; i++) {
    const made = madeAt(overlap, i)
    const ref = merge.chunkRef + <f64>merge.chunksLength + <f64>made.offset
    putChunk(i == 0, made.minTime, made.maxTime, ref)
    noteChunk(merge, i, count, ref - before)
    before = ref
    merge.numSamples += <f64>made.samples
    if (isFloat(made.encoding)) merge.numFloatSamples += <f64>made.samples
    else if (isHistogram(made.encoding)) merge.numHistogramSamples += <f64>made.samples
  }
  merge.minTime = min(merge.minTime, madeAt(overlap, 0).minTime)
  merge.maxTime = max(merge.maxTime, madeAt(overlap, count - 1).maxTime)
  merge.chunksLength += overlap.madeBytes
  merge.numDropped += overlap.dropped
  finishEntry(merge, entry, count)
  return STEP_DONE
}

/** Chunks of all members; 0 where those of one do not follow those of the one before. */
function countChunks(merge: SeriesMerge): u32 {
  let count: u32 = 0
  let last = -Infinity
  for (let i: u32 = 0; i < merge.memberCount; i++) {
    const series = member(merge, i).series
    if (!series.chunkCount || load<f64>(series.minTimes) <= last) return 0
    last = load<f64>(series.maxTimes + (<usize>(series.chunkCount - 1) << 3))
    count += series.chunkCount
  }
  return count
}

function write(merge: SeriesMerge, chunkCount: u32): void {
  const entry = startEntry(merge, chunkCount)
  let number: u32 = 0
  let before: f64 = 0
  for (let i: u32 = 0; i < merge.memberCount; i++) {
    const series = member(merge, i).series
    const run = member(merge, i).run
    const minTimes = series.minTimes
    const maxTimes = series.maxTimes
    const moved = merge.chunkRef + <f64>merge.chunksLength - load<f64>(series.chunkRefs)
    for (let k: u32 = 0; k < series.chunkCount; k++, number++) {
      const cell = <usize>k << 3
      const ref = load<f64>(series.chunkRefs + cell) + moved
      putChunk(number == 0, load<f64>(minTimes + cell), load<f64>(maxTimes + cell), ref)
      noteChunk(merge, number, chunkCount, ref - before)
      before = ref
    }
    memory.copy(merge.chunks + <usize>merge.chunksLength, run.start, run.end - run.start)
    merge.chunksLength += <u32>(run.end - run.start)
    merge.numSamples += run.numSamples
    merge.numFloatSamples += run.numFloatSamples
    merge.numHistogramSamples += run.numHistogramSamples
    merge.minTime = min(merge.minTime, load<f64>(minTimes))
    merge.maxTime = max(merge.maxTime, load<f64>(maxTimes + (<usize>(series.chunkCount - 1) << 3)))
  }
  finishEntry(merge, entry, chunkCount)
}

/** Begins the entry of the members' labels, aligned; where it begins. */
function startEntry(merge: SeriesMerge, chunkCount: u32): usize {
  const padding = <usize>(-offsetOf(merge) & 15)
  const start = merge.entries + <usize>merge.entriesLength
  memory.fill(start, 0, padding)
  merge.entriesLength += <u32>padding
  const first = member(merge, 0)
  beginEntry(start + padding, first.numbers, first.series.labelLength, chunkCount)
  return start + padding
}

/** Where in the index what is written next goes. */
@inline
function offsetOf(merge: SeriesMerge): u64 {
  return <u64>merge.indexOffset + <u64>merge.entriesLength
}

/** Thanos leaves out the last two. */
function noteChunk(merge: SeriesMerge, number: u32, count: u32, bytes: f64): void {
  if (number && number + 1 < count) merge.chunkMaxSize = max(merge.chunkMaxSize, <u32>bytes)
}

function finishEntry(merge: SeriesMerge, entry: usize, chunkCount: u32): void {
  const ref = <u32>(offsetOf(merge) / ALIGNMENT)
  merge.entriesLength = <u32>(endEntry(entry) - merge.entries)
  merge.numChunks += chunkCount
  if (merge.numSeries++) merge.seriesMaxSize = max(merge.seriesMaxSize, (ref - merge.lastRef) * <u32>ALIGNMENT)
  else merge.firstRef = ref
  merge.lastRef = ref
}
