// A block's index-header on local disk, ready to be asked: opened, or built from the bucket's index where it is missing or damaged.
// Layout: <dataDir>/<ulid>/index-header, as Thanos has it, so that either store starts from the other's folder.
// Owns that decision; the file's format is lib/blocks/index-header.ts.
import path from 'node:path'
import { IndexHeader } from '../blocks/index-header.ts'
import { buildIndexHeader } from '../blocks/index-header-build.ts'
import { indexFileName } from '../blocks/meta.ts'
import type { PageCache } from '../bytes/sync-bytes.ts'
import { asMnemoError } from '../kit/errors.ts'
import type { Logger } from '../kit/log.ts'
import type { Bucket } from '../objstore/bucket.ts'
import { bucketRandomAccess } from '../objstore/random-access.ts'

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
  const file = path.join(block.folder, 'index-header')
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
