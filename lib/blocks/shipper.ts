// Ships a Prometheus's new blocks to a bucket, each once: hard links first, so that Prometheus may delete what it likes.
// Algorithm and state file: Thanos pkg/shipper (thanos.shipper.json version 1, thanos/upload/<ulid>).
// Owns the state file and the upload folder. Killed at any point it goes on at the next sync: a block is whole in the bucket or is no block.
import { link, mkdir, readdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { writeFileAtomically } from '../bytes/file-writer.ts'
import { asMnemoError, MnemoError } from '../kit/errors.ts'
import type { Logger } from '../kit/log.ts'
import { counter, type Registry } from '../kit/metrics.ts'
import type { Labels } from '../labels/labels.ts'
import type { Bucket } from '../objstore/bucket.ts'
import { type BlockMeta, chunksFolderName, indexFileName, metaFileName, withExternalLabels } from './meta.ts'
import { parseMeta } from './meta-parse.ts'
import { isUlid } from './ulid.ts'
import { uploadBlock } from './upload.ts'

export interface ShipperOptions {
  readonly bucket: Bucket
  /** Prometheus's data folder. */
  readonly tsdbPath: string
  /** Name of the state file in it. */
  readonly stateFile: string
  /** External labels now; with none nothing is shipped. */
  readonly labels: () => Labels
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
  readonly #metrics: ReturnType<typeof shipperMetrics>

  constructor(options: ShipperOptions) {
    this.#options = options
    this.#metrics = shipperMetrics(options.registry)
  }

  /**
   * Uploads the blocks that the bucket does not have, oldest first; how many were. A block that fails does not hold up
   * the others; the first failure is thrown at the end, and the next sync tries again. One call at a time.
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
    const known = await this.#readState()
    const { metas, failures } = await this.#localBlocks()
    // Blocks that Prometheus has deleted meanwhile are forgotten.
    const done = metas.map(({ ulid }) => ulid).filter((ulid) => known.has(ulid))
    let uploaded = 0
    for (const meta of metas) {
      if (known.has(meta.ulid) || meta.stats.numSamples === 0 || meta.compaction.level > 1) continue
      try {
        if (await this.#ship(meta, signal)) uploaded++
        done.push(meta.ulid)
        await this.#writeState(done)
      } catch (error) {
        signal.throwIfAborted()
        this.#metrics.uploadFailures.inc()
        failures.push(asMnemoError(error))
        this.#options.logger.error({ block: meta.ulid, err: error }, 'could not ship block: it is tried again')
      }
    }
    if (done.length !== known.size) await this.#writeState(done)
    if (failures.length > 0)
      throw new MnemoError(failures[0]!.code, `cannot ship ${failures.length} of ${metas.length} blocks`, {
        cause: failures[0],
      })
    return uploaded
  }

  /** Uploads from hard links; false where the bucket had the block already. */
  async #ship(meta: BlockMeta, signal: AbortSignal): Promise<boolean> {
    const { bucket, tsdbPath, logger, labels } = this.#options
    const folder = path.join(tsdbPath, 'thanos', 'upload', meta.ulid)
    await rm(folder, { recursive: true, force: true })
    try {
      await linkBlock(path.join(tsdbPath, meta.ulid), folder)
      const shipped = withExternalLabels(meta, labels(), 'sidecar')
      const { uploaded } = await uploadBlock(bucket, folder, shipped, { signal, logger })
      if (uploaded) {
        this.#metrics.uploads.inc()
        logger.info({ block: meta.ulid, minTime: meta.minTime, maxTime: meta.maxTime }, 'shipped block')
      }
      return uploaded
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }

  /** Blocks on disk by time. One whose meta.json cannot be read is told and left for the next sync. */
  async #localBlocks(): Promise<{ metas: BlockMeta[]; failures: MnemoError[] }> {
    const { tsdbPath, logger } = this.#options
    const metas: BlockMeta[] = []
    const failures: MnemoError[] = []
    for (const name of await listFolder(tsdbPath)) {
      if (!isUlid(name)) continue
      const file = path.join(tsdbPath, name, metaFileName)
      try {
        metas.push(parseMeta(await readFile(file), file))
      } catch (error) {
        if (isMissing(error)) continue // deleted since it was listed
        this.#metrics.corrupted.inc()
        failures.push(asMnemoError(error))
        logger.error({ block: name, err: error }, 'block cannot be read: not shipped')
      }
    }
    return { metas: metas.sort((a, b) => a.minTime - b.minTime), failures }
  }

  /** What was shipped before. A state that is missing or unreadable is empty: the bucket is asked for each block instead. */
  async #readState(): Promise<ReadonlySet<string>> {
    const file = path.join(this.#options.tsdbPath, this.#options.stateFile)
    try {
      const state = JSON.parse(await readFile(file, 'utf8')) as Partial<ShipperState> | null
      if (state?.version !== 1)
        throw new MnemoError('corrupt', `cannot read ${file}: got version ${state?.version}, want 1`)
      return new Set(state.uploaded ?? [])
    } catch (error) {
      if (!isMissing(error))
        this.#options.logger.warn({ err: error }, 'shipper state is unreadable: the bucket is asked instead')
      return new Set()
    }
  }

  async #writeState(uploaded: readonly string[]): Promise<void> {
    const state: ShipperState = { version: 1, uploaded }
    const file = path.join(this.#options.tsdbPath, this.#options.stateFile)
    await writeFileAtomically(file, Buffer.from(`${JSON.stringify(state, undefined, '\t')}\n`))
  }
}

async function linkBlock(from: string, to: string): Promise<void> {
  await mkdir(path.join(to, chunksFolderName), { recursive: true })
  const segments = await readdir(path.join(from, chunksFolderName))
  const files = [...segments.map((segment) => path.join(chunksFolderName, segment)), indexFileName]
  for (const file of files) await link(path.join(from, file), path.join(to, file))
}

async function listFolder(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (cause) {
    throw new MnemoError('unavailable', `cannot list ${folder}`, { cause })
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

function shipperMetrics(registry: Registry) {
  const made = (name: string, help: string) => counter(registry, { name: `thanos_shipper_${name}`, help })
  return {
    syncs: made('dir_syncs_total', 'Total number of dir syncs'),
    syncFailures: made('dir_sync_failures_total', 'Total number of failed dir syncs'),
    uploads: made('uploads_total', 'Total number of uploaded blocks'),
    uploadFailures: made('upload_failures_total', 'Total number of block upload failures'),
    corrupted: made('corrupted_blocks_total', 'Total number of corrupted blocks'),
  }
}
