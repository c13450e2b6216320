// Where an index's checksums are: damage that they cover can be made to look right.
// Owns nothing.
import { bufferRandomAccess } from '../../lib/bytes/random-access.ts'
import { IndexReader } from '../../lib/tsdb/index-reader.ts'
import type { Frame } from './fuzz.ts'

/** What the checksums of the index cover: its table of contents, symbols, postings table, first postings, and each series. */
export async function indexFrames(bytes: Uint8Array): Promise<Frame[]> {
  const view = Buffer.from(bytes)
  const reader = await IndexReader.open(bufferRandomAccess('index', bytes))
  const { toc } = reader
  const frames: Frame[] = [[view.length - 52, view.length - 4]]
  for (const at of [toc.symbols, toc.postingsTable, Math.ceil(toc.postings / 4) * 4])
    frames.push([at + 4, at + 4 + view.readUInt32BE(at)])
  for (const ref of await reader.allPostings()) {
    const at = ref * 16
    const [low, high] = [view[at]!, view[at + 1]!]
    const start = at + (low < 128 ? 1 : 2)
    frames.push([start, start + (low < 128 ? low : (low & 0x7f) | (high << 7))])
  }
  return frames
}
