// Puts a block into a bucket: chunks, index, tombstones where there are any, and meta.json last, which makes it a block.
// Specification: Thanos pkg/block/block.go (Upload); the files' sizes and the upload time go into meta.json.
// Owns the order, and that a block which is whole in the bucket is never written again.

import { createReadStream } from 'node:fs'
import * as fs from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { forEachBounded } from '../kit/bounded.ts'
import { describeError, MnemoError } from '../kit/errors.ts'
import type { Logger } from '../kit/log.ts'
import { compareStrings, formatLabels, labelsKey } from '../labels/labels.ts'
import type { Bucket } from '../objstore/bucket.ts'
import { fileError } from '../objstore/failures.ts'
import { LocalFile } from '../objstore/local-file.ts'
import { emptyTombstonesBytes, tombstonesFile } from '../tsdb/tombstones.ts'
import { type BlockFile, type BlockMeta, chunksFolderName, indexFileName, metaFileName } from './meta.ts'
import { formatMeta } from './meta-format.ts'
import { maxMetaBytes, parseMeta } from './meta-parse.ts'

export interface UploadOptions {
  readonly signal?: AbortSignal | undefined
  readonly logger?: Logger | undefined
  /** Unix ms that goes into meta.json as upload time. */
  readonly now?: () => number
  /** How many files are uploaded side by side; 1 unless told. */
  readonly concurrency?: number
  /** The hash of each file that goes into meta.json; none unless told. */
  readonly hashFunc?: HashFunc
  /** For buckets of blocks that a Prometheus alone reads: they need no external labels. */
  readonly withoutLabels?: boolean
  /** Chunk segments that are in the bucket already, in order, whether they are in the folder or not. */
  readonly alreadyThere?: readonly BlockFile[]
  /** Nobody writes to the files any more: see LocalFile. */
  readonly mayLink?: boolean
  /** Called when all but meta.json is in the bucket: what it throws keeps the block from being one. */
  readonly check?: (meta: BlockMeta) => Promise<void>
}

/** `--hash-func`, as meta.json names it. */
export const hashFuncs = ['', 'SHA256'] as const
export type HashFunc = (typeof hashFuncs)[number]

export interface UploadedBlock {
  /** False: the bucket had the block already, whole, and nothing was written. */
  readonly uploaded: boolean
  /** As it is in the bucket now. */
  readonly meta: BlockMeta
}

/** How long taking back what was uploaded may take, after a failure. */
const cleanUpTimeoutMs = 30_000

/**
 * Uploads the block in `folder` under `meta`, which must have external labels: its files, segment files and upload
 * time are filled in here. After a failure what was uploaded is taken back; after an abort it is left, as after a crash:
 * without meta.json it is no block, and the next upload writes over it.
 */
export async function uploadBlock(
  bucket: Bucket,
  folder: string,
  meta: BlockMeta,
  options: UploadOptions = {},
): Promise<UploadedBlock> {
  const { signal, logger, now = Date.now, concurrency = 1, hashFunc = '', alreadyThere = [], mayLink = false } = options
  const { ulid } = meta
  if (meta.thanos.labels.length === 0 && !options.withoutLabels)
    throw new MnemoError('bad_data', `cannot upload block ${ulid}: got no external labels, want at least one`)
  const there = await readBucketMeta(bucket, ulid, signal)
  if (there) {
    if (labelsKey(there.thanos.labels) !== labelsKey(meta.thanos.labels))
      logger?.warn(
        { block: ulid, labels: formatLabels(there.thanos.labels) },
        'the bucket has this block under other labels',
      )
    return { uploaded: false, meta: there }
  }
  const isThere = new Set(alreadyThere.map(({ relPath }) => relPath))
  const listed = (await listBlockFiles(folder)).filter(({ relPath }) => !isThere.has(relPath))
  const local = await Promise.all(listed.map((file) => withHash(folder, file, hashFunc)))
  const files = [...alreadyThere, ...local]
  const written = alreadyThere.map(({ relPath }) => `${ulid}/${relPath}`)
  const uploadFile = async ({ relPath, sizeBytes = 0 }: BlockFile) => {
    const name = `${ulid}/${relPath}`
    written.push(name)
    await bucket.upload(name, new LocalFile(path.join(folder, relPath), { sizeBytes, mayLink }), signal)
  }
  try {
    const parts = local.filter(({ relPath }) => relPath !== metaFileName)
    await forEachBounded(parts, concurrency, uploadFile)
    const complete = completeMeta(meta, files, now())
    await options.check?.(complete)
    written.push(`${ulid}/${metaFileName}`)
    await bucket.upload(`${ulid}/${metaFileName}`, Buffer.from(formatMeta(complete)), signal)
    return { uploaded: true, meta: complete }
  } catch (error) {
    if (!signal?.aborted) await takeBack(bucket, ulid, written, logger)
    throw error
  }
}

/** The file of the block in `folder`, with its hash where one is wanted; meta.json has none. */
export async function withHash(folder: string, file: BlockFile, func: HashFunc): Promise<BlockFile> {
  if (func === '' || file.relPath === metaFileName) return file
  const name = path.join(folder, file.relPath)
  // Loaded for who asks for it alone: it is much, and each thread would have it.
  const { createHash } = await import('node:crypto')
  const hash = createHash('sha256')
  try {
    await pipeline(createReadStream(name), hash)
  } catch (error) {
    throw fileError(error, `read ${name}`)
  }
  return { ...file, hash: { func, value: hash.digest('hex') } }
}

/** The meta that the bucket has; undefined where the block is not there, or its meta.json is torn. */
async function readBucketMeta(
  bucket: Bucket,
  ulid: string,
  signal: AbortSignal | undefined,
): Promise<BlockMeta | undefined> {
  const name = `${ulid}/${metaFileName}`
  try {
    return parseMeta(await bucket.getRange(name, 0, maxMetaBytes + 1, signal), name)
  } catch (error) {
    if (error instanceof MnemoError && (error.code === 'not_found' || error.code === 'corrupt')) return undefined
    throw error
  }
}

/** The files of a block that belong into a bucket, with their sizes (meta.json's is left out), in order of upload. */
export async function listBlockFiles(folder: string): Promise<BlockFile[]> {
  try {
    const segments = (await fs.readdir(path.join(folder, chunksFolderName))).sort(compareStrings)
    const names = [...segments.map((segment) => `${chunksFolderName}/${segment}`), indexFileName]
    const files: BlockFile[] = []
    for (const relPath of names) files.push({ relPath, sizeBytes: (await fs.stat(path.join(folder, relPath))).size })
    const deletions = await fs.stat(path.join(folder, tombstonesFile)).catch(ignoreMissing)
    if (deletions && deletions.size > emptyTombstonesBytes)
      files.push({ relPath: tombstonesFile, sizeBytes: deletions.size })
    return [...files, { relPath: metaFileName }]
  } catch (error) {
    throw fileError(error, `list the files of block ${folder}`)
  }
}

function ignoreMissing(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
  throw error
}

function completeMeta(meta: BlockMeta, files: readonly BlockFile[], uploadTimeMs: number): BlockMeta {
  const { uploadTimeText: _, ...thanos } = meta.thanos
  const segmentPrefix = `${chunksFolderName}/`
  const segments = files.filter((file) => file.relPath.startsWith(segmentPrefix))
  return {
    ...meta,
    thanos: {
      ...thanos,
      segmentFiles: segments.map((file) => file.relPath.slice(segmentPrefix.length)),
      files: files.toSorted((a, b) => compareStrings(a.relPath, b.relPath)),
      uploadTimeMs,
    },
  }
}

// Another process may have uploaded the same block meanwhile: once its meta.json is there, nothing is taken back.
async function takeBack(
  bucket: Bucket,
  ulid: string,
  written: readonly string[],
  logger: Logger | undefined,
): Promise<void> {
  const signal = AbortSignal.timeout(cleanUpTimeoutMs)
  try {
    if (await bucket.exists(`${ulid}/${metaFileName}`, signal)) return
    for (const name of written) await bucket.delete(name, signal)
  } catch (error) {
    logger?.warn(
      { block: ulid, err: describeError(error) },
      'a failed upload was not taken back: it stays as a partial block',
    )
  }
}
