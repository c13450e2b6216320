// Fills the bucket with the made-up series of two replicas: blocks of at most two hours, up to the present.
// Goes on where the bucket's newest block ends, so that a later start adds what has passed since.
// Owns the staging folder; blocks are written by the block writer and uploaded as a sidecar uploads them.
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { MetaFetcher } from '../../lib/blocks/fetcher.ts'
import type { BlockMeta } from '../../lib/blocks/meta.ts'
import { formatMeta } from '../../lib/blocks/meta-format.ts'
import { newUlid } from '../../lib/blocks/ulid.ts'
import { uploadBlock } from '../../lib/blocks/upload.ts'
import { chunkEncoding } from '../../lib/chunkenc/encoding.ts'
import { createKernels } from '../../lib/kernels/instance.ts'
import { makeFolder } from '../../lib/kit/make-folder.ts'
import { labelsOf, labelValue } from '../../lib/labels/labels.ts'
import type { Bucket } from '../../lib/objstore/bucket.ts'
import { FilesystemBucket } from '../../lib/objstore/filesystem.ts'
import { type BlockChunk, type BlockContents, BlockWriter } from '../../lib/tsdb/block-writer.ts'
import { type DemoSeries, demoSeries, type Replica, replicas, scrapeTimes } from './demo-series.ts'

const hourMs = 3_600_000
const historyMs = 48 * hourMs
const longestBlockMs = 2 * hourMs
/** The newest blocks end at whole multiples of it, so that the compactor's ranges hold them whole. */
export const freshBlockMs = 120_000
const samplesPerChunk = 120

export class DemoBucket {
  readonly #bucket: Bucket
  readonly #fetcher: MetaFetcher
  readonly #staging: string
  readonly #series: readonly DemoSeries[] = demoSeries()
  readonly #kernels = createKernels()
  #filling: Promise<string> | undefined

  constructor(folder: string, staging: string) {
    this.#bucket = new FilesystemBucket(folder)
    this.#fetcher = new MetaFetcher({ bucket: this.#bucket })
    this.#staging = staging
  }

  /** Adds what has passed since the bucket's newest block, 48 hours at the most; says what it added. One call at a time. */
  fill(signal: AbortSignal): Promise<string> {
    this.#filling ??= this.#fill(signal).finally(() => {
      this.#filling = undefined
    })
    return this.#filling
  }

  async #fill(signal: AbortSignal): Promise<string> {
    await rm(this.#staging, { recursive: true, force: true })
    await makeFolder(this.#staging)
    const nowMs = Math.floor(Date.now() / freshBlockMs) * freshBlockMs
    let blocks = 0
    let samples = 0
    for (const replica of replicas) {
      let fromMs = Math.max(await this.#newestTime(replica, signal), nowMs - historyMs)
      while (fromMs < nowMs) {
        signal.throwIfAborted()
        const toMs = Math.min(nowMs, (Math.floor(fromMs / longestBlockMs) + 1) * longestBlockMs)
        const contents = await this.#addBlock(replica, fromMs, toMs, signal)
        if (contents) blocks++
        samples += contents?.stats.numSamples ?? 0
        fromMs = toMs
      }
    }
    return `demo data: ${this.#series.length} series of ${replicas.length} replicas, ${samples} new samples in ${blocks} new blocks`
  }

  /** End of the replica's newest block, 0 where it has none. */
  async #newestTime(replica: Replica, signal: AbortSignal): Promise<number> {
    const { metas } = await this.#fetcher.fetch(signal)
    const mine = [...metas.values()].filter(({ thanos }) => labelValue(thanos.labels, 'replica') === replica)
    return Math.max(0, ...mine.map(({ maxTime }) => maxTime))
  }

  async #addBlock(
    replica: Replica,
    fromMs: number,
    toMs: number,
    signal: AbortSignal,
  ): Promise<BlockContents | undefined> {
    const times = scrapeTimes(replica, fromMs, toMs)
    if (times.length === 0) return undefined
    const ulid = newUlid()
    const folder = path.join(this.#staging, ulid)
    const symbols = new Set(this.#series.flatMap(({ labels }) => labels))
    const writer = await BlockWriter.create({ folder, symbols: [...symbols].sort() })
    for (const { labels, valueAt } of this.#series) await writer.addSeries(labels, this.#chunks(times, valueAt))
    let meta: BlockMeta | undefined
    const contents = await writer.finish((contents) => {
      meta = metaOf(ulid, replica, { ...contents, minTime: fromMs, maxTime: toMs })
      return formatMeta(meta)
    })
    await uploadBlock(this.#bucket, folder, meta!, { signal })
    await rm(folder, { recursive: true })
    return contents
  }

  #chunks(times: readonly number[], valueAt: DemoSeries['valueAt']): BlockChunk[] {
    const columns = this.#kernels.columns()
    try {
      for (const time of times) columns.push(time, valueAt(time))
      const chunks: BlockChunk[] = []
      for (let from = 0; from < times.length; from += samplesPerChunk) {
        const to = Math.min(from + samplesPerChunk, times.length)
        const data = this.#kernels.encodeXor(columns, from, to)
        chunks.push({
          minTime: times[from]!,
          maxTime: times[to - 1]!,
          encoding: chunkEncoding.xor,
          data,
          numSamples: to - from,
        })
      }
      return chunks
    } finally {
      columns.free()
    }
  }
}

function metaOf(ulid: string, replica: Replica, { minTime, maxTime, stats, indexStats }: BlockContents): BlockMeta {
  return {
    ulid,
    minTime,
    maxTime,
    stats,
    compaction: { level: 1, sources: [ulid] },
    thanos: {
      labels: labelsOf({ cluster: 'demo', replica }),
      resolutionMs: 0,
      source: 'sidecar',
      segmentFiles: [],
      files: [],
      indexStats,
      uploadTimeMs: 0,
    },
  }
}
