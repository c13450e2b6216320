// The blocks that the store serves: taken up from the bucket and let go of at each sync, chosen for each request.
// A block that cannot be loaded is set aside, named, and tried again; blocks that it stands for are kept meanwhile.
// Owns the set and the folders <dataDir>/<ulid>; how metas and index-headers are got is handed in.
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { readBucketTombstones } from '../blocks/bucket-tombstones.ts'
import { type BlockMeta, groupKey, metaFileName } from '../blocks/meta.ts'
import { isUlid } from '../blocks/ulid.ts'
import { forEachBounded } from '../kit/bounded.ts'
import { asMnemoError, MnemoError } from '../kit/errors.ts'
import type { Logger } from '../kit/log.ts'
import { labelsKey } from '../labels/labels.ts'
import { chooseBlocks, resolutionsMs, type WantedRange } from './choose-blocks.ts'
import type { StoreMetrics } from './metrics.ts'
import { removeIndexHeader } from './open-index-header.ts'
import { type BlockReading, type OpenIndexHeader, StoreBlock } from './store-block.ts'

export interface BlockSetOptions {
  /** Index-headers lie in <dataDir>/<ulid>/. Folders of other names are left alone. */
  readonly dataDir: string
  readonly reading: BlockReading
  /** The blocks that the bucket has and the filters let through. */
  readonly fetchMetas: (signal: AbortSignal) => Promise<readonly BlockMeta[]>
  /** Opens the block's index-header in the folder; builds it where it is missing or corrupt. */
  readonly openHeader: (meta: BlockMeta, folder: string, signal: AbortSignal) => Promise<OpenIndexHeader>
  readonly loadConcurrency: number
  readonly logger: Logger
  readonly metrics: StoreMetrics
}

/** A block that is in the bucket but could not be loaded. */
export interface SetAsideBlock {
  readonly meta: BlockMeta
  readonly error: MnemoError
}

export class BlockSet {
  readonly #options: BlockSetOptions
  readonly #blocks = new Map<string, StoreBlock>()
  /** Blocks let go of, not yet closed: the same folder must not be taken up again before. */
  readonly #closing = new Map<string, Promise<void>>()
  #setAside: readonly SetAsideBlock[] = []
  #missing: readonly SetAsideBlock[] = []
  /** By external labels; undefined after a change. */
  #groups: readonly (readonly StoreBlock[])[] | undefined
  #running: Promise<void> | undefined
  #isFirst = true

  constructor(options: BlockSetOptions) {
    this.#options = options
  }

  /** Loaded blocks, in no order. */
  get blocks(): readonly StoreBlock[] {
    return [...this.#blocks.values()]
  }

  /** The blocks that could not be loaded and whose data no loaded block has. */
  get missing(): readonly SetAsideBlock[] {
    return this.#missing
  }

  /**
   * Brings the set up to what the bucket has; resolves when it is. Whoever asks while it runs gets that run's end.
   * Throws where the metas cannot be fetched: the set stays as it was.
   */
  sync(signal: AbortSignal): Promise<void> {
    this.#running ??= this.#sync(signal).finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  /** A sync that began after the call: what a running one has listed may be old already. */
  async resync(signal: AbortSignal): Promise<void> {
    if (this.#running) await Promise.allSettled([this.#running])
    await this.sync(signal)
  }

  async #sync(signal: AbortSignal): Promise<void> {
    const metas = new Map((await this.#options.fetchMetas(signal)).map((meta) => [meta.ulid, meta]))
    if (this.#isFirst) await this.#removeStrangers(metas)
    this.#isFirst = false
    const fresh = [...metas.values()].filter(({ ulid }) => !this.#blocks.has(ulid) && !this.#closing.has(ulid))
    // What is newest is asked for most.
    fresh.sort((a, b) => b.maxTime - a.maxTime)
    const setAside: SetAsideBlock[] = []
    await forEachBounded(fresh, this.#options.loadConcurrency, async (meta) => {
      const error = await this.#load(meta, signal)
      if (error) setAside.push({ meta, error })
    })
    signal.throwIfAborted()
    this.#setAside = setAside
    this.#groups = undefined
    for (const block of this.#blocks.values()) {
      if (metas.has(block.ulid) || this.#standsInForSetAside(block)) continue
      this.#letGo(block)
    }
    this.#missing = setAside.filter(({ meta }) => !this.#isCovered(meta))
    this.#options.metrics.blocksLoaded.set(this.#blocks.size)
  }

  /** Loads the block; gives the error back where it cannot. */
  async #load(meta: BlockMeta, signal: AbortSignal): Promise<MnemoError | undefined> {
    const { metrics, logger, reading, openHeader } = this.#options
    const startMs = performance.now()
    metrics.blockLoads.inc()
    try {
      checkResolution(meta)
      const tombstones = await readBucketTombstones(reading.bucket, meta, signal)
      const header = await openHeader(meta, this.#folder(meta.ulid), signal)
      this.#blocks.set(meta.ulid, new StoreBlock({ meta, header, tombstones }, reading))
      this.#groups = undefined
      metrics.blocksLoaded.set(this.#blocks.size)
      metrics.lastLoadedBlock.setToCurrentTime()
      metrics.blockLoadDuration.observe((performance.now() - startMs) / 1000)
      logger.info({ block: meta.ulid, elapsedMs: Math.round(performance.now() - startMs) }, 'loaded new block')
      return undefined
    } catch (cause) {
      if (signal.aborted) throw cause
      const error = asMnemoError(cause)
      if (error.code === 'not_found' && (await this.#isDeleted(meta, signal))) return undefined
      metrics.blockLoadFailures.inc()
      logger.warn({ block: meta.ulid, err: error }, 'cannot load block: it is set aside until the next sync')
      return error
    }
  }

  /** Whether the block went while it was about to be loaded: its meta.json is what goes first. */
  async #isDeleted({ ulid }: BlockMeta, signal: AbortSignal): Promise<boolean> {
    try {
      return !(await this.#options.reading.bucket.exists(`${ulid}/${metaFileName}`, signal))
    } catch (error) {
      this.#options.logger.warn({ block: ulid, err: error }, 'cannot tell whether a block was deleted')
      return false
    }
  }

  /**
   * A compacted block hides its sources from the filters as soon as it is in the bucket.
   * Where it cannot be loaded, they go on answering in its place.
   */
  #standsInForSetAside({ meta }: StoreBlock): boolean {
    return this.#setAside.some(({ meta: missing }) => {
      const sources = new Set(missing.compaction.sources)
      return groupKey(missing) === groupKey(meta) && meta.compaction.sources.every((source) => sources.has(source))
    })
  }

  #isCovered(missing: BlockMeta): boolean {
    const inGroup = this.blocks.filter(({ meta }) => groupKey(meta) === groupKey(missing))
    const loaded = new Set(inGroup.flatMap(({ meta }) => meta.compaction.sources))
    return missing.compaction.sources.every((source) => loaded.has(source))
  }

  #letGo(block: StoreBlock): void {
    const { logger, metrics } = this.#options
    this.#blocks.delete(block.ulid)
    this.#groups = undefined
    metrics.blockDrops.inc()
    logger.info({ block: block.ulid }, 'dropped outdated block')
    const closed = this.#closeAndRemove(block).catch((error: unknown) => {
      metrics.blockDropFailures.inc()
      logger.warn({ block: block.ulid, err: error }, 'cannot remove the folder of a dropped block')
    })
    this.#closing.set(
      block.ulid,
      closed.finally(() => this.#closing.delete(block.ulid)),
    )
  }

  async #closeAndRemove(block: StoreBlock): Promise<void> {
    await block.close()
    await removeIndexHeader(this.#folder(block.ulid))
  }

  #folder(ulid: string): string {
    return path.join(this.#options.dataDir, ulid)
  }

  /** Folders of blocks that went while no store was running. */
  async #removeStrangers(metas: ReadonlyMap<string, BlockMeta>): Promise<void> {
    const { dataDir, logger } = this.#options
    try {
      for (const entry of await readdir(dataDir, { withFileTypes: true })) {
        if (!entry.isDirectory() || !isUlid(entry.name) || metas.has(entry.name)) continue
        await removeIndexHeader(this.#folder(entry.name))
      }
    } catch (error) {
      logger.warn({ dataDir, err: error }, 'cannot remove the index-headers of blocks that are gone')
    }
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
  leaseAll(range: Omit<WantedRange, 'maxResolutionMs'>, isWanted: (block: StoreBlock) => boolean): BlockLease {
    return new BlockLease(this.blocks.filter((block) => overlaps(block.meta, range) && isWanted(block)))
  }

  /** Closes all blocks, each when its requests have ended; their folders stay for the next start. */
  async close(): Promise<void> {
    await Promise.all(this.blocks.map((block) => block.close()))
    await Promise.all(this.#closing.values())
  }
}

/** Whether a block has a share in the range; its max time is exclusive. */
export function overlaps(meta: BlockMeta, range: Omit<WantedRange, 'maxResolutionMs'>): boolean {
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

function checkResolution({ ulid, thanos: { resolutionMs } }: BlockMeta): void {
  if (resolutionsMs.some((known) => known === resolutionMs)) return
  const want = `want one of ${resolutionsMs.join(', ')} ms`
  throw new MnemoError('unsupported', `cannot serve block ${ulid}: got a resolution of ${resolutionMs} ms, ${want}`)
}
