// meta.json of a block: Prometheus's fields and Thanos's section.
// Specification: Prometheus tsdb/block.go (BlockMeta, version 1), Thanos pkg/block/metadata (version 1).
// Owns the shape; parse and format come with it.
import type { Labels } from '../labels/labels.ts'

export interface BlockStats {
  readonly numSamples: number
  readonly numFloatSamples?: number
  readonly numHistogramSamples?: number
  readonly numSeries: number
  readonly numChunks: number
  readonly numTombstones?: number
}

export interface BlockFile {
  readonly relPath: string
  readonly sizeBytes?: number
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

export interface BlockMeta {
  readonly ulid: string
  /** [minTime, maxTime) in ms. */
  readonly minTime: number
  readonly maxTime: number
  readonly stats: BlockStats
  readonly compaction: {
    readonly level: number
    readonly sources: readonly string[]
    readonly parents?: readonly { readonly ulid: string; readonly minTime: number; readonly maxTime: number }[]
    readonly failed?: boolean
    readonly deletable?: boolean
    readonly hints?: readonly string[]
  }
  readonly thanos: {
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
  }
}
