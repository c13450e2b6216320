// Flags of `mnemo compact`, named and defaulted as Thanos's; --compact.ranges is ours.
// Specification: Thanos cmd/thanos/compact.go.
// Owns the checks of what the flags say together.
import { createHash } from 'node:crypto'
import { readSelectorText, selectorFlags } from '../../lib/blocks/selector-flags.ts'
import { hashFuncs } from '../../lib/blocks/upload.ts'
import type { ForecastOptions } from '../../lib/compact/forecast.ts'
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
  timeFlag,
} from '../../lib/kit/flags.ts'
import { commonForeignFlags, ignoredFlag } from '../../lib/kit/foreign-flags.ts'
import { httpFlags, logFlags } from '../../lib/kit/lifecycle.ts'
import { objstoreFlags } from '../../lib/objstore/config.ts'

const webFlags = {
  webDisable: boolFlag('web.disable', { help: 'Disable the page and the API of blocks.' }),
  webLabel: stringFlag('bucket-web-label', {
    help: 'External block label to use as group title in the page of blocks.',
    default: '',
  }),
  webDisableCors: boolFlag('web.disable-cors', {
    help: 'Whether to disable CORS headers to be set by Mnemo. By default they allow all origins.',
  }),
  disableAdminOperations: boolFlag('disable-admin-operations', {
    help: 'Disable POST /api/v1/blocks/mark, which marks blocks for deletion and no compaction.',
  }),
  globalSyncIntervalMs: durationFlag('block-viewer.global.sync-block-interval', {
    help: 'Repeat interval for syncing the blocks of the /global view.',
    default: '1m',
  }),
  globalSyncTimeoutMs: durationFlag('block-viewer.global.sync-block-timeout', {
    help: 'Maximum time for syncing the blocks of the /global view.',
    default: '5m',
  }),
}

const itAlwaysDoes = 'a bad block is set aside and nothing halts, whatever is told'
const relativeLinks = 'links of the page are relative'

/** Flags of Thanos's compactor that mean nothing here; docs/compactor.md has them too. */
const thanosFlags = {
  ...commonForeignFlags,
  thanosHalt: ignoredFlag('debug.halt-on-error', itAlwaysDoes, { isSwitch: true }),
  thanosMalformed: ignoredFlag('debug.accept-malformed-index', itAlwaysDoes, { isSwitch: true }),
  thanosOutOfOrder: ignoredFlag('compact.skip-block-with-out-of-order-chunks', itAlwaysDoes, { isSwitch: true }),
  thanosVertical: ignoredFlag('compact.enable-vertical-compaction', 'blocks that overlap are always merged', { isSwitch: true }), // biome-ignore format: one line
  thanosDiscovery: ignoredFlag('block-discovery-strategy', 'the bucket is always listed recursively'),
  thanosFetchConcurrency: ignoredFlag(
    'compact.blocks-fetch-concurrency',
    'blocks are read as a stream, not downloaded',
  ),
  thanosRoutePrefix: ignoredFlag('web.route-prefix', relativeLinks),
  thanosExternalPrefix: ignoredFlag('web.external-prefix', relativeLinks),
  thanosPrefixHeader: ignoredFlag('web.prefix-header', relativeLinks),
}

export const flags = {
  ...logFlags,
  ...httpFlags,
  ...objstoreFlags,
  ...selectorFlags,
  dataDir: stringFlag('data-dir', {
    help: 'Data directory in which to cache blocks and process compactions.',
    default: './data',
  }),
  wait: boolFlag('wait', {
    help: 'Do not exit after all compactions have been processed and wait for new work.',
    short: 'w',
  }),
  dryRun: boolFlag('dry-run', {
    help: 'Prints what a run would do (which blocks, why, estimated bytes) and writes nothing: not in the bucket, not on the disk.',
  }),
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
    help: 'How long to retain raw samples in bucket. 0d: forever. At least 40h unless --downsampling.disable is set; a block that is not downsampled yet is before it expires. What is older is answered to queries with max_source_resolution=5m or 1h, or with --query.auto-downsampling.',
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
  filesConcurrency: intFlag('block-files-concurrency', {
    help: 'Number of files of a block to upload side by side.',
    default: 1,
  }),
  hashFunc: enumFlag('hash-func', hashFuncs, {
    help: 'Hash of each uploaded file that goes into meta.json: empty (none) or SHA256.',
    default: '',
  }),
  maxLevel: intFlag('debug.max-compaction-level', {
    help: 'Maximum compaction level: how many of --compact.ranges after the first are filled.',
    hidden: true,
  }),
  diskLimitBytes: bytesFlag('compact.disk-limit', {
    help: 'About how much of the disk blocks that are being written may take together, by estimate: a block that does not fit waits for others to be done, and one that is larger than this is written alone. 0: no limit. Of each block at most two chunk segments (1 GiB) and its index are on the disk.',
    default: '0',
  }),
  leaseMs: durationFlag('compact.lease', {
    help: 'How long the lease in the bucket is good for that keeps two compactors of the same selection apart. It is renewed while this one runs; of one that was killed it passes on after this time. 0s: no lease. Nothing is lost or doubled without it, work is only done twice.',
    default: '1m',
  }),
  progressIntervalMs: durationFlag('compact.progress-interval', {
    help: 'How often thanos_compact_todo_* are calculated in the background when --wait has been enabled. 0s: never.',
    default: '5m',
  }),
  minTime: timeFlag('min-time', {
    help: 'Start of time range limit to compact: blocks that end before it are left alone. RFC3339, or a duration relative to now such as -1d or 2h45m.',
    default: '0000-01-01T00:00:00Z',
  }),
  maxTime: timeFlag('max-time', {
    help: 'End of time range limit to compact: blocks that begin after it are left alone. RFC3339, or a duration relative to now such as -1d or 2h45m.',
    default: '9999-12-31T23:59:59Z',
  }),
  ...webFlags,
  ...thanosFlags,
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
  const { maxLevel = ranges.length - 1 } = config
  if (maxLevel < 0 || maxLevel >= ranges.length)
    throw new MnemoError(
      'config',
      `flag --debug.max-compaction-level: got ${maxLevel}, want 0 to ${ranges.length - 1}, as --compact.ranges has them`,
    )
  return ranges.slice(0, maxLevel + 1)
}

/** Labels that tell replicas apart: the flag may be repeated, and each may name several. */
export function replicaLabelsOf(config: CompactConfig): string[] {
  return config.dedupReplicaLabels.flatMap((names) => names.split(',')).filter((name) => name !== '')
}

/** What the flags say together, checked once at start. Throws `config`. */
export function checkConfig(config: CompactConfig): void {
  const positive = {
    'compact.concurrency': config.concurrency,
    'downsample.concurrency': config.downsampleConcurrency,
    'block-files-concurrency': config.filesConcurrency,
    'block-meta-fetch-concurrency': config.metaFetchConcurrency,
  }
  for (const [flag, value] of Object.entries(positive))
    if (value < 1) throw new MnemoError('config', `flag --${flag}: got ${value}, want at least 1`)
  if (config.dedupFunction === 'penalty' && replicaLabelsOf(config).length === 0)
    throw new MnemoError('config', 'flag --deduplication.func: got penalty, want --deduplication.replica-label with it')
  if (config.wait && config.dryRun) throw new MnemoError('config', 'got both --wait and --dry-run, want one of them')
  const nowMs = Date.now()
  if (config.minTime.resolveMs(nowMs) > config.maxTime.resolveMs(nowMs)) {
    const got = `got --min-time=${config.minTime.text} and --max-time=${config.maxTime.text}`
    throw new MnemoError('config', `cannot start compact: ${got}, want min before max`)
  }
}

/** What a forecast needs to know of the flags. */
export function forecastOptionsOf(config: CompactConfig, nowMs: number): ForecastOptions {
  const { maxIndexBytes, deleteDelayMs, downsamplingDisable } = config
  const rules = { rangesMs: rangesOf(config), retention: retentionOf(config), downsampling: !downsamplingDisable }
  return { ...rules, maxIndexBytes, deleteDelayMs, nowMs }
}

/** The lease of the compactors of one share of the bucket: with another selection or other times it is another one. */
export function leaseNameOf(config: CompactConfig): string {
  const times = [config.minTime.text, config.maxTime.text]
  const selector = readSelectorText(config) ?? ''
  if (selector === '' && times[0] === flags.minTime.defaultText && times[1] === flags.maxTime.defaultText)
    return 'compact'
  return `compact-${createHash('sha256')
    .update([...times, selector].join('\n'))
    .digest('hex')
    .slice(0, 16)}`
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
