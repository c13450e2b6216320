// One loaded block: its meta, its index-header, and how many requests read it.
// Owns the end of the index-header: closed when the block has been let go and the last request has released it.
import type { SharedIndexHeader } from '../blocks/index-header.ts'
import { type BlockMeta, chunksFolderName, indexFileName } from '../blocks/meta.ts'
import type { Gate } from '../kit/gate.ts'
import type { Labels } from '../labels/labels.ts'
import type { Bucket } from '../objstore/bucket.ts'
import { segmentName } from '../tsdb/chunk-format.ts'
import type { Tombstones } from '../tsdb/tombstones.ts'
import { BlockIndex, type IndexLookup } from './block-index.ts'
import type { ReadableBlock } from './block-series.ts'
import type { ChunkFiles } from './chunks.ts'
import { Deleted } from './deleted.ts'
import type { IndexCache } from './index-cache.ts'
import type { SeriesCache } from './series-cache.ts'

/** An open index-header. */
export interface OpenIndexHeader extends IndexLookup {
  /** Of the index object in the bucket. */
  readonly indexBytes: number
  /** What another thread needs to look up, too. */
  share(): SharedIndexHeader
  close(): void | Promise<void>
}

/** What is read of a block before it serves. */
export interface LoadedBlock {
  readonly meta: BlockMeta
  readonly header: OpenIndexHeader
  readonly tombstones: Tombstones
}

export interface BlockReading {
  readonly bucket: Bucket
  readonly cache: IndexCache
  readonly seriesCache: SeriesCache
  readonly gate: Gate
}

export class StoreBlock implements ReadableBlock {
  readonly meta: BlockMeta
  readonly index: BlockIndex
  readonly chunkFiles: ChunkFiles
  readonly deleted: Deleted | undefined
  readonly #header: OpenIndexHeader
  #requests = 0
  #onFree: (() => void) | undefined

  constructor({ meta, header, tombstones }: LoadedBlock, { bucket, cache, seriesCache, gate }: BlockReading) {
    const { seriesMaxSize, chunkMaxSize } = meta.thanos.indexStats
    this.meta = meta
    this.#header = header
    this.deleted = tombstones.size > 0 ? new Deleted(tombstones) : undefined
    this.index = new BlockIndex({
      lookup: header,
      object: { bucket, cache, gate, name: `${meta.ulid}/${indexFileName}`, sizeBytes: header.indexBytes },
      known: seriesCache.ofBlock(),
      seriesMaxBytes: seriesMaxSize,
    })
    this.chunkFiles = { bucket, gate, nameOf: (segment) => segmentObject(meta, segment), chunkMaxBytes: chunkMaxSize }
  }

  get sources(): readonly string[] {
    return this.meta.compaction.sources
  }

  get ulid(): string {
    return this.meta.ulid
  }

  get externalLabels(): Labels {
    return this.meta.thanos.labels
  }

  get minTime(): number {
    return this.meta.minTime
  }

  get maxTime(): number {
    return this.meta.maxTime
  }

  get resolutionMs(): number {
    return this.meta.thanos.resolutionMs
  }

  acquire(): void {
    this.#requests++
  }

  release(): void {
    this.#requests--
    if (this.#requests === 0) this.#onFree?.()
  }

  /** Closes the index-header once no request reads the block. */
  async close(): Promise<void> {
    if (this.#requests > 0) await new Promise<void>((resolve) => (this.#onFree = resolve))
    this.index.close()
    await this.#header.close()
  }
}

function segmentObject({ ulid, thanos }: BlockMeta, segment: number): string {
  return `${ulid}/${chunksFolderName}/${thanos.segmentFiles[segment] ?? segmentName(segment)}`
}
