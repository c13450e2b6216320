// The meta of a block that the compactor makes, of its inputs' metas and of what it holds.
// Rules: Thanos pkg/compact/compact.go, pkg/compact/downsample; Prometheus tsdb.CompactBlockMetas.
// Pure functions.
import type { JsonObject } from '../blocks/go-json.ts'
import type { BlockMeta, BlockStats } from '../blocks/meta.ts'
import type { BlockContents } from '../tsdb/block-writer.ts'

/** Level one above the highest, sources the union, parents the inputs; times the inputs' own, whatever the chunks fill. */
export function compactedMeta(
  inputs: readonly BlockMeta[],
  { ulid, extensions }: { readonly ulid: string; readonly extensions?: JsonObject | undefined },
  stats: BlockStats,
): BlockMeta {
  const meta = ownMeta(inputs[0]!, ulid)
  return {
    ...meta,
    thanos: { ...meta.thanos, ...(extensions && { extensions }) },
    minTime: Math.min(...inputs.map(({ minTime }) => minTime)),
    maxTime: Math.max(...inputs.map(({ maxTime }) => maxTime)),
    stats,
    compaction: {
      level: Math.max(...inputs.map(({ compaction }) => compaction.level)) + 1,
      sources: [...new Set(inputs.flatMap(({ compaction }) => compaction.sources))].sort(),
      parents: inputs.map(({ ulid, minTime, maxTime }) => ({ ulid, minTime, maxTime })),
    },
  }
}

/** The input's times, compaction, rewrites and extensions; its counts of raw samples stay beside the windows' own. */
export function downsampledMeta(
  { input, ulid, resolutionMs }: { input: BlockMeta; ulid: string; resolutionMs: number },
  { stats }: BlockContents,
): BlockMeta {
  const meta = ownMeta(input, ulid)
  const { numSamples, numSeries, numChunks } = stats
  const { rewrites, extensions } = input.thanos
  return {
    ...meta,
    stats: { ...input.stats, numSamples, numSeries, numChunks },
    thanos: {
      ...meta.thanos,
      resolutionMs,
      ...(rewrites && { rewrites }),
      ...(extensions !== undefined && { extensions }),
    },
  }
}

/** With the largest series entry and chunk that were written. */
export function withIndexStats(meta: BlockMeta, { indexStats }: BlockContents): BlockMeta {
  return { ...meta, thanos: { ...meta.thanos, indexStats } }
}

/** The input's meta under a new name, its Thanos section made anew. */
function ownMeta(input: BlockMeta, ulid: string): BlockMeta {
  const { labels, resolutionMs } = input.thanos
  return {
    ulid,
    minTime: input.minTime,
    maxTime: input.maxTime,
    stats: input.stats,
    compaction: input.compaction,
    thanos: {
      version: 1,
      labels,
      resolutionMs,
      source: 'compactor',
      segmentFiles: [],
      files: [],
      indexStats: {},
      uploadTimeMs: 0,
    },
  }
}
