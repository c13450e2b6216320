// Reads a block of the bucket to find all that is wrong with it; nothing that is found ends the search before its time.
// What is looked for: Thanos pkg/block/index.go (GatherIndexHealthStats), and besides postings, references and samples.
// Owns the tally. checkBlock (check-block.ts) is for new blocks, where the first thing that is wrong is enough.
import { type BucketBlock, openBucketBlock } from '../blocks/bucket-block.ts'
import { readBucketTombstones } from '../blocks/bucket-tombstones.ts'
import type { BlockMeta } from '../blocks/meta.ts'
import { ForwardWindow } from '../bytes/forward-window.ts'
import { describeError } from '../kit/errors.ts'
import type { Bucket } from '../objstore/bucket.ts'
import { isOfBlock } from '../tsdb/block-error.ts'
import { chunkPosition } from '../tsdb/chunk-format.ts'
import { type IndexedSeries, IndexReader } from '../tsdb/index-reader.ts'
import { ChunkHealth } from './chunk-health.ts'
import { PostingsTally } from './postings-tally.ts'
import { SeriesTally } from './series-tally.ts'

export interface BlockHealth {
  /** Each a line; none: the index is as it should be, and so are its references into the chunks. */
  readonly index: readonly string[]
  /** Each a line; none: every chunk can be read, or was not asked for. */
  readonly chunks: readonly string[]
}

export interface HealthOptions {
  /** Every chunk is read: its checksum, its samples and their times. */
  readonly chunks: boolean
  readonly signal: AbortSignal
  /** Called for each series that was looked at. */
  readonly onSeries?: () => void
}

/** What is wrong with a block's index, tombstones and (asked for) chunks. Throws what has nothing to do with the block. */
export async function examineBlock(bucket: Bucket, meta: BlockMeta, options: HealthOptions): Promise<BlockHealth> {
  const { signal } = options
  const index: string[] = []
  await noting(index, () => readBucketTombstones(bucket, meta, signal))
  const block = await noting(index, () => openBucketBlock(bucket, meta, signal))
  const reader = block && (await noting(index, () => IndexReader.open(new ForwardWindow(block.index), signal)))
  if (!block || !reader) return { index, chunks: [] }
  const chunks = options.chunks ? await ChunkHealth.open(block, signal) : undefined
  const series = new SeriesTally(meta)
  const postings = new PostingsTally()
  const whole = await noting(index, async () => {
    for await (const one of reader.allSeries(signal)) {
      signal.throwIfAborted()
      series.add(one)
      postings.add(one)
      series.addDangling(danglingChunks(one, block))
      await chunks?.read(one)
      options.onSeries?.()
    }
    return true
  })
  index.push(...series.problems(whole === true))
  if (whole) await noting(index, async () => index.push(...(await postings.problems(reader, signal))))
  return { index, chunks: chunks?.problems(whole ? meta.stats.numSamples : undefined) ?? [] }
}

/** What the work yields; undefined, and a line, where the block is why it failed. */
async function noting<T>(problems: string[], work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (!isOfBlock(error)) throw error
    problems.push(describeError(error))
    return undefined
  }
}

/** How many of the series' chunks would stand outside of the segments. */
function danglingChunks({ chunks }: IndexedSeries, { segments }: BucketBlock): number {
  return chunks.filter(({ ref }) => {
    const { segment, offset } = chunkPosition(ref)
    return offset >= (segments[segment]?.sizeBytes ?? 0)
  }).length
}
