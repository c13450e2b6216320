// The compactor's metrics, named as Thanos names them.
// Specification: Thanos cmd/thanos/compact.go, pkg/compact/compact.go; the names that its mixin alone still has, too.
// Owns their names and help texts.
import { markFileNames } from '../blocks/markers.ts'
import { counter, gauge, histogram, type Registry } from '../kit/metrics.ts'

/** Of a block's resolution in ms, as Thanos has them. */
const resolutionLabels = ['0', '300000', '3600000'] as const

export type CompactMetrics = ReturnType<typeof compactMetrics>

export function compactMetrics(registry: Registry) {
  const metrics = {
    halted: gauge(registry, {
      name: 'thanos_compact_halted',
      help: 'Set to 1 if the compactor halted due to an unexpected error. Always 0: a bad block is set aside instead.',
    }),
    iterations: counter(registry, {
      name: 'thanos_compact_iterations_total',
      help: 'Total number of iterations that were executed successfully.',
    }),
    retries: counter(registry, {
      name: 'thanos_compact_retries_total',
      help: 'Total number of retries after retriable compactor error.',
    }),
    cleanups: counter(registry, {
      name: 'thanos_compact_block_cleanup_loops_total',
      help: 'Total number of cleanup loops of partially uploaded blocks and marked blocks that were executed successfully.',
    }),
    partialDeletions: counter(registry, {
      name: 'thanos_compact_aborted_partial_uploads_deletion_attempts_total',
      help: 'Total number of started deletions of blocks that are assumed aborted and only partially uploaded.',
    }),
    cleaned: counter(registry, {
      name: 'thanos_compact_blocks_cleaned_total',
      help: 'Total number of blocks deleted in compactor.',
    }),
    cleanupFailures: counter(registry, {
      name: 'thanos_compact_block_cleanup_failures_total',
      help: 'Failures encountered while deleting blocks in compactor.',
    }),
    marked: counter(registry, {
      name: 'thanos_compact_blocks_marked_total',
      help: 'Total number of blocks marked in compactor.',
      labelNames: ['marker', 'reason'],
    }),
    markedForDeletion: counter(registry, {
      name: 'thanos_compact_blocks_marked_for_deletion_total',
      help: 'Total number of blocks marked for deletion in compactor: thanos_compact_blocks_marked_total under the name that dashboards know.',
    }),
    garbageCollections: counter(registry, {
      name: 'thanos_compact_garbage_collection_total',
      help: 'Total number of garbage collection operations.',
    }),
    garbageCollectionFailures: counter(registry, {
      name: 'thanos_compact_garbage_collection_failures_total',
      help: 'Total number of failed garbage collection operations.',
    }),
    garbageCollectionSeconds: histogram(registry, {
      name: 'thanos_compact_garbage_collection_duration_seconds',
      help: 'Time it took to perform garbage collection iteration.',
      buckets: [0.01, 0.1, 0.3, 0.6, 1, 3, 6, 9, 20, 30, 60, 90, 120, 240, 360, 720],
    }),
    garbageCollected: counter(registry, {
      name: 'thanos_compact_garbage_collected_blocks_total',
      help: 'Total number of blocks marked for deletion because another block covers them.',
    }),
    runsStarted: counter(registry, {
      name: 'thanos_compact_group_compaction_runs_started_total',
      help: 'Total number of group compaction attempts.',
      labelNames: ['resolution'],
    }),
    runsCompleted: counter(registry, {
      name: 'thanos_compact_group_compaction_runs_completed_total',
      help: 'Total number of group compaction attempts that ended without a failure.',
      labelNames: ['resolution'],
    }),
    compactions: counter(registry, {
      name: 'thanos_compact_group_compactions_total',
      help: 'Total number of group compaction attempts that resulted in a new block.',
      labelNames: ['resolution'],
    }),
    verticalCompactions: counter(registry, {
      name: 'thanos_compact_group_vertical_compactions_total',
      help: 'Total number of group compaction attempts that resulted in a new block based on overlapping blocks.',
      labelNames: ['resolution'],
    }),
    failures: counter(registry, {
      name: 'thanos_compact_group_compactions_failures_total',
      help: 'Total number of failed group compactions.',
      labelNames: ['resolution'],
    }),
    downsamples: counter(registry, {
      name: 'thanos_compact_downsample_total',
      help: "Total number of downsampling attempts that ended without a failure, by the input's resolution in ms.",
      labelNames: ['resolution'],
    }),
    downsampleFailures: counter(registry, {
      name: 'thanos_compact_downsample_failures_total',
      help: "Total number of failed downsampling attempts, by the input's resolution in ms.",
      labelNames: ['resolution'],
    }),
    downsampleFailed: counter(registry, {
      name: 'thanos_compact_downsample_failed_total',
      help: 'thanos_compact_downsample_failures_total under the name that dashboards know.',
      labelNames: ['resolution'],
    }),
    downsampleSeconds: histogram(registry, {
      name: 'thanos_compact_downsample_duration_seconds',
      help: 'Duration of downsample runs, upload included.',
      buckets: [60, 300, 900, 1800, 3600, 7200, 14400],
      labelNames: ['resolution'],
    }),
    overlapping: gauge(registry, {
      name: 'mnemo_compact_overlapping_blocks',
      help: 'Blocks that share time with another block of their group and cannot be merged with it: they are served, but not compacted.',
    }),
  }
  // There from the start, so that ratios of failures are 0 and not missing.
  for (const resolution of resolutionLabels) {
    const { runsStarted, runsCompleted, compactions, verticalCompactions, failures } = metrics
    const { downsamples, downsampleFailures, downsampleFailed } = metrics
    for (const each of [runsStarted, runsCompleted, compactions, verticalCompactions, failures])
      each.inc({ resolution }, 0)
    for (const each of [downsamples, downsampleFailures, downsampleFailed]) each.inc({ resolution }, 0)
  }
  metrics.marked.inc({ marker: markFileNames.deletion, reason: '' }, 0)
  metrics.marked.inc({ marker: markFileNames['no-compact'], reason: 'index-size-exceeding' }, 0)
  return metrics
}
