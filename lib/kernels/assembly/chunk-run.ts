// The chunks of one series where they lie in a segment one behind the other, as they do in every block that was written in one go.
// Specification: lib/tsdb/chunk-format.ts. What is unusual is left to lib/tsdb/chunk-reader.ts, and so is what is wrong.
// Owns where the records begin; their checksums are crc32c.ts's.

/** Records that were found; addresses are in the bytes at hand, and arrays have room for the chunks that are looked for. */
@unmanaged
export class ChunkRun {
  start: usize
  end: usize
  /** u32: where each record begins, and, one more, where the last one ends; where each one's data begins; its samples. */
  starts: usize
  dataStarts: usize
  sampleCounts: usize
  numSamples: f64
  numFloatSamples: f64
  numHistogramSamples: f64
}

export const RUN_FOUND: i32 = 0
/** `runBytes` from the first record on are wanted, or more. */
export const RUN_CUT: i32 = 1
/** No run, or not what their format says. */
export const RUN_OTHER: i32 = 2

export let runBytes: u32 = 0

const MAX_DATA_BYTES: u32 = 64 * 1024 * 1024
/** A length field, and what a record has at least besides. */
const LENGTH_BYTES: usize = 5
const ENCODING_XOR: u32 = 1
const ENCODING_HISTOGRAM: u32 = 2
const ENCODING_FLOAT_HISTOGRAM: u32 = 3
const ENCODING_XOR2: u32 = 4
const ENCODING_HISTOGRAM_ST: u32 = 5
const ENCODING_FLOAT_HISTOGRAM_ST: u32 = 6
const ENCODING_AGGREGATE: u32 = 0xff
const AGGREGATES: i32 = 5
const NONE: u32 = 0xffffffff

/** Finds the records of `count` chunks, at least one, whose references (f64) are those of the bytes from `first` to `end` on. */
export function findRun(first: usize, end: usize, chunkRefs: usize, count: u32, into: ChunkRun): i32 {
  into.numSamples = 0
  into.numFloatSamples = 0
  into.numHistogramSamples = 0
  into.start = first
  const firstRef = load<f64>(chunkRefs)
  let at = first
  for (let i: u32 = 0; i < count; i++) {
    const cell = <usize>i << 2
    if (load<f64>(chunkRefs + (<usize>i << 3)) != firstRef + <f64>(at - first)) return RUN_OTHER
    if (at + LENGTH_BYTES > end) return cut(at + LENGTH_BYTES - first)
    store<u32>(into.starts + cell, <u32>at)
    let dataBytes: u32 = 0
    let byte: u32
    let shift: u32 = 0
    do {
      if (shift > 21) return RUN_OTHER
      byte = load<u8>(at++)
      dataBytes |= (byte & 0x7f) << shift
      shift += 7
    } while (byte >= 0x80)
    if (dataBytes > MAX_DATA_BYTES) return RUN_OTHER
    const data = at + 1
    const dataEnd = data + <usize>dataBytes
    if (dataEnd + 4 > end) return cut(dataEnd + 4 - first)
    const encoding = <u32>load<u8>(at)
    const samples = samplesOf(encoding, data, dataBytes)
    if (samples == NONE) return RUN_OTHER
    store<u32>(into.dataStarts + cell, <u32>data)
    store<u32>(into.sampleCounts + cell, samples)
    into.numSamples += <f64>samples
    if (isFloat(encoding)) into.numFloatSamples += <f64>samples
    else if (isHistogram(encoding)) into.numHistogramSamples += <f64>samples
    at = dataEnd + 4
  }
  into.end = at
  store<u32>(into.starts + (<usize>count << 2), <u32>at)
  return RUN_FOUND
}

export function isFloat(encoding: u32): bool {
  return encoding == ENCODING_XOR || encoding == ENCODING_XOR2
}

/** Of those that there are. */
export function isHistogram(encoding: u32): bool {
  return !isFloat(encoding) && encoding != ENCODING_AGGREGATE
}

function cut(bytes: usize): i32 {
  runBytes = <u32>bytes
  return RUN_CUT
}

/** As lib/chunkenc/encoding.ts counts them; NONE where the chunk's header is not as it should be. */
function samplesOf(encoding: u32, data: usize, dataBytes: u32): u32 {
  if (encoding == ENCODING_AGGREGATE) return windowsOf(data, data + <usize>dataBytes)
  if (dataBytes < 2) return NONE
  const count = (<u32>load<u8>(data) << 8) | <u32>load<u8>(data, 1)
  switch (encoding) {
    case ENCODING_XOR:
    case ENCODING_XOR2:
    case ENCODING_HISTOGRAM:
    case ENCODING_FLOAT_HISTOGRAM:
      return count
    case ENCODING_HISTOGRAM_ST:
    case ENCODING_FLOAT_HISTOGRAM_ST:
      // The top two bits hold the counter reset hint.
      return count & 0x3fff
    default:
      return NONE
  }
}

/** Those of its count (lib/chunkenc/aggregate.ts), 0 where it has none. */
function windowsOf(data: usize, end: usize): u32 {
  let windows: u32 = 0
  let at = data
  for (let slot = 0; slot < AGGREGATES; slot++) {
    let length: u32 = 0
    let byte: u32
    let shift: u32 = 0
    do {
      if (shift > 21 || at >= end) return NONE
      byte = load<u8>(at++)
      length |= (byte & 0x7f) << shift
      shift += 7
    } while (byte >= 0x80)
    if (length == 0) continue
    if (<usize>length + 1 > end - at) return NONE
    if (slot == 0) {
      const encoding = <u32>load<u8>(at)
      windows = encoding == ENCODING_AGGREGATE ? NONE : samplesOf(encoding, at + 1, length)
      if (windows == NONE) return NONE
    }
    at += <usize>length + 1
  }
  return windows
}
