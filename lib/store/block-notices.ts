// How the threads that answer learn of the store's blocks: notices of what is added, let go of and missing, as data that travels.
// Owns what a thread that starts later has to be told.
import type { SharedIndexHeader } from '../blocks/index-header.ts'
import type { BlockMeta } from '../blocks/meta.ts'
import { describeError, type ErrorCode } from '../kit/errors.ts'
import type { Tombstones } from '../tsdb/tombstones.ts'
import type { BlockObserver } from './block-set.ts'
import type { MissingBlock } from './loaded-blocks.ts'
import type { LoadedBlock } from './store-block.ts'

export interface SharedBlock {
  readonly meta: BlockMeta
  readonly header: SharedIndexHeader
  readonly tombstones: Tombstones
}

/** An error as data. */
export interface SentError {
  readonly code: ErrorCode
  readonly message: string
}

export type BlockNotice =
  | { readonly kind: 'added'; readonly blocks: readonly SharedBlock[] }
  | { readonly kind: 'removed'; readonly ulid: string }
  | {
      readonly kind: 'missing'
      readonly blocks: readonly (Omit<MissingBlock, 'error'> & { readonly error: SentError })[]
    }
  /** A sync that a thread has asked for has ended; all of its notices came before. */
  | { readonly kind: 'synced'; readonly token: string; readonly error?: SentError }

/** What a thread that answers asks of the one that owns the blocks. */
export interface ResyncEvent {
  readonly kind: 'resync'
  readonly token: string
}

/** Tells the threads of each change; of blocks that are added in one turn of the event loop, together. */
export class BlockNotices implements BlockObserver {
  readonly #send: (notice: BlockNotice) => void
  /** Of which has been told. */
  readonly #added = new Map<string, SharedBlock>()
  /** To be told of next: to a thread that starts meanwhile, too. */
  #fresh: SharedBlock[] = []
  #missing: BlockNotice = { kind: 'missing', blocks: [] }

  constructor(tell: (notice: BlockNotice) => void) {
    this.#send = tell
  }

  /** What brings a new thread up to now. */
  greeting(): BlockNotice[] {
    return [{ kind: 'added', blocks: [...this.#added.values()] }, this.#missing]
  }

  added({ meta, header, tombstones }: LoadedBlock): void {
    if (this.#fresh.push({ meta, header: header.share(), tombstones }) === 1) setImmediate(() => this.#tellFresh())
  }

  #tellFresh(): void {
    if (this.#fresh.length === 0) return
    for (const block of this.#fresh) this.#added.set(block.meta.ulid, block)
    this.#send({ kind: 'added', blocks: this.#fresh })
    this.#fresh = []
  }

  /** In order: what was added before is told before. */
  #tell(notice: BlockNotice): void {
    this.#tellFresh()
    this.#send(notice)
  }

  removed(ulid: string): void {
    this.#tell({ kind: 'removed', ulid })
    this.#added.delete(ulid)
  }

  missing(blocks: readonly MissingBlock[]): void {
    const sent = blocks.map((block) => ({ ...block, error: sentError(block.error) }))
    this.#missing = { kind: 'missing', blocks: sent }
    this.#tell(this.#missing)
  }

  /** The end of a sync that a thread asked for. */
  synced(token: string, error?: SentError): void {
    this.#tell({ kind: 'synced', token, ...(error && { error }) })
  }
}

export function sentError(error: { readonly code: ErrorCode } & Error): SentError {
  return { code: error.code, message: describeError(error) }
}
