// One compaction as a job that a worker thread can be handed: input metas in, a new block on local disk out.
// Rules of the new meta: Thanos pkg/compact/compact.go, Prometheus tsdb.CompactBlockMetas.
// Owns the new block's meta.json; uploading and marking are the compactor's.

import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { BlockMeta } from '../blocks/meta.ts'
import { formatMeta } from '../blocks/meta-format.ts'
import { describeError, MnemoError } from '../kit/errors.ts'
import type { Bucket } from '../objstore/bucket.ts'
import type { BlockContents } from '../tsdb/block-writer.ts'
import { openInputBlock } from './input-block.ts'
import { BlockError, mergeBlocks } from './merge.ts'

/** Structured-cloneable. */
export interface CompactionJob {
  readonly inputs: readonly BlockMeta[]
  readonly ulid: string
  /** Where the new block is written; its last part is the ULID. */
  readonly folder: string
}

export type CompactionOutcome =
  | { readonly kind: 'merged'; readonly meta: BlockMeta }
  /** One input cannot be merged; the others may be, without it. */
  | { readonly kind: 'bad_input'; readonly ulid: string; readonly reason: string }

/** Merges the inputs into a block in `folder`. Throws what has nothing to do with one input: the bucket, the disk, an abort. */
export async function runCompaction(
  bucket: Bucket,
  job: CompactionJob,
  signal: AbortSignal,
): Promise<CompactionOutcome> {
  try {
    await mkdir(dirname(job.folder), { recursive: true })
    const inputs = await Promise.all(job.inputs.map((meta) => openNamed(bucket, meta, signal)))
    const meta = (contents: BlockContents) => compactedMeta(job, contents)
    const contents = await mergeBlocks(inputs, {
      folder: job.folder,
      meta: (written) => formatMeta(meta(written)),
      signal,
    })
    return { kind: 'merged', meta: meta(contents) }
  } catch (error) {
    if (error instanceof BlockError) return { kind: 'bad_input', ulid: error.ulid, reason: describeError(error) }
    throw error
  }
}

async function openNamed(bucket: Bucket, meta: BlockMeta, signal: AbortSignal) {
  try {
    return await openInputBlock(bucket, meta, signal)
  } catch (cause) {
    if (cause instanceof MnemoError && ['corrupt', 'unsupported', 'not_found'].includes(cause.code))
      throw new BlockError(cause.code, meta.ulid, `cannot open block ${meta.ulid}`, { cause })
    throw cause
  }
}

/** Level one above the highest, sources the union, parents the inputs; times the inputs' own, whatever the chunks fill. */
function compactedMeta({ inputs, ulid }: CompactionJob, { stats }: BlockContents): BlockMeta {
  const first = inputs[0]!
  return {
    ulid,
    minTime: Math.min(...inputs.map(({ minTime }) => minTime)),
    maxTime: Math.max(...inputs.map(({ maxTime }) => maxTime)),
    stats,
    compaction: {
      level: Math.max(...inputs.map(({ compaction }) => compaction.level)) + 1,
      sources: [...new Set(inputs.flatMap(({ compaction }) => compaction.sources))].sort(),
      parents: inputs.map(({ ulid, minTime, maxTime }) => ({ ulid, minTime, maxTime })),
    },
    thanos: {
      version: 1,
      labels: first.thanos.labels,
      resolutionMs: first.thanos.resolutionMs,
      source: 'compactor',
      segmentFiles: [],
      files: [],
      indexStats: {},
      uploadTimeMs: 0,
    },
  }
}
