// Runs a job: merges, downsamples or checks blocks, in a worker thread or here.
// Specification: job.ts for what goes in and comes out.
// Owns the inputs that it opens, and what was uploaded of a block that fails; uploading the rest and marking are the compactor's.
import { dirname } from 'node:path'
import type { BlockMeta } from '../blocks/meta.ts'
import { formatMeta } from '../blocks/meta-format.ts'
import { createKernels } from '../kernels/instance.ts'
import type { Kernels } from '../kernels/kernels.ts'
import { describeError } from '../kit/errors.ts'
import { makeFolder } from '../kit/make-folder.ts'
import { systemCode } from '../kit/system-errors.ts'
import type { WorkBucket } from '../objstore/bucket.ts'
import { fileError } from '../objstore/failures.ts'
import { BlockError, isOfBlock } from '../tsdb/block-error.ts'
import type { BlockContents } from '../tsdb/block-writer.ts'
import { checkBlock } from './check-block.ts'
import { downsampleBlock } from './downsample-block.ts'
import { EarlyUpload } from './early-upload.ts'
import { type InputBlock, type InputBlockOptions, openInputBlock, windowBytesOf } from './input-block.ts'
import type { CompactorJob, JobOutcome, JobReading, WritingJob } from './job.ts'
import { mergeBlocks } from './merge.ts'
import { compactedMeta, downsampledMeta, withIndexStats } from './new-meta.ts'

/**
 * Writes the new block into the job's folder, or checks one. Throws what has nothing to do with one input: the bucket,
 * the disk, an abort; and `corrupt` where a checked block is not whole. No other job may have the `kernels` meanwhile.
 */
export async function runJob(
  bucket: WorkBucket,
  job: CompactorJob,
  signal: AbortSignal,
  kernels: Kernels = createKernels(),
): Promise<JobOutcome> {
  if (job.kind !== 'check') return write(bucket, job, signal, kernels)
  const { meta, spoolPath, readBytes } = job
  await checkBlock(bucket, meta, signal, { spoolPath, windowBytes: windowBytesOf(1, readBytes), kernels })
  return { kind: 'whole', meta, uploaded: [] }
}

async function write(
  bucket: WorkBucket,
  job: WritingJob & JobReading,
  signal: AbortSignal,
  kernels: Kernels,
): Promise<JobOutcome> {
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
      kernels,
      writing: {
        onSegment: early.take.bind(early),
        onLastSegment: early.copy.bind(early),
        ...(segmentBytes !== undefined && { segmentBytes }),
        // The bucket's copy is what lasts: the work folder is emptied at each start.
        durable: false,
        // Whoever else must be answered is on another thread.
        atOnce: true,
      },
    }
    const inputs = job.kind === 'compact' ? job.inputs : [job.input]
    const windowBytes = windowBytesOf(inputs.length, job.readBytes)
    const open = (meta: BlockMeta) =>
      openNamed(bucket, meta, signal, { spoolPath: `${job.folder}.${meta.ulid}.tables`, windowBytes })
    const outcomes = await Promise.allSettled(inputs.map(open))
    for (const outcome of outcomes) if (outcome.status === 'fulfilled') opened.push(outcome.value)
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
    const contents =
      job.kind === 'compact'
        ? await mergeBlocks(opened, { ...options, overlap: job.overlap, isVerified: job.isVerified })
        : await downsampleBlock(opened[0]!, options)
    const { numSamples } = contents.stats
    // Of nothing no block is made.
    if (numSamples === 0) await early.takeBack()
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
  bucket: WorkBucket,
  meta: BlockMeta,
  signal: AbortSignal,
  options: InputBlockOptions,
): Promise<InputBlock> {
  try {
    return await openInputBlock(bucket, meta, signal, options)
  } catch (cause) {
    if (!isOfBlock(cause)) throw cause
    throw new BlockError(cause.code, meta.ulid, `cannot open block ${meta.ulid}`, { cause })
  }
}
