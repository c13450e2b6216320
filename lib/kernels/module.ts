// The compiled kernels: build/kernels.wasm, read and compiled once a process, and the shape of what it exports.
// Owns the names and signatures that assembly/index.ts exports; addresses are bytes in linear memory.
import { readFileSync } from 'node:fs'
import { MnemoError } from '../kit/errors.ts'
import type { AccumulateFunction, WindowFunction } from './functions.ts'

/** Takes the address of a WindowCall (assembly/window.ts). */
type WindowExport = (call: number) => void
type AccumulateExport = (state: number, values: number, present: number) => void

export interface KernelExports extends Record<(typeof windowExports)[WindowFunction], WindowExport> {
  readonly decodeXor: (chunk: number, length: number, words: number, times: number, values: number) => number
  readonly decodeXor2: (
    chunk: number,
    length: number,
    words: number,
    times: number,
    values: number,
    starts: number,
  ) => number
  /** Number of samples that the last failed decode had read. */
  readonly failedSample: { readonly value: number }
  readonly recordsAreWhole: (records: number, length: number) => number
  /** A u64, which comes out signed. */
  readonly xxhash64: (bytes: number, length: number) => bigint
  /** `input` is a SeriesInput (assembly/series-input.ts); each gives back a step. */
  readonly nextSeries: (input: number) => number
  readonly leaveSeries: (input: number) => void
  readonly acceptOrder: (input: number) => void
  readonly findChunks: (input: number) => number
  readonly chunksAreWhole: (input: number) => number
  /** `count` is a SeriesCount (assembly/series-input.ts). */
  readonly countSeries: (input: number, count: number) => number
  /** What an entry for which there was no room has. */
  readonly wantedLabels: { readonly value: number }
  readonly wantedChunks: { readonly value: number }
  /** What a series whose chunks overlap needs room for: chunks, and samples of its longest run. */
  readonly wantedListed: { readonly value: number }
  readonly wantedSamples: { readonly value: number }
  /** `merge` is a SeriesMerge (assembly/series-merge.ts). */
  readonly beginWriting: (merge: number) => void
  readonly mergeSeries: (merge: number) => number
  readonly leaveMembers: (merge: number) => void
  readonly walkFrame: (frame: number, length: number, places: number, room: number) => number
  readonly writeChunks: (series: number, count: number, records: number, to: number) => number
  readonly decodePlain: (
    fields: number,
    length: number,
    words: number,
    times: number,
    values: number,
    from: number,
    to: number,
    last: number,
  ) => number
  readonly encodeXor: (times: number, values: number, count: number, chunk: number) => number
  readonly encodeXor2: (times: number, values: number, starts: number, count: number, chunk: number) => number
  readonly dropStale: (times: number, values: number, count: number, after: number) => number
  readonly dropNaN: (times: number, values: number, count: number) => number
  readonly applyResets: (times: number, values: number, count: number) => number
  readonly lastRawValue: { readonly value: number }
  /** `out` is a WindowColumns (assembly/downsample.ts). */
  readonly aggregateWindows: (times: number, values: number, count: number, resolution: bigint, out: number) => number
  /** `call` is a MergeCall (assembly/merge.ts). */
  readonly mergeChain: (call: number, settled: number) => number
  readonly mergePenalty: (call: number, settled: number) => number
  readonly mergeStart: { readonly value: number }
  /** Where 10^-292 … 10^324 go: see assembly/decimal.ts. */
  readonly powersOfTen: () => number
  readonly writePoints: (times: number, values: number, count: number, to: number) => number
  readonly scratchBytes: (length: number, steps: number) => number
  readonly lookback: (call: number, outTimes: number) => void
  readonly accumulateSum: AccumulateExport
  readonly accumulateAvg: AccumulateExport
  readonly accumulateCount: AccumulateExport
  readonly accumulateGroup: AccumulateExport
  readonly accumulateMin: AccumulateExport
  readonly accumulateMax: AccumulateExport
  readonly accumulateVariance: AccumulateExport
  readonly finishSum: AccumulateExport
  readonly finishAvg: AccumulateExport
  readonly finishCopy: AccumulateExport
  readonly finishGroup: AccumulateExport
  readonly finishStddev: AccumulateExport
  readonly finishStdvar: AccumulateExport
}

/** The export that computes each window function. */
export const windowExports = {
  rate: 'rate',
  increase: 'increase',
  delta: 'delta',
  irate: 'irate',
  idelta: 'idelta',
  sum_over_time: 'sum',
  avg_over_time: 'avg',
  count_over_time: 'sampleCount',
  min_over_time: 'min',
  max_over_time: 'max',
  last_over_time: 'last',
  present_over_time: 'present',
  stddev_over_time: 'stddev',
  stdvar_over_time: 'stdvar',
  mad_over_time: 'mad',
  quantile_over_time: 'quantile',
  changes: 'changes',
  resets: 'resets',
  deriv: 'deriv',
  predict_linear: 'predictLinear',
  double_exponential_smoothing: 'smoothing',
  first_over_time: 'first',
  ts_of_first_over_time: 'tsOfFirst',
  ts_of_last_over_time: 'tsOfLast',
  ts_of_min_over_time: 'tsOfMin',
  ts_of_max_over_time: 'tsOfMax',
} as const satisfies Record<WindowFunction, string>

/** Each accumulate function's exports and its state: f64 rows of `initial` value. */
export const accumulators = {
  sum: { add: 'accumulateSum', finish: 'finishSum', rows: 2, initial: 0 },
  avg: { add: 'accumulateAvg', finish: 'finishAvg', rows: 3, initial: 0 },
  count: { add: 'accumulateCount', finish: 'finishCopy', rows: 1, initial: 0 },
  min: { add: 'accumulateMin', finish: 'finishCopy', rows: 1, initial: Number.NaN },
  max: { add: 'accumulateMax', finish: 'finishCopy', rows: 1, initial: Number.NaN },
  group: { add: 'accumulateGroup', finish: 'finishGroup', rows: 0, initial: 0 },
  stddev: { add: 'accumulateVariance', finish: 'finishStddev', rows: 3, initial: 0 },
  stdvar: { add: 'accumulateVariance', finish: 'finishStdvar', rows: 3, initial: 0 },
} as const satisfies Record<
  AccumulateFunction,
  { add: keyof KernelExports; finish: keyof KernelExports; rows: number; initial: number }
>

let compiled: WebAssembly.Module | undefined

/** A new instance over `memory`. Throws `config` where the kernels were not built. */
export function instantiate(memory: WebAssembly.Memory): KernelExports {
  const file = new URL('../../build/kernels.wasm', import.meta.url)
  try {
    compiled ??= new WebAssembly.Module(readFileSync(file))
    return new WebAssembly.Instance(compiled, { env: { memory } }).exports as unknown as KernelExports
  } catch (cause) {
    throw new MnemoError('config', `cannot load kernels from ${file.pathname}: run \`npm run build\``, { cause })
  }
}
