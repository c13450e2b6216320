// Ships a Prometheus's new blocks to a bucket, each once: hard links first, so that Prometheus may delete what it likes.
// Algorithm and state file: Thanos pkg/shipper (thanos.shipper.json version 1, thanos/upload/<ulid>).
// Owns the state file and the upload folder. Killed at any point it goes on at the next sync: a block is whole in the bucket or is no block.
import { link, readdir, readFile, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { writeFileAtomically } from '../bytes/file-writer.ts'
import { asMnemoError, MnemoError } from '../kit/errors.ts'
import type { Logger } from '../kit/log.ts'
import { makeFolder } from '../kit/make-folder.ts'
import { counter, gauge, type Registry } from '../kit/metrics.ts'
import { systemCode } from '../kit/system-errors.ts'
import type { Labels } from '../labels/labels.ts'
import type { Bucket } from '../objstore/bucket.ts'
import { fileError } from '../objstore/failures.ts'
import { tombstonesFile } from '../tsdb/tombstones.ts'
import { isUlid } from './block-name.ts'
import { BucketTimes } from './bucket-times.ts'
import { type BlockMeta, chunksFolderName, indexFileName, metaFileName, withExternalLabels } from './meta.ts'
import { parseMeta } from './meta-parse.ts'
import { type UploadOptions, uploadBlock } from './upload.ts'

export interface ShipperOptions {
  readonly bucket: Bucket
  /** Prometheus's data folder. */
  readonly tsdbPath: string
  /** Name of the state file in it. */
  readonly stateFile: string
  /** External labels now; with none nothing is shipped. */
  readonly labels: () => Labels
  /** Ship blocks that Prometheus has compacted, too, where the bucket has nothing of their time. */
  readonly uploadCompacted?: boolean
  /** See UploadOptions. */
  readonly upload?: Pick<UploadOptions, 'concurrency' | 'hashFunc'>
  readonly logger: Logger
  readonly registry: Registry
}

/** What Thanos's shipper keeps: the blocks that need no more attention, as long as they are on disk. */
interface ShipperState {
  readonly version: 1
  readonly uploaded: readonly string[]
}

export class Shipper {
  readonly #options: ShipperOptions
  readonly #stateFile: string
  readonly #uploadFolder: string
  readonly #metrics: ReturnType<typeof shipperMetrics>

  constructor(options: ShipperOptions) {
    this.#options = options
    this.#stateFile = path.join(options.tsdbPath, options.stateFile)
    this.#uploadFolder = path.join(options.tsdbPath, 'thanos', 'upload')
    this.#metrics = shipperMetrics(options.registry)
  }

  /**
   * Uploads the blocks that the bucket does not have, oldest first; how many were. A block that fails does not hold up
   * the others: each failure is logged, the first is the cause of what is thrown at the end, and the next sync tries
   * again. One call at a time.
   */
  async sync(signal: AbortSignal): Promise<number> {
    try {
      const uploaded = await this.#sync(signal)
      this.#metrics.syncs.inc()
      return uploaded
    } catch (error) {
      this.#metrics.syncFailures.inc()
      throw error
    }
  }

  async #sync(signal: AbortSignal): Promise<number> {
    const labels = this.#options.labels()
    if (labels.length === 0)
      throw new MnemoError('bad_data', 'cannot ship blocks: got no external labels, want at least one')
    await this.#removeLeftovers()
    const known = await this.#readState()
    const { metas, failures } = await this.#localBlocks()
    // Blocks that Prometheus has deleted meanwhile are forgotten.
    const done = metas.map(({ ulid }) => ulid).filter((ulid) => known?.has(ulid))
    const inBucket = new BucketTimes(this.#options.bucket, labels)
    let uploaded = 0
    for (const meta of metas) {
      if (known?.has(meta.ulid) || meta.stats.numSamples === 0) continue
      const isCompacted = meta.compaction.level > 1
      if (isCompacted && !this.#options.uploadCompacted) continue
      signal.throwIfAborted()
      try {
        if (isCompacted && (await inBucket.covers(meta, signal))) {
          // Its sources were shipped before they were compacted: it would bring the same once more.
          done.push(meta.ulid)
          continue
        }
        if (await this.#ship(withExternalLabels(meta, labels, 'sidecar'), signal)) uploaded++
        done.push(meta.ulid)
        await this.#writeState(done)
      } catch (error) {
        signal.throwIfAborted()
        failures.push(this.#failed(meta.ulid, error))
      }
    }
    const isWritten = done.length === known?.size && done.every((ulid) => known.has(ulid))
    if (!isWritten) await this.#writeState(done)
    if (failures.length > 0)
      throw new MnemoError(failures[0]!.code, `cannot ship ${failures.length} of ${metas.length} blocks`, {
        cause: failures[0],
      })
    this.#metrics.compactedDone.set(this.#options.uploadCompacted ? 1 : 0)
    return uploaded
  }

  #failed(block: string, error: unknown): MnemoError {
    this.#metrics.uploadFailures.inc()
    this.#options.logger.error({ block, err: error }, 'could not ship block: it is tried again')
    return asMnemoError(error)
  }

  /** Uploads from hard links; false where the bucket had the block already, or Prometheus has deleted it. */
  async #ship(meta: BlockMeta, signal: AbortSignal): Promise<boolean> {
    const { bucket, tsdbPath, logger } = this.#options
    const folder = path.join(this.#uploadFolder, meta.ulid)
    const source = path.join(tsdbPath, meta.ulid)
    try {
      try {
        await linkBlock(source, folder)
      } catch (error) {
        if (await isGone(source)) return false
        throw fileError(error, `link block ${source}`)
      }
      const { uploaded } = await uploadBlock(bucket, folder, meta, { ...this.#options.upload, signal, logger })
      if (uploaded) {
        this.#metrics.uploads.inc()
        logger.info({ block: meta.ulid, minTime: meta.minTime, maxTime: meta.maxTime }, 'shipped block')
      }
      return uploaded
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }

  /** Links of an upload that was killed would keep a block on disk after Prometheus has deleted it. */
  async #removeLeftovers(): Promise<void> {
    try {
      await rm(this.#uploadFolder, { recursive: true, force: true })
    } catch (error) {
      throw fileError(error, `remove ${this.#uploadFolder}`)
    }
  }

  /** Blocks on disk by time. One whose meta.json cannot be read is told and left for the next sync. */
  async #localBlocks(): Promise<{ metas: BlockMeta[]; failures: MnemoError[] }> {
    const { tsdbPath, logger } = this.#options
    const metas: BlockMeta[] = []
    const failures: MnemoError[] = []
    for (const name of await blockFolders(tsdbPath)) {
      try {
        metas.push(await readMeta(path.join(tsdbPath, name)))
      } catch (error) {
        if (await isGone(path.join(tsdbPath, name))) continue // deleted since it was listed
        this.#metrics.corrupted.inc()
        failures.push(asMnemoError(error))
        logger.error({ block: name, err: error }, 'block cannot be read: not shipped')
      }
    }
    return { metas: metas.sort((a, b) => a.minTime - b.minTime), failures }
  }

  /** What was shipped before; undefined where that is missing or unreadable: the bucket is asked for each block instead. */
  async #readState(): Promise<ReadonlySet<string> | undefined> {
    try {
      const state = JSON.parse(await readFile(this.#stateFile, 'utf8')) as { version?: unknown; uploaded?: unknown }
      // Go writes an empty list as null.
      const uploaded = state?.uploaded ?? []
      if (state?.version !== 1 || !Array.isArray(uploaded))
        throw new MnemoError('corrupt', `cannot read ${this.#stateFile}: got version ${state?.version}, want 1`)
      return new Set(uploaded.map(String))
    } catch (error) {
      if (systemCode(error) !== 'ENOENT')
        this.#options.logger.warn({ err: error }, 'shipper state is unreadable: the bucket is asked instead')
      return undefined
    }
  }

  async #writeState(uploaded: readonly string[]): Promise<void> {
    const state: ShipperState = { version: 1, uploaded }
    await writeFileAtomically(this.#stateFile, Buffer.from(`${JSON.stringify(state, undefined, '\t')}\n`))
  }
}

async function readMeta(folder: string): Promise<BlockMeta> {
  const file = path.join(folder, metaFileName)
  let bytes: Uint8Array
  try {
    bytes = await readFile(file)
  } catch (error) {
    throw fileError(error, `read ${file}`)
  }
  const meta = parseMeta(bytes, file)
  if (meta.ulid !== path.basename(folder))
    throw new MnemoError('corrupt', `cannot use ${file}: got ulid ${meta.ulid}, want that of its folder`)
  return meta
}

async function linkBlock(from: string, to: string): Promise<void> {
  await makeFolder(path.join(to, chunksFolderName))
  const segments = await readdir(path.join(from, chunksFolderName))
  const files = [...segments.map((segment) => path.join(chunksFolderName, segment)), indexFileName]
  for (const file of files) await link(path.join(from, file), path.join(to, file))
  try {
    await link(path.join(from, tombstonesFile), path.join(to, tombstonesFile))
  } catch (error) {
    if (!(await isGone(path.join(from, tombstonesFile)))) throw error
  }
}

async function blockFolders(tsdbPath: string): Promise<string[]> {
  try {
    const entries = await readdir(tsdbPath, { withFileTypes: true })
    return entries.filter((entry) => entry.isDirectory() && isUlid(entry.name)).map(({ name }) => name)
  } catch (error) {
    throw fileError(error, `list ${tsdbPath}`)
  }
}

async function isGone(folder: string): Promise<boolean> {
  try {
    await stat(folder)
    return false
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return true
    throw fileError(error, `look at ${folder}`)
  }
}

function shipperMetrics(registry: Registry) {
  const made = (name: string, help: string) => counter(registry, { name: `thanos_shipper_${name}`, help })
  return {
    syncs: made('dir_syncs_total', 'Total number of dir syncs'),
    syncFailures: made('dir_sync_failures_total', 'Total number of failed dir syncs'),
    uploads: made('uploads_total', 'Total number of uploaded blocks'),
    uploadFailures: made('upload_failures_total', 'Total number of block upload failures'),
    corrupted: made('corrupted_blocks_total', 'Total number of corrupted blocks'),
    compactedDone: gauge(registry, {
      name: 'thanos_shipper_upload_compacted_done',
      help: 'If 1 it means shipper uploaded all compacted blocks from the filesystem.',
    }),
  }
}
