// A whole block on disk in memory: every series with its chunks, for tests that compare blocks.
// Owns nothing: the files are closed when it returns.
import { sampleCount } from '../../lib/chunkenc/encoding.ts'
import type { Labels } from '../../lib/labels/labels.ts'
import { BlockReader } from '../../lib/tsdb/block-reader.ts'
import type { BlockChunk } from '../../lib/tsdb/block-writer.ts'

export interface LoadedSeries {
  readonly labels: Labels
  readonly chunks: readonly BlockChunk[]
}

/** The series of the block in `folder`, in order. */
export async function loadBlock(folder: string): Promise<LoadedSeries[]> {
  const block = await BlockReader.open(folder)
  try {
    const out: LoadedSeries[] = []
    for await (const { labels, chunks: metas } of block.index.allSeries()) {
      const encoded = await block.chunks.read(metas.map(({ ref }) => ref))
      const chunks = metas.map(({ minTime, maxTime }, i) => {
        const { encoding, data } = encoded[i]!
        return { minTime, maxTime, encoding, data, numSamples: sampleCount(encoding, data) }
      })
      out.push({ labels, chunks })
    }
    return out
  } finally {
    await block.close()
  }
}
