// What the compactor changes in the bucket: new blocks that a worker has written, and marks on old ones.
// Specification: lib/blocks/upload.ts and markers.ts.
// Owns that a new block is whole in the bucket before it counts, and that each change is in the log and the metrics.
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type MarkKind, type MarkReason, markFileNames, putMark } from '../blocks/markers.ts'
import { type BlockMeta, metaFileName } from '../blocks/meta.ts'
import { newUlid, ulidBelow } from '../blocks/ulid.ts'
import { type HashFunc, type UploadOptions, uploadBlock } from '../blocks/upload.ts'
import { MnemoError } from '../kit/errors.ts'
import type { Gate } from '../kit/gate.ts'
import type { Logger } from '../kit/log.ts'
import { makeFolder } from '../kit/make-folder.ts'
import type { Bucket } from '../objstore/bucket.ts'
import { fileError } from '../objstore/failures.ts'
import { diskBudget, diskBytes } from './disk-budget.ts'
import type { WrittenBlock } from './job.ts'
import type { CompactMetrics } from './metrics.ts'

export interface BlockChangesOptions {
  readonly bucket: Bucket
  /** For blocks being written; emptied at the start of a round. Nothing else may lie in it. */
  readonly workFolder: string
  readonly upload?: Pick<UploadOptions, 'concurrency' | 'hashFunc'>
  /** What blocks being written may take of the disk together, about; 0 or none: no limit. */
  readonly diskLimitBytes?: number
  /** Throws where a block that is in the bucket, but for its meta.json, is not what its meta says. */
  readonly check: (meta: BlockMeta, signal: AbortSignal) => Promise<void>
  readonly logger: Logger
  readonly metrics: CompactMetrics
  readonly now: () => number
}

/** What is written to learn whether the disk takes anything. */
const probeBytes = 64 * 1024

/** What a new block is to be made of. */
export interface WriteRequest {
  readonly inputs: readonly BlockMeta[]
  /** An input that has all sources of the new block: this one's ULID is to be lower, which is how readers know that it stands for it. */
  readonly replaced?: BlockMeta | undefined
  readonly signal: AbortSignal
}

/** A block that a job is to write. */
export interface BlockToWrite {
  readonly ulid: string
  readonly folder: string
  readonly hashFunc: HashFunc
}

export class BlockChanges {
  readonly #options: BlockChangesOptions
  readonly #disk: Gate

  constructor(options: BlockChangesOptions) {
    this.#options = options
    this.#disk = diskBudget(options.diskLimitBytes ?? 0)
  }

  /**
   * Removes what an earlier round left half written on the disk, and sees that there is room to write.
   * Throws `unavailable` where the disk is full, `internal` where the folder cannot be written.
   */
  async prepareWorkFolder(): Promise<void> {
    const { workFolder } = this.#options
    const probe = join(workFolder, 'probe')
    try {
      await rm(workFolder, { recursive: true, force: true })
      await makeFolder(workFolder)
      await writeFile(probe, new Uint8Array(probeBytes), { flush: true })
      await rm(probe)
    } catch (error) {
      throw fileError(error, `write in the data folder: ${workFolder}`)
    }
  }

  /**
   * Gives the work a block's name and a folder for it, which is gone again at the end, whatever that is. Waits for room on
   * the disk for a block made of the inputs. Throws `bad_data` where these have no external labels: nobody could upload it.
   */
  async writeBlock(
    { inputs, replaced, signal }: WriteRequest,
    work: (block: BlockToWrite) => Promise<void>,
  ): Promise<void> {
    const nameless = inputs.find(({ thanos }) => thanos.labels.length === 0)
    if (nameless) {
      const want = 'want at least one, which tells its origin from others'
      throw new MnemoError('bad_data', `cannot work on block ${nameless.ulid}: got no external labels, ${want}`)
    }
    return this.#disk.run(diskBytes(inputs), signal, () => {
      return this.#write(replaced ? ulidBelow(replaced.ulid) : newUlid(this.#options.now()), work)
    })
  }

  async #write(ulid: string, work: (block: BlockToWrite) => Promise<void>): Promise<void> {
    const folder = join(this.#options.workFolder, ulid)
    try {
      await work({ ulid, folder, hashFunc: this.#options.upload?.hashFunc ?? '' })
    } catch (error) {
      // Why the work failed matters more; what is left on the disk goes with the next round.
      await this.#remove(folder).catch((err: unknown) =>
        this.#options.logger.warn({ err }, 'leftovers stay on the disk'),
      )
      throw error
    }
    await this.#remove(folder)
  }

  async #remove(folder: string): Promise<void> {
    try {
      await rm(folder, { recursive: true, force: true })
    } catch (error) {
      throw fileError(error, `remove ${folder}`)
    }
  }

  /** Puts a written block into the bucket, if it holds anything. It is read back before meta.json makes it a block. */
  async publish({ meta, uploaded: alreadyThere }: WrittenBlock, folder: string, signal: AbortSignal): Promise<void> {
    const { bucket, check, logger, upload } = this.#options
    if (meta.stats.numSamples === 0) return
    const { uploaded } = await uploadBlock(bucket, folder, meta, {
      ...upload,
      alreadyThere,
      mayLink: true,
      signal,
      logger,
      check: (complete) => check(complete, signal),
    })
    if (!uploaded) throw new MnemoError('internal', `cannot upload block ${meta.ulid}: the bucket has it already`)
  }

  /** Whether the block has been deleted: its meta.json goes first. */
  async isGone(ulid: string, signal: AbortSignal): Promise<boolean> {
    return !(await this.#options.bucket.exists(`${ulid}/${metaFileName}`, signal))
  }

  /** Puts a mark; false where one is there already, which stays as it is. */
  async mark(
    ulid: string,
    kind: MarkKind,
    options: { readonly reason?: MarkReason; readonly details: string; readonly signal: AbortSignal },
  ): Promise<boolean> {
    const { bucket, logger, metrics, now } = this.#options
    if (!(await putMark(bucket, ulid, kind, { ...options, nowMs: now() }))) return false
    metrics.marked.inc({ marker: markFileNames[kind], reason: options.reason ?? '' })
    if (kind === 'deletion') metrics.markedForDeletion.inc()
    logger.info({ block: ulid, mark: kind, details: options.details }, 'marked block')
    return true
  }
}
