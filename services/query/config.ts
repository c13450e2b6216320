// The querier's flags, named and defaulted as Thanos's (cmd/thanos/query.go); those of ours say so.
// Owns what they mean beyond their type: addresses, replica labels given as a list.
import { availableParallelism } from 'node:os'
import { selectorFlags } from '../../lib/blocks/selector-flags.ts'
import { formatDurationMs } from '../../lib/kit/duration.ts'
import { MnemoError } from '../../lib/kit/errors.ts'
import {
  boolFlag,
  bytesFlag,
  durationFlag,
  enumFlag,
  type FlagValues,
  intFlag,
  stringsFlag,
} from '../../lib/kit/flags.ts'
import { commonFlags } from '../../lib/kit/lifecycle.ts'
import { requestLoggingFlags } from '../../lib/kit/request-logging.ts'
import { dedupFunctions } from '../../lib/storeapi/dedup.ts'
import { checkLimits, limitFlags } from '../../lib/storeapi/limits.ts'
import { checkEndpointFlags, endpointFlags } from './config-endpoints.ts'
import { thanosFlags } from './config-thanos.ts'
import { checkWebFlags, webFlags } from './config-web.ts'
import { featureNames, readFeatures } from './features.ts'
import { connectionLabels, readConnectionLabels } from './metrics.ts'

export const flags = {
  ...commonFlags,
  ...endpointFlags,
  ...limitFlags,
  ...selectorFlags,
  ...webFlags,
  ...requestLoggingFlags,
  ...thanosFlags,
  selectorLabels: stringsFlag('selector-label', {
    help: 'Query selector labels that will be exposed in info endpoint (repeated): name="value" that stands for all stores of this querier.',
  }),
  connectionMetricLabels: stringsFlag('query.conn-metric.label', {
    help: `Labels of thanos_store_nodes_grpc_connections (repeatable): ${connectionLabels.join(', ')}. Unless given: external_labels and store_type.`,
  }),
  replicaLabels: stringsFlag('query.replica-label', {
    help: 'Label that tells replicas apart, along which data is deduplicated (repeatable, or a list with commas). dedup=false in a query turns it off.',
  }),
  dedupFunction: enumFlag('deduplication.func', dedupFunctions, {
    help: 'How overlapping replicas are merged: penalty (samples of one at a time) or chain (every sample once).',
    default: 'penalty',
  }),
  timeoutMs: durationFlag('query.timeout', {
    help: 'Maximum time to process a query, its waiting included.',
    default: '2m',
  }),
  maxConcurrent: intFlag('query.max-concurrent', {
    help: 'Maximum number of queries processed at once; more wait until their timeout.',
    default: 20,
  }),
  maxSamples: intFlag('query.max-samples', {
    help: 'Maximum number of samples a single query can load into memory (as in Prometheus).',
    default: 50_000_000,
  }),
  maxSeries: intFlag('query.max-series', {
    help: 'Maximum number of series a single query can fetch from the stores, counted for each selector. 0: no limit. (Not in Thanos.)',
    default: 0,
  }),
  maxFetchedBytes: bytesFlag('query.max-fetched-bytes', {
    help: 'Maximum bytes of chunks a single query can fetch from the stores. 0: no limit. (Not in Thanos.)',
    default: '0',
  }),
  maxMemoryBytes: bytesFlag('query.max-memory', {
    help: 'Maximum memory of the samples and results of a single query. (Not in Thanos.)',
    default: '1GiB',
  }),
  enableFeature: stringsFlag('enable-feature', {
    help: `Feature flags to enable (repeatable, or a list with commas), Prometheus's experimental PromQL: ${featureNames.join(', ')}.`,
  }),
  workers: intFlag('query.workers', {
    help: 'Number of threads that run queries. (Not in Thanos.)',
    default: Math.min(availableParallelism(), 8),
  }),
  lookbackDeltaMs: durationFlag('query.lookback-delta', {
    help: 'The maximum lookback duration for retrieving metrics during expression evaluations.',
    default: '5m',
  }),
  dynamicLookback: boolFlag('query.dynamic-lookback-delta', {
    help: 'Look back at least 5m or 1h where data of that resolution may be read.',
    default: true,
    hidden: true,
  }),
  autoDownsampling: boolFlag('query.auto-downsampling', {
    help: 'Let downsampled data answer where a request has no max_source_resolution: of a range query no coarser than step / 5.',
    default: false,
  }),
  instantMaxSourceResolutionMs: durationFlag('query.instant.default.max_source_resolution', {
    help: 'What max_source_resolution=auto, or --query.auto-downsampling, means for instant queries. (0s in Thanos: raw data alone.)',
    default: '1h',
  }),
  defaultEvaluationIntervalMs: durationFlag('query.default-evaluation-interval', {
    help: 'Set default evaluation interval for sub queries.',
    default: '1m',
  }),
  metadataRangeMs: durationFlag('query.metadata.default-time-range', {
    help: 'How far back labels and series are looked up where a request names no start; 0: since the beginning.',
    default: '0s',
  }),
  partialResponse: boolFlag('query.partial-response', {
    help: 'Answer with a warning where a store cannot be read, if a request has no partial_response parameter. --no-query.partial-response for an error instead.',
    default: true,
  }),
  responseTimeoutMs: durationFlag('store.response-timeout', {
    help: "If a store doesn't send any data in this duration it is left out, with a warning or an error. 0 disables it.",
    default: '0ms',
  }),
  unhealthyTimeoutMs: durationFlag('store.unhealthy-timeout', {
    help: 'Timeout before an unhealthy store is cleaned from the stores page. Queries name it as long as it is configured.',
    default: '5m',
  }),
  infoTimeoutMs: durationFlag('endpoint.info-timeout', {
    help: 'Timeout of gRPC Info requests.',
    default: '5s',
    hidden: true,
  }),
}

export type QueryFlags = FlagValues<typeof flags>

/** The flags with their lists checked and taken apart. Throws `config` naming the flag. */
export function checkFlags(values: QueryFlags): QueryFlags {
  checkEndpointFlags(values)
  checkLimits(values)
  checkWebFlags(values)
  readConnectionLabels(values.connectionMetricLabels)
  atLeastOne('query.max-concurrent', values.maxConcurrent)
  atLeastOne('query.workers', values.workers)
  atLeastOne('query.max-samples', values.maxSamples)
  notNegative('query.max-series', values.maxSeries)
  notNegative('query.max-fetched-bytes', values.maxFetchedBytes)
  atLeastOne('query.timeout', values.timeoutMs)
  atLeastOne('query.lookback-delta', values.lookbackDeltaMs)
  notNegative('query.instant.default.max_source_resolution', values.instantMaxSourceResolutionMs)
  atLeastOne('query.default-evaluation-interval', values.defaultEvaluationIntervalMs)
  atLeastOne('endpoint.info-timeout', values.infoTimeoutMs)
  const enableFeature = splitLists(values.enableFeature)
  readFeatures(enableFeature)
  return { ...values, enableFeature, replicaLabels: splitLists(values.replicaLabels) }
}

/** `a,b` and `b` as a, b. */
export function splitLists(texts: readonly string[]): readonly string[] {
  const parts = texts.flatMap((text) => text.split(',')).map((part) => part.trim())
  return [...new Set(parts.filter((part) => part !== ''))]
}

/** The flags as /api/v1/status/flags shows them: by name, each value as a user would write it. */
export function flagTexts(values: QueryFlags): Readonly<Record<string, string>> {
  return Object.fromEntries(
    // Thanos's flags that mean nothing here are undefined unless given.
    Object.entries(values).flatMap(([key, value]) => {
      if (value === undefined) return []
      const { name } = flags[key as keyof QueryFlags]
      const isDuration = key.endsWith('Ms') && typeof value === 'number'
      return [[name, isDuration ? formatDurationMs(value) : String(value)]]
    }),
  )
}

function notNegative(name: string, value: number): void {
  if (value < 0) throw new MnemoError('config', `flag --${name}: got ${value}, want at least 0`)
}

function atLeastOne(name: string, value: number): void {
  if (value < 1) throw new MnemoError('config', `flag --${name}: got ${value}, want at least 1`)
}
