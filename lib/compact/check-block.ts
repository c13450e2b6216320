// Reads a block of the bucket from end to end and compares it with its meta: nothing is given up for a block that is not whole.
// Checked: object sizes, the order of series, each chunk's checksum, time and place, each postings list, and how much there is.
// Owns nothing; the block is read as a stream, like a compaction's input.
import type { BlockMeta } from '../blocks/meta.ts'
import { createKernels } from '../kernels/instance.ts'
import type { Kernels } from '../kernels/kernels.ts'
import type { SeriesCounts } from '../kernels/series-input.ts'
import { MnemoError } from '../kit/errors.ts'
import { compareStrings } from '../labels/labels.ts'
import type { ReadableBucket } from '../objstore/bucket.ts'
import { type InputBlock, type InputBlockOptions, openInputBlock } from './input-block.ts'
import { SeriesInput } from './series-input.ts'

/**
 * Throws `corrupt` where the block is not as its meta says, by what and where. Its meta.json need not be there.
 * Large tables of its index are copied to `spoolPath`, where it is given.
 */
export async function checkBlock(
  bucket: ReadableBucket,
  meta: BlockMeta,
  signal: AbortSignal,
  { kernels = createKernels(), ...options }: InputBlockOptions & { readonly kernels?: Kernels } = {},
): Promise<void> {
  for (const { relPath, sizeBytes } of meta.thanos.files) {
    if (sizeBytes === undefined) continue
    const name = `${meta.ulid}/${relPath}`
    const got = (await bucket.attributes(name, signal)).sizeBytes
    if (got !== sizeBytes) throw notWhole(meta, `${name} of ${got} bytes`, `${sizeBytes}`)
  }
  // The meta counts what is stored, deleted or not.
  const stored = { ...(await openInputBlock(bucket, meta, signal, options)), tombstones: new Map() }
  try {
    await checkPostings(stored, signal)
    const got = await countAll(stored, signal, kernels)
    for (const what of ['numSeries', 'numChunks', 'numSamples'] as const)
      if (got[what] !== meta.stats[what]) throw notWhole(meta, `${what} ${got[what]}`, `${meta.stats[what]}`)
  } finally {
    stored.close()
  }
}

async function countAll(stored: InputBlock, signal: AbortSignal, kernels: Kernels): Promise<SeriesCounts> {
  const input = new SeriesInput(kernels, stored, signal, { ascendingSymbols: symbolsAscend(stored) })
  try {
    return await input.countAll()
  } finally {
    input.close()
  }
}

/** Once for all series; where they do not, series are compared by their texts. */
function symbolsAscend({ index }: InputBlock): boolean {
  let last: string | undefined
  for (const text of index.symbols) {
    if (last !== undefined && compareStrings(last, text) >= 0) return false
    last = text
  }
  return true
}

/** Lists stand in the index in the order of their labels: this is one pass, through a window. */
async function checkPostings({ meta, index }: InputBlock, signal: AbortSignal): Promise<void> {
  for await (const { name, value, refs } of index.postingsLists(signal)) {
    if (name === '' && value === '' && refs.length !== meta.stats.numSeries)
      throw notWhole(meta, `postings of ${refs.length} series`, `${meta.stats.numSeries}`)
  }
}

function notWhole({ ulid }: BlockMeta, got: string, want: string): MnemoError {
  return new MnemoError('corrupt', `cannot use block ${ulid} as it is in the bucket: got ${got}, want ${want}`)
}
