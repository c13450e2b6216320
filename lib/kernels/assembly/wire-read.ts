// Reads StoreAPI's series as they come from the wire: where the series of a frame stand, and the samples of one.
// Specification: proto/store.proto (SeriesResponse, Series, AggrChunk, Chunk).
//
//   SeriesResponse: 1 Series │ 4 batch { 1 Series … }          Series: 1 Label … │ 2 AggrChunk …
//   AggrChunk: 1 min time │ 2 max time │ 3 raw Chunk           Chunk: 1 type │ 2 data │ 3 hash
//
// Only what nearly all series are is read here, plain series: labels before chunks, XOR chunks one after the other in time, hashes
// that are right, no field that is not named above. All else, and all that is corrupt, is left to the reader in TypeScript.
import { decodeXor } from './xor-decode'
import { xxhash64 } from './xxhash'

/** Neither a time nor a hash: the walk has met what it does not read. */
let strange: bool = false
let at: usize = 0

@inline
function varint(end: usize): u64 {
  if (at < end) {
    const first = <u64>load<u8>(at)
    if (first < 0x80) {
      at++
      return first
    }
  }
  return longVarint(end)
}

function longVarint(end: usize): u64 {
  let value: u64 = 0
  for (let shift: u64 = 0; shift < 70; shift += 7) {
    if (at >= end) break
    const byte = <u64>load<u8>(at++)
    if (shift == 63 && byte > 1) break
    value |= (byte & 0x7f) << shift
    if (byte < 0x80) return value
  }
  strange = true
  return 0
}

/** Reads a length and returns where that many bytes end; strange where that is behind `end`. */
@inline
function delimited(end: usize): usize {
  const length = varint(end)
  if (length > <u64>(end - at)) {
    strange = true
    return at
  }
  return at + <usize>length
}

// The chunk that was read last.
let minTime: i64 = 0
let maxTime: i64 = 0
let data: usize = 0
let dataLength: u32 = 0

const MAX_SAFE: i64 = 9007199254740991

/** Reads the AggrChunk message that ends at `end`. With `check`, its hash is held against its bytes. */
function aggrChunk(end: usize, check: bool): void {
  minTime = 0
  maxTime = 0
  data = 0
  dataLength = 0
  while (at < end && !strange) {
    const tag = load<u8>(at++)
    if (tag == 0x08) minTime = <i64>varint(end)
    else if (tag == 0x10) maxTime = <i64>varint(end)
    else if (tag == 0x1a && data == 0) rawChunk(delimited(end), check)
    else strange = true
  }
  strange = strange || data == 0 || minTime > maxTime || minTime < -MAX_SAFE || maxTime > MAX_SAFE
}

@inline
function rawChunk(end: usize, check: bool): void {
  let hash: u64 = 0
  while (at < end && !strange) {
    const tag = load<u8>(at++)
    if (tag == 0x12) {
      const dataEnd = delimited(end)
      data = at
      dataLength = <u32>(dataEnd - at)
      at = dataEnd
    } else if (tag == 0x18) hash = varint(end)
    else if (tag != 0x08 || varint(end) != 0) strange = true
  }
  if (dataLength < 2) strange = true
  if (check && hash && !strange && xxhash64(data, dataLength) != hash) strange = true
}

@inline
function sampleCount(): u32 {
  return (<u32>load<u8>(data) << 8) | <u32>load<u8>(data, 1)
}

/** A series of a frame: addresses of its message, of its first chunk's field and of its end; a plain one's other fields. */
@unmanaged
class SeriesPlace {
  start: u32
  chunks: u32
  end: u32
  /** 1: plain. */
  plain: u32
  chunkCount: u32
  dataBytes: u32
  samples: u32
  unused: u32
  minTime: f64
  maxTime: f64
}

@inline
function placeAt(places: usize, index: i32): SeriesPlace {
  return changetype<SeriesPlace>(places + <usize>index * offsetof<SeriesPlace>())
}

/**
 * Finds the series of the frame at `frame` and writes their places to `places`, which holds `room` of them (48 bytes each).
 * Returns their number; −1 where the frame has more, or fields that are not series.
 */
export function walkFrame(frame: usize, length: i32, places: usize, room: i32): i32 {
  at = frame
  strange = false
  const end = frame + <usize>length
  let count = 0
  while (at < end) {
    const tag = load<u8>(at++)
    if (tag == 0x0a) {
      if (count == room) return -1
      walkSeries(delimited(end), placeAt(places, count++))
    } else if (tag == 0x22) {
      const batchEnd = delimited(end)
      while (at < batchEnd && !strange) {
        if (load<u8>(at++) != 0x0a || count == room) return -1
        walkSeries(delimited(batchEnd), placeAt(places, count++))
      }
    } else return -1
    if (strange) return -1
  }
  return count
}

/** Fills the place of the Series message that ends at `end`, and goes there; what is strange in it is no matter of the frame. */
function walkSeries(end: usize, place: SeriesPlace): void {
  if (strange) return
  place.start = <u32>at
  place.end = <u32>end
  while (at < end && load<u8>(at) == 0x0a && !strange) {
    at++
    at = delimited(end)
  }
  place.chunks = <u32>at
  let chunkCount = 0
  let dataBytes: u32 = 0
  let samples: u32 = 0
  let before: i64 = i64.MIN_VALUE
  place.minTime = Infinity
  while (at < end && !strange) {
    if (load<u8>(at++) != 0x12) strange = true
    else aggrChunk(delimited(end), true)
    if (strange || minTime <= before) {
      strange = true
      break
    }
    before = maxTime
    if (chunkCount++ == 0) place.minTime = <f64>minTime
    dataBytes += dataLength
    samples += sampleCount()
  }
  place.maxTime = chunkCount ? <f64>before : -Infinity
  place.chunkCount = chunkCount
  place.dataBytes = dataBytes
  place.samples = samples
  place.plain = <u32>!strange
  strange = false
  at = end
}

/**
 * Decodes the chunks of a plain series (AggrChunk fields of `length` bytes at `fields`) whose times touch [from, to], one after the
 * other: samples in [from, to] and later than `last`, times ascending. `words` holds length + 48 bytes; `times` and `values` all
 * samples of the chunks. Returns the number of samples; −1 where the fields are not a plain series' or a chunk is corrupt.
 */
export function decodePlain(
  fields: usize,
  length: i32,
  words: usize,
  times: usize,
  values: usize,
  from: f64,
  to: f64,
  last: f64,
): i32 {
  at = fields
  strange = false
  const end = fields + <usize>length
  let count = 0
  let after = Math.max(last + 1, from)
  while (at < end) {
    if (load<u8>(at++) != 0x12) return -1
    aggrChunk(delimited(end), false)
    if (strange) return -1
    if (<f64>minTime > to || <f64>maxTime < from) continue
    const chunkTimes = times + (<usize>count << 3)
    const chunkValues = values + (<usize>count << 3)
    const samples = sampleCount()
    // From the third on a sample takes at least 2 bits.
    if (samples > 2 + dataLength * 4) return -1
    const decoded = decodeXor(data, dataLength, words, chunkTimes, chunkValues)
    if (decoded < 0) return -1
    const timesEnd = chunkTimes + (<usize>decoded << 3)
    const first = lowerBound(chunkTimes, timesEnd, after)
    const kept = lowerBound(first, timesEnd, to + 1) - first
    if (first != chunkTimes) {
      memory.copy(chunkTimes, first, kept)
      memory.copy(chunkValues, chunkValues + (first - chunkTimes), kept)
    }
    if (kept) {
      count += <i32>(kept >> 3)
      // A chunk may hold more than it announced: time never goes back.
      after = Math.max(load<f64>(chunkTimes + kept - 8) + 1, from)
    }
  }
  return count
}

/** The first time from `first` on that is at least `time`; `end` where there is none. */
function lowerBound(first: usize, end: usize, time: f64): usize {
  if (first == end || load<f64>(first) >= time) return first
  let low = first
  let high = end
  while (low < high) {
    const middle = low + (((high - low) >> 4) << 3)
    if (load<f64>(middle) < time) low = middle + 8
    else high = middle
  }
  return low
}
