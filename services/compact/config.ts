// Flags of `mnemo compact`, named and defaulted as Thanos's; --compact.ranges is ours.
// Specification: Thanos cmd/thanos/compact.go.
// Owns the checks of what the flags say together.
import { defaultRangesMs } from '../../lib/compact/plan.ts'
import type { Retention } from '../../lib/compact/retention.ts'
import { formatDurationMs, parseDurationMs } from '../../lib/kit/duration.ts'
import { MnemoError } from '../../lib/kit/errors.ts'
import {
  boolFlag,
  bytesFlag,
  durationFlag,
  enumFlag,
  type FlagValues,
  intFlag,
  stringFlag,
  stringsFlag,
} from '../../lib/kit/flags.ts'
import { httpFlags, logFlags } from '../../lib/kit/lifecycle.ts'
import { objstoreFlags } from '../../lib/objstore/config.ts'

export const flags = {
  ...logFlags,
  ...httpFlags,
  ...objstoreFlags,
  dataDir: stringFlag('data-dir', {
    help: 'Data directory in which to cache blocks and process compactions.',
    default: './data',
  }),
  wait: boolFlag('wait', { help: 'Do not exit after all compactions have been processed and wait for new work.' }),
  waitIntervalMs: durationFlag('wait-interval', {
    help: 'Wait interval between consecutive compaction runs and bucket refreshes. Only works when --wait flag specified.',
    default: '5m',
  }),
  consistencyDelayMs: durationFlag('consistency-delay', {
    help: 'Minimum age of fresh (non-compacted) blocks before they are being processed.',
    default: '30m',
  }),
  deleteDelayMs: durationFlag('delete-delay', {
    help: 'Time before a block marked for deletion is deleted from bucket. The store must ignore marked blocks sooner (--ignore-deletion-marks-delay), so that nothing that is queried vanishes. 0s: at once.',
    default: '48h',
  }),
  cleanupIntervalMs: durationFlag('compact.cleanup-interval', {
    help: 'How often to clean up partially uploaded blocks and blocks with deletion mark in the background when --wait has been enabled. 0s: only at the end of a run.',
    default: '5m',
  }),
  retentionRawMs: durationFlag('retention.resolution-raw', {
    help: "How long to retain raw samples in bucket. 0d: forever. At least 40h unless --downsampling.disable is set; a block that is not downsampled yet is before it expires. This version's querier answers from raw samples alone; downsampled ones wait for the next, or for a Thanos querier.",
    default: '0d',
  }),
  retentionFiveMinutesMs: durationFlag('retention.resolution-5m', {
    help: 'How long to retain samples of resolution 1 (5 minutes) in bucket. 0d: forever. At least 10d unless --downsampling.disable is set.',
    default: '0d',
  }),
  retentionOneHourMs: durationFlag('retention.resolution-1h', {
    help: 'How long to retain samples of resolution 2 (1 hour) in bucket. 0d: forever.',
    default: '0d',
  }),
  downsamplingDisable: boolFlag('downsampling.disable', {
    help: 'Disables downsampling: long ranges are then only ever answered from raw samples.',
  }),
  dedupReplicaLabels: stringsFlag('deduplication.replica-label', {
    help: 'External label that tells replicas apart (repeatable): blocks that differ in it alone are merged into one without it. With an empty --deduplication.func no sample is dropped, so that replicas should be scraped at the same times.',
  }),
  dedupFunction: enumFlag('deduplication.func', ['', 'penalty'] as const, {
    help: 'How samples of overlapping blocks are merged: empty (one-to-one: every sample, those of one time once) or penalty (samples of one replica at a time, as the querier does).',
    default: '',
  }),
  concurrency: intFlag('compact.concurrency', {
    help: 'Number of groups to compact side by side, each in its own thread.',
    default: 1,
  }),
  downsampleConcurrency: intFlag('downsample.concurrency', {
    help: 'Number of blocks to downsample side by side, each in its own thread.',
    default: 1,
  }),
  metaFetchConcurrency: intFlag('block-meta-fetch-concurrency', {
    help: 'Number of block metas to fetch from object storage side by side.',
    default: 32,
  }),
  maxIndexBytes: bytesFlag('compact.block-max-index-size', {
    help: 'Maximum index size for the resulting block during any compaction; near it the largest input is marked no-compact.',
    default: '64GB',
  }),
  ranges: stringFlag('compact.ranges', {
    help: 'Time ranges of blocks by level, ascending: blocks of the first are merged until they fill the second, and so on.',
    default: defaultRangesMs.map(formatDurationMs).join(','),
  }),
}

export type CompactConfig = FlagValues<typeof flags>

/** The ranges in ms; throws `config` unless they are at least two, ascending, each a multiple of the one before. */
export function rangesOf(config: CompactConfig): number[] {
  const ranges = config.ranges.split(',').map((text) => parseDurationMs(text.trim()))
  const fit = ranges.every(
    (range, i) => range > 0 && (i === 0 || (range > ranges[i - 1]! && range % ranges[i - 1]! === 0)),
  )
  if (ranges.length < 2 || !fit)
    throw new MnemoError(
      'config',
      `cannot use --compact.ranges: got ${config.ranges}, want at least two, each a multiple of the one before`,
    )
  return ranges
}

const hourMs = 3_600_000

/** The retention; throws `config` where samples would expire before the compactor's blocks are long enough to be downsampled. */
export function retentionOf(config: CompactConfig): Retention {
  const { retentionRawMs: rawMs, retentionFiveMinutesMs: fiveMinutesMs, retentionOneHourMs: oneHourMs } = config
  if (!config.downsamplingDisable) {
    atLeast('retention.resolution-raw', rawMs, 40 * hourMs)
    atLeast('retention.resolution-5m', fiveMinutesMs, 240 * hourMs)
  }
  return { rawMs, fiveMinutesMs, oneHourMs }
}

function atLeast(flag: string, gotMs: number, wantMs: number): void {
  if (gotMs > 0 && gotMs < wantMs)
    throw new MnemoError(
      'config',
      `flag --${flag}: got ${formatDurationMs(gotMs)}, want at least ${formatDurationMs(wantMs)}, from which on blocks are downsampled (or --downsampling.disable)`,
    )
}
