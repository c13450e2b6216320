// `mnemo tools bucket rewrite`: new blocks without some of the series or samples of old ones, or under other labels.
// Flags: Thanos cmd/thanos/tools_bucket.go (rewrite); dry, unless told. The original gets a no-compact mark before the new
// block counts: a compactor would merge the two again. Owns the command; the rewriting is lib/compact/rewrite.ts.
import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { putMark } from '../../lib/blocks/markers.ts'
import type { BlockMeta } from '../../lib/blocks/meta.ts'
import { formatMeta } from '../../lib/blocks/meta-format.ts'
import { newUlid } from '../../lib/blocks/ulid.ts'
import { uploadBlock } from '../../lib/blocks/upload.ts'
import { checkBlock } from '../../lib/compact/check-block.ts'
import { type BlockRewrite, BlockRewriter, type ChangeLog } from '../../lib/compact/rewrite.ts'
import { MnemoError } from '../../lib/kit/errors.ts'
import { boolFlag, type FlagValues, stringFlag } from '../../lib/kit/flags.ts'
import { warnOfIgnored } from '../../lib/kit/foreign-flags.ts'
import { runService, type ServiceContext } from '../../lib/kit/lifecycle.ts'
import { makeFolder } from '../../lib/kit/make-folder.ts'
import { startProgress } from '../../lib/kit/progress.ts'
import { parseRelabelConfig } from '../../lib/labels/relabel.ts'
import type { Bucket } from '../../lib/objstore/bucket.ts'
import { formatLabelsGo } from '../../lib/promql/functions/go-format.ts'
import type { BlockContents } from '../../lib/tsdb/block-writer.ts'
import { checkIds, chooseBlocks, fetchBlocks, idsFlag, openBucket, refuseBesideCompactor } from './bucket-session.ts'
import { toolFlags, writingForeignFlags } from './config-thanos.ts'
import { Output } from './output.ts'
import { parseDeletions, rewriteEntry } from './rewrite-config.ts'
import { RewrittenSources } from './rewritten-sources.ts'

const flags = {
  ...toolFlags,
  ...writingForeignFlags,
  ids: idsFlag('ID (ULID) of the blocks for rewrite.'),
  tmpDir: stringFlag('tmp.dir', {
    help: "Working directory for temporary files, and for change logs, which stay there; mnemo-rewrite in the system's temporary directory, unless told.",
  }),
  dryRun: boolFlag('dry-run', {
    help: 'Prints the series changes instead of doing them. Pass --no-dry-run to do them.',
    default: true,
  }),
  deleteBlocks: boolFlag('delete-blocks', {
    help: 'Whether to mark the original blocks for deletion after rewriting blocks successfully. Available in non dry-run mode only.',
  }),
  promBlocks: boolFlag('prom-blocks', {
    help: "If specified, we assume the blocks to be uploaded are only used with Prometheus so we don't check external labels in this case.",
  }),
  toDelete: stringFlag('rewrite.to-delete-config', {
    help: 'Content of YAML with what to delete: a list of `matchers: \'{__name__="up"}\'`, each with `intervals: [{mint: …, maxt: …}]` (ms) where not all of the series is to go.',
  }),
  toDeleteFile: stringFlag('rewrite.to-delete-config-file', { help: 'Path to YAML file with what to delete.' }),
  toRelabel: stringFlag('rewrite.to-relabel-config', {
    help: 'Content of YAML with relabel configs that will be applied to the series, before deletion.',
  }),
  toRelabelFile: stringFlag('rewrite.to-relabel-config-file', { help: 'Path to YAML file with relabel configs.' }),
  addChangeLog: boolFlag('rewrite.add-change-log', {
    help: 'If specified, all modifications are written to <tmp.dir>/<new block>/change.log.',
    default: true,
  }),
}

type Values = FlagValues<typeof flags>

export function bucketRewrite(argv: string[]): Promise<void> {
  const summary =
    'Rewrites chosen blocks, deleting series or samples by matchers and time, or relabelling series; dry, unless --no-dry-run is given. Stop the compactor meanwhile. The original stays, with a mark that keeps it from being compacted, until it is deleted.'
  return runService({ name: 'tools bucket rewrite', summary, flags, argv, run })
}

async function run(values: Values, ctx: ServiceContext): Promise<void> {
  warnOfIgnored(flags, values, ctx.logger)
  const { logger } = ctx
  const ids = checkIds(values.ids)
  if (ids.length === 0) throw new MnemoError('config', 'cannot rewrite blocks: flag --id is missing')
  const rewrite = await readRewrite(values)
  if (values.dryRun && values.deleteBlocks)
    throw new MnemoError('config', 'cannot delete blocks in a dry run: want --no-dry-run with --delete-blocks')
  const bucket = await openBucket(values, ctx)
  if (!values.dryRun) await refuseBesideCompactor(bucket, ctx)
  const sources = new RewrittenSources()
  for (const meta of chooseBlocks(await fetchBlocks(bucket, ctx), ids)) {
    if (values.dryRun) await rehearse(bucket, meta, { rewrite, ctx })
    else await rewriteBlock(bucket, meta, { rewrite, values, sources, ctx })
  }
  logger.info({ blocks: ids.length, dryRun: values.dryRun }, 'rewrite done')
}

async function readRewrite(values: Values): Promise<BlockRewrite> {
  const deletions = await contentOf('rewrite.to-delete-config', values.toDelete, values.toDeleteFile)
  const relabels = await contentOf('rewrite.to-relabel-config', values.toRelabel, values.toRelabelFile)
  const rewrite = {
    deletions: parseDeletions(deletions),
    relabels: parseRelabelConfig(relabels, { what: 'the relabel configuration' }),
  }
  if (rewrite.deletions.length + rewrite.relabels.length > 0) return rewrite
  throw new MnemoError(
    'config',
    'cannot rewrite blocks: want --rewrite.to-delete-config or --rewrite.to-relabel-config',
  )
}

async function contentOf(flag: string, inline: string | undefined, file: string | undefined): Promise<string> {
  if (inline && file) throw new MnemoError('config', `cannot use both --${flag} and --${flag}-file: want one of them`)
  if (!file) return inline ?? ''
  try {
    return await fs.readFile(file, 'utf8')
  } catch (cause) {
    throw new MnemoError('config', `cannot read --${flag}-file=${file}`, { cause })
  }
}

interface Rewriting {
  readonly rewrite: BlockRewrite
  readonly ctx: Pick<ServiceContext, 'logger' | 'signal'>
}

type RewriteValues = Pick<Values, 'tmpDir' | 'addChangeLog' | 'deleteBlocks' | 'promBlocks'>

/** Prints what would change. */
async function rehearse(bucket: Bucket, meta: BlockMeta, { rewrite, ctx }: Rewriting): Promise<void> {
  const { signal, logger } = ctx
  const output = new Output()
  const lines: string[] = []
  const rewriter = await BlockRewriter.open(bucket, meta, { rewrite, signal })
  const changes = await rewriter.plan(changeLog(lines))
  for (const line of lines) await output.write(line)
  await output.flush()
  logger.info({ block: meta.ulid, series: meta.stats.numSeries, changes }, 'dry run: nothing was written')
}

/** The log as Thanos writes it, a line a change. */
function changeLog(lines: string[]): ChangeLog {
  return {
    deleted(labels, intervals) {
      const times = intervals.map(({ minTime, maxTime }) => `{${minTime} ${maxTime}}`).join(' ')
      lines.push(`Deleted ${formatLabelsGo(labels)} [${times}]\n`)
    },
    relabelled: (from, to) => void lines.push(`Relabelled ${formatLabelsGo(from)} ${formatLabelsGo(to)}\n`),
  }
}

/** Rewrites one block for good. Whatever fails, the old one is there, and has its mark before a new one counts. */
export async function rewriteBlock(
  bucket: Bucket,
  old: BlockMeta,
  { rewrite, values, sources, ctx }: Rewriting & { readonly values: RewriteValues; readonly sources: RewrittenSources },
): Promise<void> {
  const { signal, logger } = ctx
  const ulid = newUlid()
  const folder = path.join(values.tmpDir || path.join(tmpdir(), 'mnemo-rewrite'), ulid)
  const block = path.join(folder, 'block')
  const lines: string[] = []
  const progress = startProgress({ what: `rewriting ${old.ulid}`, total: 2 * old.stats.numSeries })
  const rewriter = await BlockRewriter.open(bucket, old, { rewrite, signal, onSeries: () => progress.step(1) })
  const changes = await rewriter.plan(changeLog(values.addChangeLog ? lines : []))
  if (changes === 0) {
    logger.info({ block: old.ulid }, 'nothing of the block would change: it stays')
    return
  }
  const newSources = sources.of(ulid, old.compaction.sources)
  await makeFolder(folder)
  try {
    if (values.addChangeLog) await fs.writeFile(path.join(folder, 'change.log'), lines.join(''))
    const metaOf = (contents: BlockContents) => rewrittenMeta(old, { ulid, sources: newSources, rewrite, contents })
    const meta = metaOf(await rewriter.write(block, (contents) => formatMeta(metaOf(contents))))
    if (rewriter.keptAggregates > 0)
      logger.warn(
        { block: old.ulid, chunks: rewriter.keptAggregates },
        'downsampled chunks that an interval cuts stay whole',
      )
    progress.done()
    await publish(bucket, { meta, old, folder: block }, { values, ctx })
    logger.info({ block: old.ulid, changes, changeLog: values.addChangeLog ? folder : '' }, 'rewrote block')
  } finally {
    await fs.rm(block, { recursive: true, force: true })
  }
}

/** The new block, whole and read back, then the mark on the old one, and what it is to become. */
async function publish(
  bucket: Bucket,
  { meta, old, folder }: { readonly meta: BlockMeta; readonly old: BlockMeta; readonly folder: string },
  { values, ctx }: { readonly values: RewriteValues; readonly ctx: Rewriting['ctx'] },
): Promise<void> {
  const { signal, logger } = ctx
  const { numSeries, numSamples } = meta.stats
  if (numSamples === 0) logger.info({ block: old.ulid }, 'nothing of the block is left: no new one is written')
  else {
    const check = async (complete: BlockMeta) => {
      await checkBlock(bucket, complete, signal)
      await putMark(bucket, old.ulid, 'no-compact', { details: `rewritten as ${meta.ulid}`, signal })
    }
    await uploadBlock(bucket, folder, meta, { signal, logger, check, withoutLabels: values.promBlocks })
    logger.info({ block: old.ulid, rewritten: meta.ulid, numSeries, numSamples }, 'uploaded the new block')
  }
  if (values.deleteBlocks) {
    await putMark(bucket, old.ulid, 'deletion', { details: 'block rewritten', signal })
    logger.info({ block: old.ulid }, 'marked the original block for deletion')
  } else
    logger.warn(
      { block: old.ulid },
      'the original block is still served: mark it for deletion once the new one is as it should be',
    )
}

interface RewrittenBlock {
  readonly ulid: string
  readonly sources: readonly string[]
  readonly rewrite: BlockRewrite
  readonly contents: BlockContents
}

/** The old meta, under new sources: no reader takes one of the two blocks for the other. */
function rewrittenMeta(old: BlockMeta, { ulid, sources, rewrite, contents }: RewrittenBlock): BlockMeta {
  const { uploadTimeText: _, ...thanos } = old.thanos
  return {
    ...old,
    ulid,
    stats: contents.stats,
    compaction: { ...old.compaction, sources },
    thanos: {
      ...thanos,
      source: 'bucket.rewrite',
      segmentFiles: [],
      files: [],
      indexStats: contents.indexStats,
      uploadTimeMs: 0,
      rewrites: [...(thanos.rewrites ?? []), rewriteEntry(old.compaction.sources, rewrite)],
    },
  }
}
