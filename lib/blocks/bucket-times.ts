// What a bucket holds of one Prometheus, by time: whether a block that Prometheus has compacted may be shipped beside it.
// Rule: Thanos pkg/shipper (lazyOverlapChecker), about the block in question alone, and knowing what was compacted of what.
// Owns the metas, read when the first such block is met.
import { MnemoError } from '../kit/errors.ts'
import { type Labels, labelsKey } from '../labels/labels.ts'
import type { Bucket } from '../objstore/bucket.ts'
import { MetaFetcher } from './fetcher.ts'
import type { BlockMeta } from './meta.ts'

export class BucketTimes {
  readonly #bucket: Bucket
  readonly #key: string
  #blocks: readonly BlockMeta[] | undefined

  /** `labels`: the external labels of the Prometheus. */
  constructor(bucket: Bucket, labels: Labels) {
    this.#bucket = bucket
    this.#key = labelsKey(labels)
  }

  /**
   * Whether the bucket holds all that the block was compacted of. Throws `bad_data` where it holds a part of its time and not
   * all of it: shipped, the two would overlap.
   */
  async covers({ ulid, minTime, maxTime, compaction }: BlockMeta, signal: AbortSignal): Promise<boolean> {
    this.#blocks ??= await this.#read(signal)
    const sources = new Set(this.#blocks.flatMap((block) => block.compaction.sources))
    if (compaction.sources.every((source) => sources.has(source))) return true
    const other = this.#blocks.find(
      (block) => block.minTime < maxTime && minTime < block.maxTime && block.ulid !== ulid,
    )
    if (other === undefined) return false
    const got = `got times from ${minTime} to ${maxTime}, of which the bucket has a part in block ${other.ulid}`
    throw new MnemoError('bad_data', `cannot ship compacted block ${ulid}: ${got}`)
  }

  async #read(signal: AbortSignal): Promise<BlockMeta[]> {
    const { metas } = await new MetaFetcher({ bucket: this.#bucket }).fetch(signal)
    return [...metas.values()].filter(({ thanos }) => labelsKey(thanos.labels) === this.#key)
  }
}
