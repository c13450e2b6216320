// What the compactor changes in the bucket: new blocks that a worker has written, and marks on old ones.
// Specification: lib/blocks/upload.ts and markers.ts.
// Owns that a new block is whole in the bucket before it counts, and that each change is in the log and the metrics.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type MarkKind, type MarkReason, markFileNames, putMark } from '../blocks/markers.ts'
import type { BlockMeta } from '../blocks/meta.ts'
import { newUlid } from '../blocks/ulid.ts'
import { uploadBlock } from '../blocks/upload.ts'
import { MnemoError } from '../kit/errors.ts'
import type { Logger } from '../kit/log.ts'
import type { Bucket } from '../objstore/bucket.ts'
import type { CompactMetrics } from './metrics.ts'

export interface BlockChangesOptions {
  readonly bucket: Bucket
  /** For blocks being written; emptied at the start of a round. */
  readonly workFolder: string
  /** Throws where a block that is in the bucket, but for its meta.json, is not what its meta says. */
  readonly check: (meta: BlockMeta, signal: AbortSignal) => Promise<void>
  readonly logger: Logger
  readonly metrics: CompactMetrics
  readonly now: () => number
}

export class BlockChanges {
  readonly #options: BlockChangesOptions

  constructor(options: BlockChangesOptions) {
    this.#options = options
  }

  /** Removes what an earlier round left half written on the disk. */
  async clearWorkFolder(): Promise<void> {
    await rm(this.#options.workFolder, { recursive: true, force: true })
  }

  /** The name and the folder of a block to be written. */
  newBlock(): { readonly ulid: string; readonly folder: string } {
    const ulid = newUlid(this.#options.now())
    return { ulid, folder: join(this.#options.workFolder, ulid) }
  }

  /** Puts a written block into the bucket, if it holds anything, and takes it off the disk. It is read back before meta.json makes it a block. */
  async publish(meta: BlockMeta, folder: string, signal: AbortSignal): Promise<void> {
    const { bucket, check, logger } = this.#options
    if (meta.stats.numSamples > 0) {
      const { uploaded } = await uploadBlock(bucket, folder, meta, {
        signal,
        logger,
        check: (complete) => check(complete, signal),
      })
      if (!uploaded) throw new MnemoError('internal', `cannot upload block ${meta.ulid}: the bucket has it already`)
    }
    await rm(folder, { recursive: true })
  }

  /** Puts a mark; one that is there already stays as it is. */
  async mark(
    ulid: string,
    kind: MarkKind,
    options: { readonly reason?: MarkReason; readonly details: string; readonly signal: AbortSignal },
  ): Promise<void> {
    const { bucket, logger, metrics, now } = this.#options
    if (!(await putMark(bucket, ulid, kind, { ...options, nowMs: now() }))) return
    metrics.marked.inc({ marker: markFileNames[kind], reason: options.reason ?? '' })
    logger.info({ block: ulid, mark: kind, details: options.details }, 'marked block')
  }
}
