// The store's blocks in a thread that answers: kept as the notices say, their index-headers opened when they are first looked into.
// Owns this thread's blocks; which ones are served is decided by the thread that owns the BlockSet.
import { randomUUID } from 'node:crypto'
import { IndexHeader } from '../blocks/index-header.ts'
import type { PageCache } from '../bytes/sync-bytes.ts'
import { MnemoError } from '../kit/errors.ts'
import type { Logger } from '../kit/log.ts'
import { abortReason } from '../storeapi/merge.ts'
import { isDeleted } from './block-deleted.ts'
import type { BlockNotice, ResyncEvent, SentError, SharedBlock } from './block-notices.ts'
import type { WantedRange } from './choose-blocks.ts'
import { type BlockLease, LoadedBlocks, type MissingBlock, type ServedBlocks, type TimeRange } from './loaded-blocks.ts'
import { type BlockReading, StoreBlock } from './store-block.ts'

export interface BlockMirrorOptions {
  readonly reading: BlockReading
  /** Pages of the index-headers that this thread looks into. */
  readonly pages: PageCache
  readonly logger: Logger
  /** Asks the owner of the blocks for a sync. */
  readonly ask: (event: ResyncEvent) => void
}

export class BlockMirror implements ServedBlocks {
  readonly #options: BlockMirrorOptions
  readonly #loaded = new LoadedBlocks()
  readonly #waiting = new Map<string, (error: SentError | undefined) => void>()
  missing: readonly MissingBlock[] = []

  constructor(options: BlockMirrorOptions) {
    this.#options = options
  }

  apply(notice: BlockNotice): void {
    switch (notice.kind) {
      case 'added':
        for (const block of notice.blocks) this.#add(block)
        return
      case 'removed':
        this.#remove(notice.ulid)
        return
      case 'missing':
        this.missing = notice.blocks.map((block) => ({ ...block, error: receivedError(block.error) }))
        return
      case 'synced':
        this.#waiting.get(notice.token)?.(notice.error)
        return
      default:
        notice satisfies never
    }
  }

  #add({ meta, header, tombstones }: SharedBlock): void {
    const opened = IndexHeader.attach(header, this.#options.pages)
    this.#loaded.add(new StoreBlock({ meta, header: opened, tombstones }, this.#options.reading))
  }

  #remove(ulid: string): void {
    const { logger } = this.#options
    const close = async () => this.#loaded.delete(ulid)?.close()
    close().catch((error: unknown) => logger.warn({ block: ulid, err: error }, 'cannot close a dropped block'))
  }

  lease(wanted: WantedRange, isWanted: (block: StoreBlock) => boolean): BlockLease {
    return this.#loaded.lease(wanted, isWanted)
  }

  leaseAll(range: TimeRange, isWanted: (block: StoreBlock) => boolean): BlockLease {
    return this.#loaded.leaseAll(range, isWanted)
  }

  async isGone(ulid: string, signal: AbortSignal): Promise<boolean> {
    const { reading, logger } = this.#options
    // The index-header may be gone before we are told of it: by the time that the bucket has answered we have been.
    return (await isDeleted(ulid, { bucket: reading.bucket, logger }, signal)) || !this.#loaded.has(ulid)
  }

  resync(signal: AbortSignal): Promise<void> {
    const token = randomUUID()
    return new Promise<void>((resolve, reject) => {
      const onAbort = () => end(() => reject(abortReason(signal)))
      const end = (settle: () => void) => {
        this.#waiting.delete(token)
        signal.removeEventListener('abort', onAbort)
        settle()
      }
      this.#waiting.set(token, (error) => end(() => (error ? reject(receivedError(error)) : resolve())))
      if (signal.aborted) return onAbort()
      signal.addEventListener('abort', onAbort, { once: true })
      this.#options.ask({ kind: 'resync', token })
    })
  }
}

function receivedError({ code, message }: SentError): MnemoError {
  return new MnemoError(code, message)
}
