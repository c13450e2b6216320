// `mnemo tools bucket upload-blocks`: the blocks of a directory into the bucket, under the labels that are given.
// Rules: Thanos's shipper: level 1 alone unless told, empty ones never, compacted ones only where nothing overlaps.
// Owns the command's flags and that choice; uploading is lib/blocks/upload.ts.
import * as fs from 'node:fs/promises'
import path from 'node:path'
import { isUlid } from '../../lib/blocks/block-name.ts'
import { MetaFetcher } from '../../lib/blocks/fetcher.ts'
import { type BlockMeta, groupKey, metaFileName, withExternalLabels } from '../../lib/blocks/meta.ts'
import { parseMeta } from '../../lib/blocks/meta-parse.ts'
import { uploadBlock } from '../../lib/blocks/upload.ts'
import { forEachBounded } from '../../lib/kit/bounded.ts'
import { MnemoError } from '../../lib/kit/errors.ts'
import { boolFlag, type FlagValues, intFlag, stringFlag, stringsFlag } from '../../lib/kit/flags.ts'
import { warnOfIgnored } from '../../lib/kit/foreign-flags.ts'
import { runService, type ServiceContext } from '../../lib/kit/lifecycle.ts'
import { parseFlagLabels } from '../../lib/labels/flag-labels.ts'
import type { Labels } from '../../lib/labels/labels.ts'
import type { Bucket } from '../../lib/objstore/bucket.ts'
import { createBucket, requireObjstoreConfig } from '../../lib/objstore/config.ts'
import { toolFlags } from './config-thanos.ts'

const flags = {
  ...toolFlags,
  path: stringFlag('path', { help: 'Path to the directory containing blocks to upload.', default: './data' }),
  labels: stringsFlag('label', { help: 'External labels to add to the uploaded blocks: key="value" (repeated).' }),
  uploadCompacted: boolFlag('shipper.upload-compacted', { help: 'If true, compacted blocks are uploaded as well.' }),
  concurrency: intFlag('shipper.upload-concurrency', {
    help: 'How many blocks are uploaded side by side.',
    default: 5,
  }),
}

export function uploadBlocks(argv: string[]): Promise<void> {
  const summary = 'Upload blocks from the provided path to the object storage.'
  return runService({ name: 'tools bucket upload-blocks', summary, flags, argv, run })
}

async function run(values: FlagValues<typeof flags>, ctx: ServiceContext): Promise<void> {
  warnOfIgnored(flags, values, ctx.logger)
  const { logger, registry, signal } = ctx
  const labels = parseLabels(values.labels)
  const objstoreConfig = requireObjstoreConfig(values)
  const local = await readBlocks(values.path)
  const bucket = await createBucket(objstoreConfig, { registry, logger })
  ctx.onStop('bucket', () => bucket.close())
  const chosen = local
    .filter((meta) => meta.stats.numSamples > 0 && (values.uploadCompacted || meta.compaction.level <= 1))
    .map((meta) => withExternalLabels(meta, labels, 'bucket.upload'))
  if (values.uploadCompacted) await refuseOverlaps(bucket, chosen, signal)
  let uploaded = 0
  await forEachBounded(chosen, values.concurrency, async (meta) => {
    const result = await uploadBlock(bucket, path.join(values.path, meta.ulid), meta, { signal, logger })
    if (result.uploaded) uploaded++
    logger.info({ block: meta.ulid }, result.uploaded ? 'uploaded block' : 'the bucket has this block already')
  })
  logger.info({ uploaded, skipped: local.length - uploaded }, 'synced blocks')
}

/** The external labels. Throws `config`; none at all is wrong too. */
export function parseLabels(texts: readonly string[]): Labels {
  if (texts.length === 0)
    throw new MnemoError('config', 'cannot upload blocks: got no --label, want labels that tell the blocks apart')
  return parseFlagLabels('label', texts)
}

/** The blocks of a directory, by time. One that cannot be read ends the command: it was asked for. */
async function readBlocks(directory: string): Promise<BlockMeta[]> {
  let names: string[]
  try {
    names = (await fs.readdir(directory)).filter(isUlid)
  } catch (cause) {
    throw new MnemoError('config', `cannot read --path=${directory}`, { cause })
  }
  const metas: BlockMeta[] = []
  for (const name of names) {
    const file = path.join(directory, name, metaFileName)
    try {
      metas.push(parseMeta(await fs.readFile(file), file))
    } catch (cause) {
      throw cause instanceof MnemoError ? cause : new MnemoError('corrupt', `cannot read block ${name}`, { cause })
    }
  }
  return metas.sort((a, b) => a.minTime - b.minTime)
}

/** Compacted blocks beside others of their time would be counted twice until the compactor has merged them. */
async function refuseOverlaps(bucket: Bucket, chosen: readonly BlockMeta[], signal: AbortSignal): Promise<void> {
  const { metas } = await new MetaFetcher({ bucket }).fetch(signal)
  for (const meta of chosen) {
    if (metas.has(meta.ulid) || meta.compaction.level <= 1) continue
    const other = [...metas.values(), ...chosen].find((each) => overlaps(meta, each))
    if (!other) continue
    const what = `block ${meta.ulid} and block ${other.ulid} overlap in time under the same labels`
    throw new MnemoError('bad_data', `cannot upload compacted blocks: ${what}`)
  }
}

function overlaps(a: BlockMeta, b: BlockMeta): boolean {
  return a.ulid !== b.ulid && groupKey(a) === groupKey(b) && a.minTime < b.maxTime && b.minTime < a.maxTime
}
