// `mnemo tools bucket verify`: looks for blocks with which something is wrong, and repairs what can be.
// Issues and flags: Thanos cmd/thanos/tools_bucket.go (verify), pkg/verifier; `objects` and `chunks` are ours.
// Owns the command and the list of issues; exit status 1 where something is found and not repaired.
import { listFiles, objectProblems } from '../../lib/blocks/copy.ts'
import { MetaFetcher } from '../../lib/blocks/fetcher.ts'
import { ignoreDeletionMarkFilter } from '../../lib/blocks/mark-filters.ts'
import type { BlockMeta } from '../../lib/blocks/meta.ts'
import { examineBlock } from '../../lib/compact/block-health.ts'
import { duplicatedBlocks } from '../../lib/compact/duplicates.ts'
import { groupBlocks, overlappingRuns } from '../../lib/compact/plan.ts'
import { type RepairOptions, removeBlock, repairBlock } from '../../lib/compact/repair.ts'
import { MnemoError } from '../../lib/kit/errors.ts'
import { boolFlag, durationFlag, type FlagValues, stringsFlag } from '../../lib/kit/flags.ts'
import { warnOfIgnored } from '../../lib/kit/foreign-flags.ts'
import { runService, type ServiceContext } from '../../lib/kit/lifecycle.ts'
import { startProgress } from '../../lib/kit/progress.ts'
import type { Bucket } from '../../lib/objstore/bucket.ts'
import { objstoreFlagsOf } from '../../lib/objstore/config.ts'
import { checkIds, chooseBlocks, idsFlag, openBucket, refuseBesideCompactor, tellPartial } from './bucket-session.ts'
import { toolFlags } from './config-thanos.ts'

const issueIds = ['objects', 'index_known_issues', 'chunks', 'overlapped_blocks', 'duplicated_compaction'] as const
type IssueId = (typeof issueIds)[number]
const defaultIssues: readonly IssueId[] = ['objects', 'index_known_issues', 'overlapped_blocks']

const backup = objstoreFlagsOf('objstore-backup', 'Used for repair logic to backup blocks before removal.')

const flags = {
  ...toolFlags,
  backupConfig: backup.objstoreConfig,
  backupConfigFile: backup.objstoreConfigFile,
  repair: boolFlag('repair', {
    short: 'r',
    help: 'Repair blocks with issues in their objects, index or chunks (what can be read of one becomes a new block), and remove duplicated ones. Nothing goes before it is in the backup bucket, whole and read back.',
  }),
  issues: stringsFlag('issues', {
    short: 'i',
    help: `Issues to look for (repeated; unless told ${defaultIssues.join(', ')}): objects (missing or truncated), index_known_issues (what is out of order, damaged or contradicts itself), chunks (every chunk is read: checksum, samples, times), overlapped_blocks (not repaired: the compactor merges them), duplicated_compaction.`,
  }),
  ids: idsFlag('Block IDs to verify (and optionally repair) only. If none is specified, all blocks will be verified.'),
  deleteDelayMs: durationFlag('delete-delay', {
    help: 'If it is not 0s, repaired and duplicated blocks are marked for deletion, for a compactor to delete; else they are deleted straight away, which fails queries of stores that still have them loaded.',
    default: '0s',
  }),
}

type Values = FlagValues<typeof flags>

export function bucketVerify(argv: string[]): Promise<void> {
  const summary =
    'Verifies the blocks of the bucket; ends with status 1 where an issue is found and not repaired. To repair, stop the compactor first.'
  return runService({ name: 'tools bucket verify', summary, flags, argv, run })
}

async function run(values: Values, ctx: ServiceContext): Promise<void> {
  warnOfIgnored(flags, values, ctx.logger)
  const { logger, signal, registry } = ctx
  const issues = chosenIssues(values.issues)
  const ids = checkIds(values.ids)
  const backupValues = { objstoreConfig: values.backupConfig, objstoreConfigFile: values.backupConfigFile }
  const backupBucket = values.repair ? await openBucket(backupValues, ctx, 'objstore-backup') : undefined
  const bucket = await openBucket(values, ctx)
  if (values.repair) await refuseBesideCompactor(bucket, ctx)
  const filters = [ignoreDeletionMarkFilter(0, { bucket, logger })]
  const fetcher = new MetaFetcher({ bucket, filters, logger, registry })
  const fetched = tellPartial(await fetcher.fetch(signal), logger)
  const blocks = chooseBlocks(fetched, ids)
  const found = new Findings(ctx, issues)
  found.compareEqual(fetched.metas.values(), ids)
  const total = blocks.reduce((sum, { stats }) => sum + stats.numSeries, 0)
  const progress = startProgress({ what: 'verifying', total })
  for (const meta of blocks) {
    signal.throwIfAborted()
    await found.examine(bucket, meta, () => progress.step(1, meta.ulid))
  }
  progress.done()
  if (backupBucket) {
    const { deleteDelayMs } = values
    await found.repair(bucket, { backup: backupBucket, deleteDelayMs, logger, signal })
  }
  // Last, since a block that was there twice overlaps itself.
  const { metas } = backupBucket ? await fetcher.fetch(signal) : fetched
  found.compareTimes(metas.values(), ids)
  const { issueCount, remaining } = found
  logger.info({ blocks: blocks.length, issues: issueCount, unrepaired: remaining }, 'verify done')
  if (remaining > 0) throw new MnemoError('corrupt', `the bucket is not as it should be: ${remaining} issues remain`)
}

function chosenIssues(texts: readonly string[]): ReadonlySet<IssueId> {
  const unknown = texts.find((text) => !issueIds.some((id) => id === text))
  if (unknown !== undefined)
    throw new MnemoError('config', `cannot verify issue ${unknown}: want one of ${issueIds.join(', ')}`)
  return new Set(texts.length === 0 ? defaultIssues : (texts as readonly IssueId[]))
}

/** What was found, each in the log at once, and what became of it. */
class Findings {
  readonly #ctx: ServiceContext
  readonly #issues: ReadonlySet<IssueId>
  readonly #damaged = new Map<string, { readonly meta: BlockMeta; issues: number }>()
  readonly #duplicated = new Map<string, { readonly meta: BlockMeta; readonly keptUlid: string }>()
  issueCount = 0
  remaining = 0

  constructor(ctx: ServiceContext, issues: ReadonlySet<IssueId>) {
    this.#ctx = ctx
    this.#issues = issues
  }

  #found(issue: IssueId, fields: Readonly<Record<string, unknown>>): void {
    this.issueCount++
    this.remaining++
    this.#ctx.logger.warn({ issue, ...fields }, 'found issue')
  }

  /** Blocks that are there twice; of all, or of the `ids`. */
  compareEqual(metas: Iterable<BlockMeta>, ids: readonly string[]): void {
    if (!this.#issues.has('duplicated_compaction')) return
    for (const { description: group, blocks } of groupBlocks(metas))
      for (const duplicate of duplicatedBlocks(blocks)) {
        const { meta, keptUlid } = duplicate
        if (ids.length > 0 && !ids.includes(meta.ulid)) continue
        this.#found('duplicated_compaction', { group, block: meta.ulid, kept: keptUlid })
        this.#duplicated.set(meta.ulid, duplicate)
      }
  }

  /** Blocks of one group that share some time; all, or those that one of the `ids` has part in. */
  compareTimes(metas: Iterable<BlockMeta>, ids: readonly string[]): void {
    if (!this.#issues.has('overlapped_blocks')) return
    for (const { description: group, blocks } of groupBlocks(metas))
      for (const run of overlappingRuns(blocks)) {
        if (ids.length > 0 && !run.some(({ ulid }) => ids.includes(ulid))) continue
        const overlap = run.map(({ ulid, minTime, maxTime }) => `${ulid} [${minTime}, ${maxTime})`).join(', ')
        this.#found('overlapped_blocks', { group, overlap })
      }
  }

  /** Issues of one block. */
  async examine(bucket: Bucket, meta: BlockMeta, onSeries: () => void): Promise<void> {
    const { signal } = this.#ctx
    const found: [IssueId, readonly string[]][] = []
    if (this.#issues.has('objects'))
      found.push(['objects', objectProblems(meta, await listFiles(bucket, meta.ulid, signal))])
    const chunks = this.#issues.has('chunks')
    if (chunks || this.#issues.has('index_known_issues')) {
      const health = await examineBlock(bucket, meta, { chunks, signal, onSeries })
      if (this.#issues.has('index_known_issues')) found.push(['index_known_issues', health.index])
      found.push(['chunks', health.chunks])
    }
    let issues = 0
    for (const [issue, details] of found)
      for (const detail of details) {
        this.#found(issue, { block: meta.ulid, detail })
        issues++
      }
    if (issues > 0) this.#damaged.set(meta.ulid, { meta, issues })
  }

  /** Each block by itself: one that cannot be repaired stays as it is, and does not hold up the others. */
  async repair(bucket: Bucket, options: RepairOptions): Promise<void> {
    const gone = new Set<string>()
    for (const { meta, keptUlid } of this.#duplicated.values()) {
      // Of two the sound one stays; where both are damaged each is repaired.
      const kept = this.#damaged.get(keptUlid)
      if (gone.has(keptUlid) || (kept && this.#damaged.has(meta.ulid))) continue
      const [goes, stays] = kept ? [kept.meta, meta.ulid] : [meta, keptUlid]
      const details = `duplicate of ${stays}`
      const settled = 1 + (this.#damaged.get(goes.ulid)?.issues ?? 0)
      // Readers keep the lower of the two, Thanos's whatever its marks: it would stand for the one that stays.
      const deleteDelayMs = goes.ulid < stays ? 0 : options.deleteDelayMs
      const remove = () => removeBlock(bucket, goes, { ...options, deleteDelayMs, details })
      if (!(await this.#attempt(goes, settled, remove))) continue
      gone.add(goes.ulid)
      this.#damaged.delete(goes.ulid)
    }
    for (const { meta, issues } of this.#damaged.values())
      await this.#attempt(meta, issues, () => repairBlock(bucket, meta, options))
  }

  /** Whether it went through. */
  async #attempt({ ulid }: BlockMeta, issues: number, work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work()
      this.remaining -= issues
      return true
    } catch (err) {
      this.#ctx.signal.throwIfAborted()
      this.#ctx.logger.error({ block: ulid, err }, 'could not repair block: it stays')
      return false
    }
  }
}
