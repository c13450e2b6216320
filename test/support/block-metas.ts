// Block metas for tests: a plain one, changed where the test needs it, and written into a bucket.
import type { BlockCompaction, BlockMeta, ThanosMeta } from '../../lib/blocks/meta.ts'
import { formatMeta } from '../../lib/blocks/meta-format.ts'
import { newUlid } from '../../lib/blocks/ulid.ts'
import type { Bucket } from '../../lib/objstore/bucket.ts'

export interface MetaChanges {
  readonly ulid?: string
  readonly minTime?: number
  readonly maxTime?: number
  readonly compaction?: Partial<BlockCompaction>
  readonly thanos?: Partial<ThanosMeta>
}

/** The ULID of a small number: blocks of a test in their order. */
export function ulidOf(number: number): string {
  return String(number).padStart(26, '0')
}

/** A raw block of level 1 with its own ULID as source. */
export function metaOf({
  ulid = newUlid(),
  minTime = 0,
  maxTime = 7_200_000,
  compaction,
  thanos,
}: MetaChanges): BlockMeta {
  return {
    ulid,
    minTime,
    maxTime,
    stats: { numSamples: 1, numSeries: 1, numChunks: 1 },
    compaction: { level: 1, sources: [ulid], ...compaction },
    thanos: {
      labels: ['replica', 'a'],
      resolutionMs: 0,
      source: 'sidecar',
      segmentFiles: [],
      files: [],
      indexStats: {},
      uploadTimeMs: 0,
      ...thanos,
    },
  }
}

/** Puts a block's meta.json into the bucket. */
export async function putMeta(bucket: Bucket, meta: BlockMeta): Promise<void> {
  await bucket.upload(`${meta.ulid}/meta.json`, Buffer.from(formatMeta(meta)))
}
