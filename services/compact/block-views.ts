// What the blocks' page and API show: the compactor's own view of the bucket (loaded), and the whole bucket (global).
// Specification: Thanos pkg/api/blocks/v1.go (BlocksInfo).
// Owns the last view of each, and the timer of the global one.
import { MetaFetcher } from '../../lib/blocks/fetcher.ts'
import { gatherMarksFilter, ignoreDeletionMarkFilter } from '../../lib/blocks/mark-filters.ts'
import { type BucketView, readView, type ViewSources } from '../../lib/compact/block-sync.ts'
import { describeError } from '../../lib/kit/errors.ts'
import type { ServiceContext } from '../../lib/kit/lifecycle.ts'
import type { Logger } from '../../lib/kit/log.ts'
import type { Bucket } from '../../lib/objstore/bucket.ts'
import type { CompactConfig } from './config.ts'

export type ViewName = 'loaded' | 'global'

export interface ShownView {
  readonly view: BucketView | undefined
  /** Unix ms; 0: never yet. */
  readonly refreshedMs: number
  /** Why the last refresh failed; the view is then the one before. */
  readonly error: string | undefined
}

export class BlockViews {
  readonly #config: CompactConfig
  readonly #signal: AbortSignal
  readonly #logger: Logger
  readonly #sources: ViewSources
  readonly #shown: Record<ViewName, ShownView> = { loaded: notYet, global: notYet }
  #onFirst: (() => void) | undefined

  constructor(config: CompactConfig, { logger, signal }: ServiceContext, bucket: Bucket) {
    this.#config = config
    this.#logger = logger
    this.#signal = signal
    const deletionMarks = ignoreDeletionMarkFilter(Number.POSITIVE_INFINITY, { bucket })
    const noCompactMarks = gatherMarksFilter('no-compact', { bucket })
    const noDownsampleMarks = gatherMarksFilter('no-downsample', { bucket })
    const filters = [deletionMarks, noCompactMarks, noDownsampleMarks]
    const fetcher = new MetaFetcher({ bucket, filters, concurrency: config.metaFetchConcurrency })
    this.#sources = {
      fetcher,
      deletionMarks,
      noCompactMarks,
      noDownsampleMarks,
      duplicates: { duplicates: [], apply() {} },
    }
  }

  show(name: ViewName): ShownView {
    return this.#shown[name]
  }

  /** The compactor's view; undefined before its first sync. */
  get loaded(): BucketView | undefined {
    return this.#shown.loaded.view
  }

  setLoaded(view: BucketView): void {
    const isFirst = this.#shown.loaded.view === undefined
    this.#shown.loaded = { view, refreshedMs: Date.now(), error: undefined }
    if (isFirst) this.#onFirst?.()
  }

  /** Calls once, when there is a first view. Returns how to take that back. */
  onFirstLoaded(listener: () => void): () => void {
    this.#onFirst = listener
    if (this.loaded) listener()
    return () => {
      this.#onFirst = undefined
    }
  }

  /** Reads the whole bucket now and at each interval; returns how to stop that. */
  refreshGlobal(): () => void {
    let isRunning = false
    const refresh = async () => {
      if (isRunning) return
      isRunning = true
      await this.#refresh()
      isRunning = false
    }
    void refresh()
    const timer = setInterval(refresh, this.#config.globalSyncIntervalMs)
    return () => clearInterval(timer)
  }

  async #refresh(): Promise<void> {
    const refreshedMs = Date.now()
    try {
      const timeout = AbortSignal.timeout(this.#config.globalSyncTimeoutMs)
      const view = await readView(this.#sources, AbortSignal.any([this.#signal, timeout]))
      this.#shown.global = { view, refreshedMs, error: undefined }
    } catch (error) {
      if (this.#signal.aborted) return
      this.#logger.warn({ err: error }, "could not read the whole bucket's blocks: it is tried again")
      this.#shown.global = { ...this.#shown.global, refreshedMs, error: describeError(error) }
    }
  }
}

const notYet: ShownView = { view: undefined, refreshedMs: 0, error: undefined }
