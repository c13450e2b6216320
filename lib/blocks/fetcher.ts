// The blocks of a bucket as a service sees them: listed, their metas read (and cached), then filtered.
// Algorithm: Thanos pkg/block/fetcher.go; metric names and states are Thanos's, the cache folder's layout too.
// Owns the caches. A bucket that fails fails the sync: a block is never taken for gone because it could not be read.

import { forEachBounded } from '../kit/bounded.ts'
import { asMnemoError, MnemoError } from '../kit/errors.ts'
import type { Logger } from '../kit/log.ts'
import { Registry } from '../kit/metrics.ts'
import type { Bucket } from '../objstore/bucket.ts'
import { type FetcherMetrics, fetcherMetrics, type SyncMetrics, type SyncState } from './fetcher-metrics.ts'
import { type ListedBlock, listBlocks } from './listing.ts'
import { type BlockMeta, metaFileName } from './meta.ts'
import { MetaDiskCache } from './meta-disk-cache.ts'
import { isTorn, maxMetaBytes, parseMeta } from './meta-parse.ts'
import { News } from './news.ts'

/** What a filter may look at and change. */
export interface FilterContext {
  /** By ULID; a filter deletes with exclude() and may replace values. */
  readonly metas: Map<string, BlockMeta>
  readonly listing: ReadonlyMap<string, ListedBlock>
  readonly nowMs: number
  readonly signal: AbortSignal | undefined
  /** Takes a block out of view and counts why. */
  exclude(ulid: string, state: SyncState): void
  /** Counts a block that stays in view under another state as well. */
  count(state: SyncState): void
  countReplicaLabelRemoved(): void
}

export interface MetaFilter {
  apply(context: FilterContext): void | Promise<void>
}

/** A block that is not whole: its meta.json is missing (`not_found`) or unreadable (`corrupt`). */
export interface PartialBlock {
  readonly ulid: string
  readonly reason: MnemoError
  /** When its newest object was written, unix ms; 0 where the bucket does not tell. */
  readonly newestObjectMs: number
  /** Its meta.json was never written, or not to its end. False: it says what we cannot read, and another reader may. */
  readonly isUnfinished: boolean
}

export interface FetchedBlocks {
  /** Whole blocks that no filter took out, by ULID. */
  readonly metas: Map<string, BlockMeta>
  readonly partial: Map<string, PartialBlock>
  /** Blocks whose meta.json is of a version we don't know, by ULID: out of view, and not to be touched. */
  readonly unsupported: Map<string, MnemoError>
}

export interface MetaFetcherOptions {
  readonly bucket: Bucket
  /** Applied in this order. */
  readonly filters?: readonly MetaFilter[]
  /** Metas are cached below `<dataDir>/meta-syncer`; none: in memory alone. */
  readonly dataDir?: string | undefined
  /** A block whose meta.json was read once, and is there and cannot be read any more, stays in view as it was. Unless told, it is set aside. */
  readonly keepsKnown?: boolean
  /** How many metas are read side by side. */
  readonly concurrency?: number
  readonly logger?: Logger | undefined
  readonly registry?: Registry | undefined
  /** Unix ms, for filters by age. */
  readonly now?: () => number
}

const defaultConcurrency = 32

interface CachedMeta {
  readonly meta: BlockMeta
  readonly lastModifiedMs: number
}

interface Sync {
  readonly fetched: FetchedBlocks
  readonly loaded: Map<string, CachedMeta>
  readonly metrics: SyncMetrics
}

/** Reads the bucket's blocks; one fetch at a time. */
export class MetaFetcher {
  readonly #options: MetaFetcherOptions
  readonly #metrics: FetcherMetrics
  readonly #disk: MetaDiskCache | undefined
  readonly #news = new News()
  #cached = new Map<string, CachedMeta>()

  constructor(options: MetaFetcherOptions) {
    this.#options = options
    this.#metrics = fetcherMetrics(options.registry ?? new Registry())
    this.#disk = options.dataDir === undefined ? undefined : new MetaDiskCache(options.dataDir, options.logger)
  }

  /** The bucket's blocks now. Throws where the bucket fails, however little; the caller keeps what it had. */
  async fetch(signal?: AbortSignal): Promise<FetchedBlocks> {
    const sync = this.#metrics.begin()
    try {
      const fetched = await this.#fetch(sync, signal)
      sync.done()
      return fetched
    } catch (error) {
      sync.failed()
      throw error
    }
  }

  async #fetch(metrics: SyncMetrics, signal: AbortSignal | undefined): Promise<FetchedBlocks> {
    const { bucket, logger, filters = [], concurrency = defaultConcurrency, now = Date.now } = this.#options
    this.#news.begin()
    const listing = await listBlocks(bucket, signal)
    const fetched: FetchedBlocks = { metas: new Map(), partial: new Map(), unsupported: new Map() }
    const loaded = new Map<string, CachedMeta>()
    await forEachBounded(listing.values(), concurrency, async (block) => {
      try {
        const entry = await this.#load(block, signal)
        loaded.set(block.ulid, entry)
        // Kept at once: after a sync that failed the next one need not read it again.
        this.#cached.set(block.ulid, entry)
      } catch (error) {
        this.#setAside(block, asMnemoError(error), { fetched, loaded, metrics })
      }
    })
    // In the listing's order, whatever the order of reading was.
    for (const ulid of listing.keys()) {
      const entry = loaded.get(ulid)
      if (entry) fetched.metas.set(ulid, entry.meta)
    }
    this.#cached = loaded
    await this.#disk?.keepOnly(loaded)
    const { metas } = fetched
    const context = filterContext({ metas, listing, nowMs: now(), signal, sync: metrics })
    for (const filter of filters) await filter.apply(context)
    metrics.count('loaded', metas.size)
    logger?.debug({ blocks: metas.size, listed: listing.size, partial: fetched.partial.size }, 'read the block metas')
    return fetched
  }

  /** Throws `not_found`, `corrupt` or `unsupported` for what is wrong with the block, else the bucket's error. */
  async #load(block: ListedBlock, signal: AbortSignal | undefined): Promise<CachedMeta> {
    const { ulid, meta: listed } = block
    const name = `${ulid}/${metaFileName}`
    if (!listed) throw new MnemoError('not_found', `cannot use block ${ulid}: it has no ${metaFileName}`)
    const { lastModifiedMs } = listed
    const known = this.#cached.get(ulid)
    if (known?.lastModifiedMs === lastModifiedMs) return known
    if (known) this.#metrics.cacheBusted()
    const onDisk = await this.#disk?.read(ulid, lastModifiedMs)
    if (onDisk) return { meta: onDisk, lastModifiedMs }
    const bytes = await this.#options.bucket.getRange(name, 0, maxMetaBytes + 1, signal)
    const meta = parseMeta(bytes, name)
    if (meta.ulid !== ulid)
      throw new MnemoError('corrupt', `cannot read ${name}: got the meta of ${meta.ulid}, want that of ${ulid}`)
    await this.#disk?.write(ulid, bytes, lastModifiedMs)
    return { meta, lastModifiedMs }
  }

  #setAside({ ulid, newestObjectMs }: ListedBlock, reason: MnemoError, sync: Sync): void {
    const { fetched, metrics } = sync
    switch (reason.code) {
      case 'not_found':
        metrics.count('no-meta-json')
        fetched.partial.set(ulid, { ulid, reason, newestObjectMs, isUnfinished: true })
        return
      case 'corrupt':
        metrics.count('corrupted-meta-json')
        if (this.#keepKnown(ulid, reason, sync)) return
        fetched.partial.set(ulid, { ulid, reason, newestObjectMs, isUnfinished: isTorn(reason) })
        return
      case 'unsupported':
        metrics.count('failed')
        if (!this.#keepKnown(ulid, reason, sync)) fetched.unsupported.set(ulid, reason)
        return
      default:
        metrics.count('failed')
        throw reason
    }
  }

  /** Whether a block whose meta.json cannot be read stays in view. It is tried again at each sync, since its time is not the one that is kept. */
  #keepKnown(ulid: string, reason: MnemoError, { loaded }: Sync): boolean {
    const { keepsKnown, logger } = this.#options
    const known = keepsKnown ? this.#cached.get(ulid) : undefined
    if (known) loaded.set(ulid, known)
    if (this.#news.isNew(`${ulid} ${reason.message}`))
      logger?.warn({ block: ulid, err: reason }, known ? 'block stays as it was read before' : 'block set aside')
    return known !== undefined
  }
}

function filterContext(
  view: Pick<FilterContext, 'metas' | 'listing' | 'nowMs' | 'signal'> & { readonly sync: SyncMetrics },
): FilterContext {
  const { metas, listing, nowMs, signal, sync } = view
  return {
    metas,
    listing,
    nowMs,
    signal,
    exclude(ulid, state) {
      if (metas.delete(ulid)) sync.count(state)
    },
    count: (state) => sync.count(state),
    countReplicaLabelRemoved: () => sync.countReplicaLabelRemoved(),
  }
}
