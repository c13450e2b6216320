// The blocks that the store serves: taken up from the bucket and let go of at each sync. Who answers requests is told of each change.
// A block that cannot be loaded is set aside, named, and tried again; blocks that it stands for are kept meanwhile.
// Owns the set and the folders <dataDir>/<ulid>; how metas and index-headers are got is handed in.
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { isUlid } from '../blocks/block-name.ts'
import { readBucketTombstones } from '../blocks/bucket-tombstones.ts'
import type { FetchedBlocks } from '../blocks/fetcher.ts'
import { type BlockMeta, groupKey } from '../blocks/meta.ts'
import { forEachBounded } from '../kit/bounded.ts'
import { asMnemoError, MnemoError } from '../kit/errors.ts'
import type { Logger } from '../kit/log.ts'
import type { Bucket } from '../objstore/bucket.ts'
import { isDeleted } from './block-deleted.ts'
import { resolutionsMs } from './choose-blocks.ts'
import type { MissingBlock } from './loaded-blocks.ts'
import type { StoreMetrics } from './metrics.ts'
import { removeIndexHeader } from './open-index-header.ts'
import type { LoadedBlock, OpenIndexHeader } from './store-block.ts'

export interface BlockSetOptions {
  /** Index-headers lie in <dataDir>/<ulid>/. Folders of other names are left alone. */
  readonly dataDir: string
  readonly bucket: Bucket
  /** The blocks that the bucket has and the filters let through, and those whose meta.json cannot be read. */
  readonly fetchBlocks: (signal: AbortSignal) => Promise<FetchedBlocks>
  /** Opens the block's index-header in the folder; builds it where it is missing or corrupt. */
  readonly openHeader: (meta: BlockMeta, folder: string, signal: AbortSignal) => Promise<OpenIndexHeader>
  readonly loadConcurrency: number
  readonly logger: Logger
  readonly metrics: StoreMetrics
  /** Told of each change: threads that answer have the same blocks. */
  readonly observer: BlockObserver
}

/** Who has to know which blocks are served. */
export interface BlockObserver {
  added(block: LoadedBlock): void
  removed(ulid: string): void
  missing(blocks: readonly MissingBlock[]): void
}

interface SetAsideBlock extends MissingBlock {
  readonly meta: BlockMeta
}

export class BlockSet {
  readonly #options: BlockSetOptions
  readonly #blocks = new Map<string, LoadedBlock>()
  /** Blocks let go of, not yet closed: the same folder must not be taken up again before. */
  readonly #closing = new Map<string, Promise<void>>()
  #setAside: readonly SetAsideBlock[] = []
  #missing: readonly MissingBlock[] = []
  #running: Promise<void> | undefined
  #isFirst = true

  constructor(options: BlockSetOptions) {
    this.#options = options
  }

  /** Metas of the loaded blocks, in no order. */
  get metas(): readonly BlockMeta[] {
    return [...this.#blocks.values()].map(({ meta }) => meta)
  }

  /** The blocks that could not be loaded and whose data no loaded block has, as far as can be told. */
  get missing(): readonly MissingBlock[] {
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
    const fetched = await this.#options.fetchBlocks(signal)
    const { metas } = fetched
    if (this.#isFirst) await this.#removeStrangers(metas)
    this.#isFirst = false
    const fresh = [...metas.values()].filter(({ ulid }) => !this.#blocks.has(ulid) && !this.#closing.has(ulid))
    // What is newest is asked for most.
    fresh.sort((a, b) => b.maxTime - a.maxTime)
    const setAside: SetAsideBlock[] = []
    await forEachBounded(fresh, this.#options.loadConcurrency, async (meta) => {
      const error = await this.#load(meta, signal)
      if (error) setAside.push({ ulid: meta.ulid, meta, error })
    })
    signal.throwIfAborted()
    this.#setAside = setAside
    for (const block of [...this.#blocks.values()]) {
      const { meta } = block
      if (metas.has(meta.ulid)) continue
      if (this.#standsInForSetAside(meta) && !(await isDeleted(meta.ulid, this.#options, signal))) continue
      this.#letGo(block)
    }
    this.#missing = [...setAside.filter(({ meta }) => !this.#isCovered(meta)), ...unreadBlocks(fetched)]
    this.#options.observer.missing(this.#missing)
    this.#options.metrics.blocksLoaded.set(this.#blocks.size)
  }

  /** Loads the block; gives the error back where it cannot. */
  async #load(meta: BlockMeta, signal: AbortSignal): Promise<MnemoError | undefined> {
    const { metrics, logger, bucket, openHeader } = this.#options
    const startMs = performance.now()
    metrics.blockLoads.inc()
    // Small index-headers are read at once: health checks have their turn between them.
    await setImmediate()
    try {
      checkResolution(meta)
      const tombstones = await readBucketTombstones(bucket, meta, signal)
      const header = await openHeader(meta, this.#folder(meta.ulid), signal)
      const block = { meta, header, tombstones }
      this.#blocks.set(meta.ulid, block)
      this.#options.observer.added(block)
      metrics.blocksLoaded.set(this.#blocks.size)
      metrics.lastLoadedBlock.setToCurrentTime()
      metrics.blockLoadDuration.observe((performance.now() - startMs) / 1000)
      logger.info({ block: meta.ulid, elapsedMs: Math.round(performance.now() - startMs) }, 'loaded new block')
      return undefined
    } catch (cause) {
      if (signal.aborted) throw cause
      const error = asMnemoError(cause)
      // It may have gone while it was about to be loaded.
      if (error.code === 'not_found' && (await isDeleted(meta.ulid, this.#options, signal))) return undefined
      metrics.blockLoadFailures.inc()
      logger.warn({ block: meta.ulid, err: error }, 'cannot load block: it is set aside until the next sync')
      return error
    }
  }

  /**
   * A compacted block hides its sources from the filters as soon as it is in the bucket.
   * Where it cannot be loaded, they go on answering in its place.
   */
  #standsInForSetAside(meta: BlockMeta): boolean {
    return this.#setAside.some(({ meta: missing }) => {
      const sources = new Set(missing.compaction.sources)
      return groupKey(missing) === groupKey(meta) && meta.compaction.sources.every((source) => sources.has(source))
    })
  }

  #isCovered(missing: BlockMeta): boolean {
    const inGroup = this.metas.filter((meta) => groupKey(meta) === groupKey(missing))
    const loaded = new Set(inGroup.flatMap((meta) => meta.compaction.sources))
    return missing.compaction.sources.every((source) => loaded.has(source))
  }

  #letGo({ meta: { ulid }, header }: LoadedBlock): void {
    const { logger, metrics, observer } = this.#options
    this.#blocks.delete(ulid)
    observer.removed(ulid)
    metrics.blockDrops.inc()
    logger.info({ block: ulid }, 'dropped outdated block')
    const closed = this.#closeAndRemove(ulid, header).catch((error: unknown) => {
      metrics.blockDropFailures.inc()
      logger.warn({ block: ulid, err: error }, 'cannot remove the folder of a dropped block')
    })
    this.#closing.set(
      ulid,
      closed.finally(() => this.#closing.delete(ulid)),
    )
  }

  /** Threads that read the block have its file open, or find it gone and make a new plan. */
  async #closeAndRemove(ulid: string, header: OpenIndexHeader): Promise<void> {
    await header.close()
    await removeIndexHeader(this.#folder(ulid))
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

  /** Closes all blocks; their folders stay for the next start. */
  async close(): Promise<void> {
    await Promise.all([...this.#blocks.values()].map(async ({ header }) => header.close()))
    await Promise.all(this.#closing.values())
  }
}

/** Blocks that may be whole, and whose meta.json says what cannot be read. */
function unreadBlocks({ partial, unsupported }: FetchedBlocks): MissingBlock[] {
  const corrupt = [...partial.values()].filter(({ isUnfinished }) => !isUnfinished)
  return [
    ...corrupt.map(({ ulid, reason }) => ({ ulid, meta: undefined, error: reason })),
    ...[...unsupported].map(([ulid, error]) => ({ ulid, meta: undefined, error })),
  ]
}

function checkResolution({ ulid, thanos: { resolutionMs } }: BlockMeta): void {
  if (resolutionsMs.some((known) => known === resolutionMs)) return
  const want = `want one of ${resolutionsMs.join(', ')} ms`
  throw new MnemoError('unsupported', `cannot serve block ${ulid}: got a resolution of ${resolutionMs} ms, ${want}`)
}
