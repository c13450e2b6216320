// Replaces a damaged block of a bucket by what can be read of it, and takes a block away that is there twice.
// Order: the backup is complete and read back, then the new block is whole in the bucket, then the old one goes.
// Owns that order. Killed anywhere, one of the two is in view and never both: they have the same sources, and the new one's
// ULID is the lower, which is the one that every reader keeps.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { copyBlock } from '../blocks/copy.ts'
import { deleteBlock } from '../blocks/delete.ts'
import { putMark } from '../blocks/markers.ts'
import type { BlockMeta } from '../blocks/meta.ts'
import { formatMeta } from '../blocks/meta-format.ts'
import { ulidBelow } from '../blocks/ulid.ts'
import { uploadBlock } from '../blocks/upload.ts'
import { MnemoError } from '../kit/errors.ts'
import type { Logger } from '../kit/log.ts'
import type { Bucket } from '../objstore/bucket.ts'
import type { BlockContents } from '../tsdb/block-writer.ts'
import { checkBlock } from './check-block.ts'
import { refuseEmpty, type Salvaged, salvageBlock } from './salvage.ts'

export interface RepairOptions {
  /** Gets a copy of each block before it goes. */
  readonly backup: Bucket
  /** 0: the old block is deleted at once, else it is marked for deletion. */
  readonly deleteDelayMs: number
  readonly logger: Logger
  readonly signal: AbortSignal
}

/**
 * Repairs the block; the ULID of the one that stands for it now. Throws where nothing of it can be read, `unavailable` where it reads
 * otherwise a second time: it stays then.
 */
export async function repairBlock(bucket: Bucket, old: BlockMeta, options: RepairOptions): Promise<string> {
  const { logger, signal } = options
  const ulid = ulidBelow(old.ulid)
  const work = await mkdtemp(path.join(tmpdir(), 'mnemo-repair-'))
  const folder = path.join(work, ulid)
  try {
    const metaOf = (contents: BlockContents) => repairedMeta(old, ulid, contents)
    const meta = (contents: BlockContents) => formatMeta(metaOf(contents))
    const salvaged = await salvageBlock(bucket, old, { folder, meta, signal })
    refuseEmpty(old, salvaged)
    await confirm(old, salvaged, () =>
      salvageBlock(bucket, old, { folder: path.join(work, 'again', ulid), meta, signal }),
    )
    for (const left of salvaged.left) logger.warn({ block: old.ulid, left }, 'left out of the repaired block')
    await backUp(bucket, old, options)
    const check = (complete: BlockMeta) => checkBlock(bucket, complete, signal)
    await uploadBlock(bucket, folder, metaOf(salvaged.contents), { signal, logger, check })
    const { numSeries, numChunks, numSamples } = salvaged.contents.stats
    logger.info({ block: old.ulid, repaired: ulid, numSeries, numChunks, numSamples }, 'uploaded the repaired block')
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  await takeAway(bucket, old, { ...options, details: `repaired as ${ulid}` })
  return ulid
}

/** What cannot be read may be so on its way from the bucket: nothing is given up that is there the second time. */
async function confirm({ ulid }: BlockMeta, first: Salvaged, readAgain: () => Promise<Salvaged>): Promise<void> {
  const second = await readAgain()
  const [one, other] = [first, second].map(({ contents, left }) => JSON.stringify([left, contents.stats]))
  if (one === other) return
  const got = `got ${one} at first and ${other} then, want the same twice`
  throw new MnemoError('unavailable', `cannot repair block ${ulid}: ${got}: try again`)
}

/** Backs the block up and takes it away: another one has all that it has. */
export async function removeBlock(
  bucket: Bucket,
  old: BlockMeta,
  options: RepairOptions & { readonly details: string },
): Promise<void> {
  await backUp(bucket, old, options)
  await takeAway(bucket, old, options)
}

async function backUp(bucket: Bucket, { ulid }: BlockMeta, { backup, logger, signal }: RepairOptions): Promise<void> {
  const onObject = (object: string, bytes: number) => logger.info({ object, bytes }, 'object backed up')
  await copyBlock(bucket, backup, ulid, { readBack: true, signal, onObject })
  logger.info({ block: ulid, backup: backup.description }, 'block backed up and read back')
}

async function takeAway(
  bucket: Bucket,
  { ulid }: BlockMeta,
  { deleteDelayMs, details, logger, signal }: RepairOptions & { readonly details: string },
): Promise<void> {
  if (deleteDelayMs === 0) {
    await deleteBlock(bucket, ulid, signal)
    logger.info({ block: ulid, details }, 'deleted block')
  } else if (await putMark(bucket, ulid, 'deletion', { details, signal }))
    logger.info({ block: ulid, details }, 'marked block for deletion')
}

/** The old meta under the new name. Times grow where a chunk reaches beyond them: no sample is cut. */
function repairedMeta(old: BlockMeta, ulid: string, { stats, indexStats, minTime, maxTime }: BlockContents): BlockMeta {
  const { uploadTimeText: _, ...thanos } = old.thanos
  const isRaw = thanos.resolutionMs === 0
  const { numSamples, numSeries, numChunks } = stats
  return {
    ...old,
    ulid,
    minTime: Math.min(old.minTime, minTime),
    maxTime: Math.max(old.maxTime, maxTime),
    stats: isRaw ? stats : { ...old.stats, numSamples, numSeries, numChunks },
    thanos: { ...thanos, source: 'bucket.repair', segmentFiles: [], files: [], indexStats, uploadTimeMs: 0 },
  }
}
