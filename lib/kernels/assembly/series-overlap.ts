// One series' XOR chunks from several blocks as chunks that do not overlap: what stands alone stays as it is, byte for byte.
// Algorithm: lib/tsdb/overlap.ts, its twin, which also does all that is not XOR, and says what is wrong.
// Owns what is made of the series at hand: chunks one behind the other, and what an index says of them.
import { RUN_FOUND } from './chunk-run'
import { crc32c } from './crc32c'
import { MergeCall, mergeChain, mergePenalty, mergeStart } from './merge'
import { chunksAreWhole, SeriesInput } from './series-input'
import { decodeXor } from './xor-decode'
import { encodeXor } from './xor-encode'

export const OVERLAP_DONE: i32 = RUN_FOUND
/** What has been written before must be taken: there is no room left behind it. */
export const OVERLAP_TAKE: i32 = 1
/** Room for `wantedSamples` is wanted, or for `wantedListed` chunks. */
export const OVERLAP_LARGE: i32 = 2
/** TypeScript does it. */
export const OVERLAP_OTHER: i32 = 3

export let wantedSamples: u32 = 0
export let wantedListed: u32 = 0

const ENCODING_XOR: u32 = 1
const SAMPLES_PER_CHUNK: i32 = 120
/** A chunk of so many samples at most, its length field and what the encoder writes behind it included. */
const MOST_CHUNK_BYTES: usize = 120 * 19 + 64
/** Data of larger chunks is left to TypeScript. */
const MOST_DATA_BYTES: u32 = 65536
/** Chunks of more that overlap are left to TypeScript, too: few of those that are made of them have room where they are written. */
const MOST_SAMPLES: u32 = 65536
/** What decoders read behind a chunk. */
const MARGIN: usize = 64

/** A chunk of one of the blocks: where its record and its data begin, and where the record ends. */
@unmanaged
class ListedChunk {
  minTime: f64
  maxTime: f64
  start: usize
  data: usize
  end: usize
  samples: u32
}
const LISTED_BYTES: usize = 32

/** A chunk that was made: its record begins `offset` bytes behind the first one's. */
@unmanaged
export class MadeChunk {
  minTime: f64
  maxTime: f64
  offset: u32
  samples: u32
  encoding: u32
}
const MADE_BYTES: usize = 32

@unmanaged
export class OverlapRoom {
  // Given: rooms.
  listed: usize
  made: usize
  /** Chunks that there is room for in either list. */
  listRoom: u32
  /** u32: how many chunks of each member have been listed. */
  cursors: usize
  /** MOST_DATA_BYTES and a margin, twice: a chunk, and what the decoder turns it into. */
  bytes: usize
  /** Three pairs of columns. */
  mergedTimes: usize
  mergedValues: usize
  nextTimes: usize
  nextValues: usize
  scratchTimes: usize
  scratchValues: usize
  sampleRoom: u32
  call: MergeCall
  /** Given: samples of one replica at a time. */
  isPenalty: u32

  madeCount: u32
  madeBytes: u32
  /** Samples that stand in several chunks, or were left out by the penalty. */
  dropped: f64
}

@inline
function listedAt(room: OverlapRoom, index: u32): ListedChunk {
  return changetype<ListedChunk>(room.listed + <usize>index * LISTED_BYTES)
}

@inline
export function madeAt(room: OverlapRoom, index: u32): MadeChunk {
  return changetype<MadeChunk>(room.made + <usize>index * MADE_BYTES)
}

/** Makes chunks of those of the members, which have been found; records go to `to`, where there is room up to `end`. */
export function makeChunks(room: OverlapRoom, inputs: usize, members: usize, memberCount: u32, to: usize, end: usize): i32 {
  room.madeCount = 0
  room.madeBytes = 0
  room.dropped = 0
  let total: u32 = 0
  for (let i: u32 = 0; i < memberCount; i++) {
    const input = memberAt(inputs, members, i)
    if (!chunksAreWhole(input)) return OVERLAP_OTHER
    total += input.series.chunkCount
  }
  wantedListed = total
  wantedSamples = 0
  if (total > room.listRoom) return OVERLAP_LARGE
  listInOrder(room, inputs, members, memberCount, total)
  for (let from: u32 = 0; from < total; ) {
    let runEnd = from + 1
    let last = listedAt(room, from).maxTime
    for (; runEnd < total && listedAt(room, runEnd).minTime <= last; runEnd++) last = max(last, listedAt(room, runEnd).maxTime)
    const outcome = makeRun(room, from, runEnd, to, end)
    if (outcome != OVERLAP_DONE) return outcome
    from = runEnd
  }
  return OVERLAP_DONE
}

@inline
function memberAt(inputs: usize, members: usize, number: u32): SeriesInput {
  const input = load<u32>(members + (<usize>number << 2))
  return changetype<SeriesInput>(<usize>load<u32>(inputs + (<usize>input << 2)))
}

/** All chunks by their first and then by their last time; of equal ones that of the first member comes first. */
function listInOrder(room: OverlapRoom, inputs: usize, members: usize, memberCount: u32, total: u32): void {
  memory.fill(room.cursors, 0, <usize>memberCount << 2)
  for (let index: u32 = 0; index < total; index++) {
    let best: u32 = memberCount
    let bestMin: f64 = 0
    let bestMax: f64 = 0
    for (let i: u32 = 0; i < memberCount; i++) {
      const series = memberAt(inputs, members, i).series
      const next = load<u32>(room.cursors + (<usize>i << 2))
      if (next == series.chunkCount) continue
      const minTime = load<f64>(series.minTimes + (<usize>next << 3))
      const maxTime = load<f64>(series.maxTimes + (<usize>next << 3))
      if (best < memberCount && (minTime > bestMin || (minTime == bestMin && maxTime >= bestMax))) continue
      best = i
      bestMin = minTime
      bestMax = maxTime
    }
    const cursor = room.cursors + (<usize>best << 2)
    const cell = <usize>load<u32>(cursor) << 2
    store<u32>(cursor, load<u32>(cursor) + 1)
    const run = memberAt(inputs, members, best).run
    const listed = listedAt(room, index)
    listed.minTime = bestMin
    listed.maxTime = bestMax
    listed.start = <usize>load<u32>(run.starts + cell)
    listed.data = <usize>load<u32>(run.dataStarts + cell)
    listed.end = <usize>load<u32>(run.starts + cell, 4)
    listed.samples = load<u32>(run.sampleCounts + cell)
  }
}

/** Chunks [from, to) of the list, which overlap, directly or through others. */
function makeRun(room: OverlapRoom, from: u32, to: u32, out: usize, end: usize): i32 {
  let samples: u32 = 0
  for (let i = from; i < to; i++) samples += listedAt(room, i).samples
  const distinct = keepDistinct(room, from, to)
  const first = listedAt(room, from)
  if (distinct == 1) {
    room.dropped += <f64>(samples - first.samples)
    return passOn(room, first, out, end)
  }
  let wanted: u32 = 0
  for (let i = from; i < from + distinct; i++) {
    const chunk = listedAt(room, i)
    if (encodingOf(chunk) != ENCODING_XOR) return OVERLAP_OTHER
    wanted += chunk.samples
  }
  if (wanted > MOST_SAMPLES) return OVERLAP_OTHER
  if (wanted > room.sampleRoom) {
    wantedSamples = wanted
    return OVERLAP_LARGE
  }
  const merged = mergeRun(room, from, distinct)
  if (merged < 0) return OVERLAP_OTHER
  room.dropped += <f64>samples - <f64>merged
  return encodeMerged(room, merged, out, end)
}

@inline
function encodingOf(chunk: ListedChunk): u32 {
  return <u32>load<u8>(chunk.data - 1)
}

/** Moves those of [from, to) that are there once to the front; how many there are. Identical ones, from two blocks, stand near each other. */
function keepDistinct(room: OverlapRoom, from: u32, to: u32): u32 {
  let kept = from
  for (let i = from; i < to; i++) {
    const one = listedAt(room, i)
    let isCopy = false
    for (let k = kept; k > from && !isCopy; k--) {
      const other = listedAt(room, k - 1)
      if (other.minTime != one.minTime) break
      isCopy = isSame(other, one)
    }
    if (isCopy) continue
    if (kept != i) memory.copy(changetype<usize>(listedAt(room, kept)), changetype<usize>(one), LISTED_BYTES)
    kept++
  }
  return kept - from
}

/** Encoding, data and checksum are behind the length field, which may be written in several ways. */
function isSame(a: ListedChunk, b: ListedChunk): bool {
  const bytes = a.end - a.data
  return a.maxTime == b.maxTime && bytes == b.end - b.data && memory.compare(a.data - 1, b.data - 1, bytes + 1) == 0
}

/** A chunk as it is. */
function passOn(room: OverlapRoom, chunk: ListedChunk, out: usize, end: usize): i32 {
  const bytes = chunk.end - chunk.start
  const to = out + <usize>room.madeBytes
  if (bytes > end - to) return OVERLAP_TAKE
  if (room.madeCount == room.listRoom) {
    wantedListed = room.madeCount + 1
    return OVERLAP_LARGE
  }
  memory.copy(to, chunk.start, bytes)
  note(room, chunk.minTime, chunk.maxTime, chunk.samples, encodingOf(chunk))
  room.madeBytes += <u32>bytes
  return OVERLAP_DONE
}

/** There must be room. */
function note(room: OverlapRoom, minTime: f64, maxTime: f64, samples: u32, encoding: u32): void {
  const made = madeAt(room, room.madeCount++)
  made.minTime = minTime
  made.maxTime = maxTime
  made.offset = room.madeBytes
  made.samples = samples
  made.encoding = encoding
}

/** Chunk by chunk, as Thanos does; what lies before the next chunk is settled. How many samples; negative where one is not as it should be. */
function mergeRun(room: OverlapRoom, from: u32, count: u32): i32 {
  let length = decode(room, listedAt(room, from), room.mergedTimes, room.mergedValues)
  let settled = 0
  const call = room.call
  call.timesA = room.mergedTimes
  call.valuesA = room.mergedValues
  call.timesB = room.nextTimes
  call.valuesB = room.nextValues
  call.times = room.scratchTimes
  call.values = room.scratchValues
  for (let i = from + 1; i < from + count && length >= 0; i++) {
    const next = decode(room, listedAt(room, i), room.nextTimes, room.nextValues)
    if (next < 0) return -1
    call.countA = length
    call.countB = next
    const made = room.isPenalty ? mergePenalty(call, settled) : mergeChain(call, settled)
    settled = mergeStart
    const at = <usize>settled << 3
    memory.copy(room.mergedTimes + at, room.scratchTimes, <usize>made << 3)
    memory.copy(room.mergedValues + at, room.scratchValues, <usize>made << 3)
    length = settled + made
  }
  return length
}

/** Decodes a chunk whose samples are those that the index tells, in order; their number, negative where they are not. */
function decode(room: OverlapRoom, chunk: ListedChunk, times: usize, values: usize): i32 {
  const dataBytes = <u32>(chunk.end - 4 - chunk.data)
  // From the third sample on each takes at least 2 bits.
  if (dataBytes > MOST_DATA_BYTES || !chunk.samples || chunk.samples > 2 + dataBytes * 4) return -1
  const words = room.bytes + <usize>MOST_DATA_BYTES + MARGIN
  memory.copy(room.bytes, chunk.data, <usize>dataBytes)
  const count = decodeXor(room.bytes, <i32>dataBytes, words, times, values)
  if (count <= 0) return -1
  const end = times + (<usize>count << 3)
  let ascend = true
  for (let at = times + 8; at < end; at += 8) ascend = ascend && load<f64>(at) > load<f64>(at - 8)
  return ascend && load<f64>(times) == chunk.minTime && load<f64>(end - 8) == chunk.maxTime ? count : -1
}

/** The merged samples as chunks of at most 120. */
function encodeMerged(room: OverlapRoom, length: i32, out: usize, end: usize): i32 {
  if (room.madeCount + <u32>(length / SAMPLES_PER_CHUNK) + 1 > room.listRoom) {
    wantedListed = room.madeCount + <u32>(length / SAMPLES_PER_CHUNK) + 1
    return OVERLAP_LARGE
  }
  for (let from = 0; from < length; from += SAMPLES_PER_CHUNK) {
    const to = out + <usize>room.madeBytes
    if (MOST_CHUNK_BYTES > end - to) return OVERLAP_TAKE
    const count = min(SAMPLES_PER_CHUNK, length - from)
    const times = room.mergedTimes + (<usize>from << 3)
    note(room, load<f64>(times), load<f64>(times + (<usize>(count - 1) << 3)), <u32>count, ENCODING_XOR)
    room.madeBytes += <u32>(encodeRecord(times, room.mergedValues + (<usize>from << 3), count, to) - to)
  }
  return OVERLAP_DONE
}

/** Where the record ends that is written to `to`. */
function encodeRecord(times: usize, values: usize, count: i32, to: usize): usize {
  // Two bytes hold the length of any chunk of 120 samples; one does where there are few.
  const data = to + 3
  const dataBytes = <u32>encodeXor(times, values, count, data)
  store<u8>(data - 1, <u8>ENCODING_XOR)
  store<u32>(data + <usize>dataBytes, bswap(crc32c(data - 1, dataBytes + 1)))
  let at = to
  if (dataBytes < 0x80) {
    store<u8>(at++, <u8>dataBytes)
    memory.copy(at, data - 1, <usize>dataBytes + 5)
  } else {
    store<u8>(at++, <u8>(dataBytes | 0x80))
    store<u8>(at++, <u8>(dataBytes >> 7))
  }
  return at + <usize>dataBytes + 5
}
