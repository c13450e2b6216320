// A block's index-header on local disk, ready to be asked: opened, or built from the bucket's index where it is missing or damaged.
// Layout: <dataDir>/<ulid>/index-header, as Thanos has it, so that either store starts from the other's folder.
// Owns that decision; the file's format is lib/blocks/index-header.ts.
import { readdir, rm, rmdir } from 'node:fs/promises'
import path from 'node:path'
import { IndexHeader } from '../blocks/index-header.ts'
import { buildIndexHeader } from '../blocks/index-header-build.ts'
import { indexFileName } from '../blocks/meta.ts'
import type { PageCache } from '../bytes/sync-bytes.ts'
import { asMnemoError } from '../kit/errors.ts'
import type { Logger } from '../kit/log.ts'
import type { Bucket } from '../objstore/bucket.ts'
import { bucketRandomAccess } from '../objstore/random-access.ts'

const fileName = 'index-header'

export interface OpenIndexHeaderOptions {
  readonly bucket: Bucket
  /** Pages of all open index-headers. */
  readonly pages: PageCache
  readonly logger: Logger
}

/** Opens the index-header of the block in `folder`. Throws `corrupt` or `unsupported` where the block's index is so itself. */
export async function openIndexHeader(
  block: { readonly ulid: string; readonly folder: string },
  { bucket, pages, logger }: OpenIndexHeaderOptions,
  signal: AbortSignal,
): Promise<IndexHeader> {
  const file = path.join(block.folder, fileName)
  try {
    return await IndexHeader.open(file, { pages, signal })
  } catch (error) {
    const { code } = asMnemoError(error)
    if (code !== 'not_found' && code !== 'corrupt') throw error
    if (code === 'corrupt') logger.warn({ block: block.ulid, err: error }, 'index-header is damaged: building it anew')
  }
  const index = await bucketRandomAccess(bucket, `${block.ulid}/${indexFileName}`, { signal })
  await buildIndexHeader(index, file, signal)
  return IndexHeader.open(file, { pages, signal })
}

/**
 * Removes a block's index-header and its folder. A folder with anything else in it is left: it may be a block itself,
 * where someone has taken a Prometheus's data folder for this one.
 */
export async function removeIndexHeader(folder: string): Promise<void> {
  const names = await readdir(folder)
  if (!names.every((name) => name === fileName || name === `${fileName}.tmp`)) return
  for (const name of names) await rm(path.join(folder, name), { force: true })
  await rmdir(folder)
}
