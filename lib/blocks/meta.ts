// meta.json of a block: Prometheus's fields and Thanos's section.
// Specification: Prometheus tsdb/block.go (BlockMeta, version 1), Thanos pkg/block/metadata (version 1).
// Owns the shape; meta-parse.ts reads it, meta-format.ts writes it.
import { type Labels, labelsKey } from '../labels/labels.ts'
import type { JsonObject, JsonValue } from './go-json.ts'

export const metaFileName = 'meta.json'
export const indexFileName = 'index'
export const chunksFolderName = 'chunks'

export interface BlockStats {
  readonly numSamples: number
  readonly numFloatSamples?: number
  readonly numHistogramSamples?: number
  readonly numSeries: number
  readonly numChunks: number
  readonly numTombstones?: number
  /** Fields that we don't know, kept as they were. */
  readonly unknown?: JsonObject
}

export interface BlockFile {
  /** '/'-separated, below the block's folder. */
  readonly relPath: string
  readonly sizeBytes?: number
  readonly hash?: { readonly func: string; readonly value: string }
}

export interface BlockDescription {
  readonly ulid: string
  readonly minTime: number
  readonly maxTime: number
}

export type BlockSource =
  | 'sidecar'
  | 'receive'
  | 'compactor'
  | 'compactor.repair'
  | 'ruler'
  | 'bucket.repair'
  | 'bucket.rewrite'
  | 'bucket.upload'
  | 'test'
  | (string & {})

export interface BlockCompaction {
  readonly level: number
  readonly sources: readonly string[]
  readonly parents?: readonly BlockDescription[]
  readonly failed?: boolean
  readonly deletable?: boolean
  readonly hints?: readonly string[]
  /** Fields that we don't know, kept as they were. */
  readonly unknown?: JsonObject
}

export interface ThanosMeta {
  /** External labels. */
  readonly labels: Labels
  /** 0, 300000 or 3600000. */
  readonly resolutionMs: number
  readonly source: BlockSource
  readonly segmentFiles: readonly string[]
  readonly files: readonly BlockFile[]
  readonly indexStats: { readonly seriesMaxSize?: number; readonly chunkMaxSize?: number }
  /** Unix ms; 0 where it was never uploaded. */
  readonly uploadTimeMs: number
  /** The upload time as it was written, finer than ms; it is written again while it still means uploadTimeMs. */
  readonly uploadTimeText?: string
  /** Written where it was read: a section without it is of version 1 too. */
  readonly version?: 1
  readonly rewrites?: readonly JsonValue[]
  readonly extensions?: JsonValue
  /** Fields that we don't know, kept as they were. */
  readonly unknown?: JsonObject
}

export interface BlockMeta {
  readonly ulid: string
  /** [minTime, maxTime) in ms. */
  readonly minTime: number
  readonly maxTime: number
  readonly stats: BlockStats
  readonly compaction: BlockCompaction
  readonly thanos: ThanosMeta
  /** Fields that we don't know, kept as they were. */
  readonly unknown?: JsonObject
}

/** Equal for blocks that may be compacted with each other: resolution and external labels. */
export function groupKey(meta: BlockMeta): string {
  return `${meta.thanos.resolutionMs}@${labelsKey(meta.thanos.labels)}`
}

/** The meta with a fresh Thanos section: what a producer gives a block that it is about to upload. */
export function withExternalLabels(meta: BlockMeta, labels: Labels, source: BlockSource): BlockMeta {
  return { ...meta, thanos: { ...meta.thanos, labels, source } }
}
