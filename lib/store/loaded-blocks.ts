// The blocks that answer requests in this thread, and the choice among them for each request.
// Owns the set, and the leases that keep a block open while it is read.
import type { BlockMeta } from '../blocks/meta.ts'
import type { MnemoError } from '../kit/errors.ts'
import { labelsKey } from '../labels/labels.ts'
import { chooseBlocks, type WantedRange } from './choose-blocks.ts'
import type { StoreBlock } from './store-block.ts'

export type TimeRange = Omit<WantedRange, 'maxResolutionMs'>

/** A block that is in the bucket but could not be loaded. */
export interface MissingBlock {
  readonly ulid: string
  /** Undefined where its meta.json cannot be read: it may have any labels and times. */
  readonly meta: BlockMeta | undefined
  readonly error: MnemoError
}

/** The blocks as requests see them. */
export interface ServedBlocks {
  /** The blocks that could not be loaded and whose data no loaded block has. */
  readonly missing: readonly MissingBlock[]
  /** See LoadedBlocks. */
  lease(wanted: WantedRange, isWanted: (block: StoreBlock) => boolean): BlockLease
  leaseAll(range: TimeRange, isWanted: (block: StoreBlock) => boolean): BlockLease
  /** Whether the block was let go of, or the bucket has it no more. One that lacks another object than meta.json is damaged: it is there. */
  isGone(ulid: string, signal: AbortSignal): Promise<boolean>
  /** Brings the blocks up to what the bucket has, by a sync that began after the call. */
  resync(signal: AbortSignal): Promise<void>
}

export class LoadedBlocks {
  readonly #blocks = new Map<string, StoreBlock>()
  /** By external labels; undefined after a change. */
  #groups: readonly (readonly StoreBlock[])[] | undefined

  /** In no order. */
  get blocks(): readonly StoreBlock[] {
    return [...this.#blocks.values()]
  }

  get size(): number {
    return this.#blocks.size
  }

  has(ulid: string): boolean {
    return this.#blocks.has(ulid)
  }

  add(block: StoreBlock): void {
    this.#blocks.set(block.ulid, block)
    this.#groups = undefined
  }

  /** The block that was there; closing it is the caller's matter. */
  delete(ulid: string): StoreBlock | undefined {
    const block = this.#blocks.get(ulid)
    this.#blocks.delete(ulid)
    this.#groups = undefined
    return block
  }

  /**
   * The blocks that a Series request reads, of those that `isWanted` wants: per set of external labels, by range and resolution.
   * They stay open until the lease is released.
   */
  lease(wanted: WantedRange, isWanted: (block: StoreBlock) => boolean): BlockLease {
    this.#groups ??= [...Map.groupBy(this.blocks, ({ externalLabels }) => labelsKey(externalLabels)).values()]
    const chosen = this.#groups.flatMap((blocks) =>
      // All blocks of a group have the same labels, so that one decides for all.
      isWanted(blocks[0]!) ? chooseBlocks(blocks, wanted) : [],
    )
    return new BlockLease(chosen)
  }

  /** As lease(), all blocks that overlap the range, whatever their resolution. */
  leaseAll(range: TimeRange, isWanted: (block: StoreBlock) => boolean): BlockLease {
    return new BlockLease(this.blocks.filter((block) => overlaps(block.meta, range) && isWanted(block)))
  }
}

/** Whether a block has a share in the range; its max time is exclusive. */
export function overlaps(meta: BlockMeta, range: TimeRange): boolean {
  return meta.minTime <= range.maxTime && range.minTime < meta.maxTime
}

/** Blocks in use by a request. */
export class BlockLease {
  readonly blocks: readonly StoreBlock[]

  constructor(blocks: readonly StoreBlock[]) {
    this.blocks = blocks
    for (const block of blocks) block.acquire()
  }

  /** To be called once. */
  release(): void {
    for (const block of this.blocks) block.release()
  }
}
