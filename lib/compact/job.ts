// The work that a worker thread is handed: input metas in, a new block on local disk out.
// Rules of the new meta: Thanos pkg/compact/compact.go, pkg/compact/downsample; Prometheus tsdb.CompactBlockMetas.
// Owns the new block's meta.json; uploading and marking are the compactor's.
import { dirname } from 'node:path'
import type { JsonObject } from '../blocks/go-json.ts'
import type { BlockFile, BlockMeta, BlockStats } from '../blocks/meta.ts'
import { formatMeta } from '../blocks/meta-format.ts'
import type { HashFunc } from '../blocks/upload.ts'
import { describeError, type ErrorCode, MnemoError } from '../kit/errors.ts'
import { makeFolder } from '../kit/make-folder.ts'
import { systemCode } from '../kit/system-errors.ts'
import type { Bucket } from '../objstore/bucket.ts'
import { fileError } from '../objstore/failures.ts'
import type { BlockContents } from '../tsdb/block-writer.ts'
import type { IndexReaderOptions } from '../tsdb/index-reader.ts'
import { checkBlock } from './check-block.ts'
import { downsampleBlock } from './downsample-block.ts'
import { EarlyUpload } from './early-upload.ts'
import { type InputBlock, openInputBlock } from './input-block.ts'
import { mergeBlocks } from './merge.ts'
import type { OverlapFunction } from './overlap.ts'
import { BlockError } from './series-input.ts'

/** Structured-cloneable. */
export type CompactorJob =
  /** Reads a block that is in the bucket, but for its meta.json. */
  { readonly kind: 'check'; readonly meta: BlockMeta; readonly spoolPath: string } | WritingJob

type WritingJob = NewBlock &
  (
    | {
        readonly kind: 'compact'
        readonly inputs: readonly BlockMeta[]
        readonly overlap: OverlapFunction
        /** For the new block's meta. */
        readonly extensions?: JsonObject | undefined
      }
    /** `resolutionMs`: the next coarser one than the input's. */
    | { readonly kind: 'downsample'; readonly input: BlockMeta; readonly resolutionMs: number }
  )

interface NewBlock {
  readonly ulid: string
  /** Where the new block is written; its last part is the ULID. */
  readonly folder: string
  readonly hashFunc?: HashFunc
  /** The size at which a chunk segment is cut, and uploaded at once; Prometheus's unless told. */
  readonly segmentBytes?: number
}

/** A block that a job has written. */
export interface WrittenBlock {
  readonly meta: BlockMeta
  /** Its files that are in the bucket already, and no longer on the disk. */
  readonly uploaded: readonly BlockFile[]
}

export type JobOutcome =
  /** The block is whole: on the local disk, or, where it was checked, in the bucket. */
  | ({ readonly kind: 'whole' } & WrittenBlock)
  /** One input cannot be worked on; the others may be, without it. `unsupported`: another version may be able to. */
  | { readonly kind: 'bad_input'; readonly ulid: string; readonly code: ErrorCode; readonly reason: string }

/** Runs a job, in a worker thread or here. */
export type RunJob = (job: CompactorJob, signal: AbortSignal) => Promise<JobOutcome>

/** The same, but a block is bad only if it is a second time: bytes may also have changed on their way. */
export function confirming(runJob: RunJob): RunJob {
  return async (job, signal) => {
    const outcome = await runJob(job, signal)
    return outcome.kind === 'bad_input' && outcome.code !== 'unsupported' ? runJob(job, signal) : outcome
  }
}

/**
 * Writes the new block into the job's folder, or checks one. Throws what has nothing to do with one input: the bucket,
 * the disk, an abort; and `corrupt` where a checked block is not whole.
 */
export async function runJob(bucket: Bucket, job: CompactorJob, signal: AbortSignal): Promise<JobOutcome> {
  if (job.kind !== 'check') return write(bucket, job, signal)
  await checkBlock(bucket, job.meta, signal, { spoolPath: job.spoolPath })
  return { kind: 'whole', meta: job.meta, uploaded: [] }
}

async function write(bucket: Bucket, job: WritingJob, signal: AbortSignal): Promise<JobOutcome> {
  const { ulid, segmentBytes, hashFunc = '' } = job
  const opened: InputBlock[] = []
  const early = new EarlyUpload(bucket, { ulid, hashFunc }, signal)
  try {
    await makeFolder(dirname(job.folder))
    const metaOf = (contents: BlockContents) =>
      withIndexStats(
        job.kind === 'compact' ? compactedMeta(job.inputs, job, contents.stats) : downsampledMeta(job, contents),
        contents,
      )
    const options = {
      folder: job.folder,
      meta: (written: BlockContents) => formatMeta(metaOf(written)),
      signal,
      segments: { onSegment: early.take.bind(early), ...(segmentBytes !== undefined && { segmentBytes }) },
    }
    const inputs = job.kind === 'compact' ? job.inputs : [job.input]
    for (const meta of inputs)
      opened.push(await openNamed(bucket, meta, signal, { spoolPath: `${job.folder}.${meta.ulid}.tables` }))
    const contents =
      job.kind === 'compact'
        ? await mergeBlocks(opened, { ...options, overlap: job.overlap })
        : await downsampleBlock(opened[0]!, options)
    return { kind: 'whole', meta: metaOf(contents), uploaded: early.files }
  } catch (error) {
    if (!signal.aborted) await early.takeBack()
    if (!(error instanceof BlockError)) throw systemCode(error) ? fileError(error, `write block ${job.folder}`) : error
    return { kind: 'bad_input', ulid: error.ulid, code: error.code, reason: describeError(error) }
  } finally {
    for (const input of opened) input.close()
  }
}

async function openNamed(
  bucket: Bucket,
  meta: BlockMeta,
  signal: AbortSignal,
  options: IndexReaderOptions,
): Promise<InputBlock> {
  try {
    return await openInputBlock(bucket, meta, signal, options)
  } catch (cause) {
    if (cause instanceof MnemoError && ['corrupt', 'unsupported', 'not_found'].includes(cause.code))
      throw new BlockError(cause.code, meta.ulid, `cannot open block ${meta.ulid}`, { cause })
    throw cause
  }
}

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
function downsampledMeta(
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

function withIndexStats(meta: BlockMeta, { indexStats }: BlockContents): BlockMeta {
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
