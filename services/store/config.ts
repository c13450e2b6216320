// The store gateway's flags, named and defaulted as Thanos's (cmd/thanos/store.go).
// Owns what they mean beyond their type: which of them cannot go together.
import { availableParallelism } from 'node:os'
import { selectorFlags } from '../../lib/blocks/selector-flags.ts'
import { MnemoError } from '../../lib/kit/errors.ts'
import { bytesFlag, durationFlag, type FlagValues, intFlag, stringFlag, timeFlag } from '../../lib/kit/flags.ts'
import { commonFlags } from '../../lib/kit/lifecycle.ts'
import { requestLoggingFlags } from '../../lib/kit/request-logging.ts'
import { objstoreFlags } from '../../lib/objstore/config.ts'
import { checkLimits, limitFlags, type SeriesLimits } from '../../lib/storeapi/limits.ts'
import { thanosFlags } from './config-thanos.ts'

export const flags = {
  ...commonFlags,
  ...objstoreFlags,
  ...selectorFlags,
  ...requestLoggingFlags,
  ...thanosFlags,
  dataDir: stringFlag('data-dir', {
    help: 'Local data directory used for caching purposes (index-headers and meta.jsons). If removed, no data will be lost, just store will have to rebuild the cache.',
    default: './data',
  }),
  indexCacheSizeBytes: bytesFlag('index-cache-size', {
    help: 'Maximum size of items held in the in-memory index cache.',
    default: '250MB',
  }),
  seriesMaxConcurrency: intFlag('store.grpc.series-max-concurrency', {
    help: 'Maximum number of concurrent Series calls.',
    default: 20,
  }),
  ...limitFlags,
  touchedSeriesLimit: intFlag('store.grpc.touched-series-limit', {
    help: 'DEPRECATED: use store.limits.request-series.',
    default: 0,
    hidden: true,
  }),
  seriesSampleLimit: intFlag('store.grpc.series-sample-limit', {
    help: 'DEPRECATED: use store.limits.request-samples.',
    default: 0,
    hidden: true,
  }),
  maxDownloadedBytes: bytesFlag('store.grpc.downloaded-bytes-limit', {
    help: 'Maximum amount of downloaded bytes in a single Series/LabelNames/LabelValues call. The call fails if this limit is exceeded. 0 means no limit.',
    default: '0',
  }),
  workers: intFlag('store.workers', {
    help: 'Number of threads that answer calls. The index cache is divided among them. (Not in Thanos.)',
    default: Math.min(availableParallelism(), 8),
  }),
  syncBlockDurationMs: durationFlag('sync-block-duration', {
    help: 'Repeat interval for syncing the blocks between local and remote view.',
    default: '15m',
  }),
  blockSyncConcurrency: intFlag('block-sync-concurrency', {
    help: 'Number of index-headers that are built or opened at once. Must be equal or greater than 1.',
    default: 20,
  }),
  blockMetaFetchConcurrency: intFlag('block-meta-fetch-concurrency', {
    help: 'Number of block metas that are read from object storage at once.',
    default: 32,
  }),
  minTime: timeFlag('min-time', {
    help: 'Start of time range limit to serve: only metrics which happened later than this value. RFC3339, or a duration relative to now such as -1d or 2h45m.',
    default: '0000-01-01T00:00:00Z',
  }),
  maxTime: timeFlag('max-time', {
    help: 'End of time range limit to serve: only blocks which happened earlier than this value. RFC3339, or a duration relative to now such as -1d or 2h45m.',
    default: '9999-12-31T23:59:59Z',
  }),
  consistencyDelayMs: durationFlag('consistency-delay', {
    help: 'Minimum age of all blocks before they are being read. Set it to safe value (e.g 30m) if your object storage is eventually consistent. GCS and S3 are (roughly) strongly consistent.',
    default: '0s',
  }),
  ignoreDeletionMarksDelayMs: durationFlag('ignore-deletion-marks-delay', {
    help: 'Duration after which the blocks marked for deletion will be filtered out while fetching blocks. It should be less than the delete-delay of the compactor, so that what replaces them has been loaded by then.',
    default: '24h',
  }),
}

export type StoreFlags = FlagValues<typeof flags>

/** Throws `config` for values that no store can run with. */
export function checkFlags(values: StoreFlags): void {
  const positive = {
    'store.grpc.series-max-concurrency': values.seriesMaxConcurrency,
    'store.workers': values.workers,
    'sync-block-duration': values.syncBlockDurationMs,
    'block-sync-concurrency': values.blockSyncConcurrency,
    'block-meta-fetch-concurrency': values.blockMetaFetchConcurrency,
  }
  for (const [name, value] of Object.entries(positive))
    if (value < 1) throw new MnemoError('config', `cannot start store: got --${name}=${value}, want more than 0`)
  checkLimits(limitsOf(values))
  const nowMs = Date.now()
  if (values.minTime.resolveMs(nowMs) > values.maxTime.resolveMs(nowMs)) {
    const got = `got --min-time=${values.minTime.text} and --max-time=${values.maxTime.text}`
    throw new MnemoError('config', `cannot start store: ${got}, want min before max`)
  }
}

/** The limits of a Series call, by their new names or by Thanos's older ones; where both are given, the lower one. */
export function limitsOf(values: StoreFlags): SeriesLimits {
  return {
    maxRequestSeries: lower(values.maxRequestSeries, values.touchedSeriesLimit),
    maxRequestSamples: lower(values.maxRequestSamples, values.seriesSampleLimit),
  }
}

/** 0 is no limit. */
function lower(a: number, b: number): number {
  return a === 0 || b === 0 ? a + b : Math.min(a, b)
}
