// The work that a worker thread is handed: input metas in, a new block on local disk out.
// Owns the messages' shapes; run-job.ts does the work, which the main thread need not load.
import type { JsonObject } from '../blocks/go-json.ts'
import type { BlockFile, BlockMeta } from '../blocks/meta.ts'
import type { HashFunc } from '../blocks/upload.ts'
import type { ErrorCode } from '../kit/errors.ts'
import type { OverlapFunction } from '../tsdb/overlap.ts'

/** Structured-cloneable. */
export type CompactorJob = JobReading &
  (
    | WritingJob
    /** Reads a block that is in the bucket, but for its meta.json. */
    | { readonly kind: 'check'; readonly meta: BlockMeta; readonly spoolPath: string }
  )

export interface JobReading {
  /** The bucket's. */
  readonly readBytes?: number | undefined
}

export type WritingJob = NewBlock &
  (
    | {
        readonly kind: 'compact'
        readonly inputs: readonly BlockMeta[]
        readonly overlap: OverlapFunction
        /** Whether chunks are verified before they are copied: else it is the new block's check that finds a bad one, and cannot name its input. */
        readonly isVerified: boolean
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
  /** Its files that are in the bucket already, whether they are on the disk or not; of a block without samples none is. */
  readonly uploaded: readonly BlockFile[]
}

export type JobOutcome =
  /** The block is whole: on the local disk, or, where it was checked, in the bucket. */
  | ({ readonly kind: 'whole' } & WrittenBlock)
  /** One input cannot be worked on; the others may be, without it. `unsupported`: another version may be able to. */
  | { readonly kind: 'bad_input'; readonly ulid: string; readonly code: ErrorCode; readonly reason: string }

/** Runs a job, in a worker thread or here. */
export type RunJob = (job: CompactorJob, signal: AbortSignal) => Promise<JobOutcome>

/** For whoever sets blocks aside: the same, but a block is bad only if it is a second time, since bytes may also have changed on their way. */
export function confirming(runJob: RunJob): RunJob {
  return async (job, signal) => {
    const outcome = await runJob(job, signal)
    return outcome.kind === 'bad_input' && outcome.code !== 'unsupported' ? runJob(job, signal) : outcome
  }
}
