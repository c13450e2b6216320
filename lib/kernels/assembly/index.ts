// What the WebAssembly module exports: one file a concern, each export with a plain TypeScript twin under test/.
// Compiled by asc alone (no tsc, no lint): lib/kernels/instance.ts is the only caller and owns all memory.
export {
  accumulateAvg,
  accumulateCount,
  accumulateGroup,
  accumulateMax,
  accumulateMin,
  accumulateSum,
  accumulateVariance,
  finishAvg,
  finishCopy,
  finishGroup,
  finishStddev,
  finishStdvar,
  finishSum,
} from './accumulate'
export { recordsAreWhole } from './crc32c'
export { powersOfTen } from './decimal'
export { aggregateWindows, applyResets, dropNaN, dropStale, lastRawValue } from './downsample'
export { lookback } from './lookback'
export { mergeChain, mergePenalty, mergeStart } from './merge'
export { writePoints } from './points'
export { wantedChunks, wantedLabels } from './series-entry'
export { acceptOrder, chunksAreWhole, countSeries, findChunks, leaveSeries, nextSeries } from './series-input'
export { wantedListed, wantedSamples } from './series-overlap'
export { beginWriting, leaveMembers, mergeSeries } from './series-merge'
export { scratchBytes } from './window'
export { first, last, present, sampleCount, tsOfFirst, tsOfLast } from './window-edges'
export { changes, resets } from './window-events'
export { max, min, tsOfMax, tsOfMin } from './window-extremes'
export { avg, stddev, stdvar, sum } from './window-moments'
export { mad, quantile } from './window-order'
export { delta, idelta, increase, irate, rate } from './window-rate'
export { deriv, predictLinear, smoothing } from './window-trend'
export { decodeXor, failedSample } from './xor-decode'
export { decodePlain, walkFrame } from './wire-read'
export { writeChunks } from './wire-write'
export { encodeXor } from './xor-encode'
export { decodeXor2 } from './xor2-decode'
export { encodeXor2 } from './xor2-encode'
export { xxhash64 } from './xxhash'
