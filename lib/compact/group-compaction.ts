// Compacts the bucket's groups of blocks, several side by side, until no group has a plan left.
// Algorithm: Thanos pkg/compact/compact.go (BucketCompactor, Group.compact). A bad block is set aside by a mark.
// Owns the order of changes: the merged block is whole in the bucket before its inputs are marked, so that a kill at any
// point loses nothing.
import type { BlockMeta } from '../blocks/meta.ts'
import { forEachBounded } from '../kit/bounded.ts'
import { asMnemoError, MnemoError } from '../kit/errors.ts'
import type { Logger } from '../kit/log.ts'
import type { OverlapFunction } from '../tsdb/overlap.ts'
import type { BlockChanges } from './block-changes.ts'
import type { BlockSync, BucketView } from './block-sync.ts'
import { confirming, type JobOutcome, type RunJob } from './job.ts'
import type { CompactMetrics } from './metrics.ts'
import { type BlockGroup, groupBlocks, type Plan, planGroup } from './plan.ts'
import type { Round } from './round.ts'

const marksSideBySide = 8

export interface GroupCompactionOptions {
  readonly blocks: BlockSync
  readonly changes: BlockChanges
  /** Asked twice before a block is bad. */
  readonly runJob: RunJob
  readonly rangesMs: readonly number[]
  readonly maxIndexBytes: number
  /** What becomes of samples that blocks of one group share. */
  readonly overlap: OverlapFunction
  /** Groups side by side. */
  readonly concurrency: number
  readonly logger: Logger
  readonly metrics: CompactMetrics
}

export class GroupCompaction {
  readonly #options: GroupCompactionOptions
  /** Blocks that this version cannot merge with those they overlap: another one may. */
  readonly #unmergeable = new Set<string>()
  /** Overlapping blocks that the log has named. */
  #told: ReadonlySet<string> = new Set()

  constructor(options: GroupCompactionOptions) {
    this.#options = { ...options, runJob: confirming(options.runJob) }
  }

  /** Blocks that are in no plan: marked, to be deleted (what is must not live on in a merged block), or beyond this version. */
  excluded({ noCompactMarks, deletionMarks }: BucketView): ReadonlySet<string> {
    return new Set([...noCompactMarks.keys(), ...deletionMarks.keys(), ...this.#unmergeable])
  }

  /** Compacts until nothing is left to do. Groups that fail join the round's failures, and are left out from then on. */
  async run(round: Round, signal: AbortSignal): Promise<void> {
    for (;;) {
      const view = await this.#options.blocks.sync(signal)
      const planned = this.#plan(view)
      this.#tellOverlaps(planned.flatMap(({ plan }) => plan.overlapping))
      const work = planned.filter(({ group, plan }) => !round.failures.has(group.key) && hasWork(plan))
      if (work.length === 0) return
      await forEachBounded(work, this.#options.concurrency, ({ group, plan }) =>
        this.#compactOrFail(group, plan, { round, signal }),
      )
    }
  }

  #plan(view: BucketView): PlannedGroup[] {
    const { rangesMs, maxIndexBytes } = this.#options
    const noCompact = this.excluded(view)
    return groupBlocks(view.metas.values()).map((group) => ({
      group,
      plan: planGroup(group.blocks, { rangesMs, maxIndexBytes, noCompact }),
    }))
  }

  async #compactOrFail(group: BlockGroup, plan: Plan, { round, signal }: InRound): Promise<void> {
    const { logger, metrics } = this.#options
    try {
      await this.#compactVerified(group, plan, { round, signal })
    } catch (error) {
      signal.throwIfAborted()
      round.failed(group.key, asMnemoError(error))
      metrics.failures.inc(labelsOf(group))
      logger.error({ group: group.description, err: error }, 'could not compact group: it is tried again next time')
    }
  }

  /** Chunks that are copied are verified once, in the new block; where one is bad, its input is looked for. */
  async #compactVerified(group: BlockGroup, plan: Plan, { round, signal }: InRound): Promise<void> {
    await this.#markPlanned(plan, { round, signal })
    if (plan.merge.length === 0) return
    if (!(await this.#compact(group, plan, { round, signal, isVerified: false })))
      await this.#compact(group, plan, { round, signal, isVerified: true })
  }

  /** False where inputs that were not verified have made a block that is not whole: nothing stays of it. */
  async #compact(
    group: BlockGroup,
    { merge, reason }: Plan,
    { round, signal, isVerified }: InRound & { readonly isVerified: boolean },
  ): Promise<boolean> {
    const { changes, runJob, overlap, logger, metrics } = this.#options
    metrics.runsStarted.inc(labelsOf(group))
    const inputs = merge.map((meta) => meta.ulid)
    // Two that are merged do not cover each other: only one that is rewritten alone has all sources of what comes of it.
    const replaced = merge.length === 1 ? merge[0] : undefined
    let isWhole = true
    await changes.writeBlock({ inputs: merge, replaced, signal }, async (block) => {
      logger.info({ group: group.description, blocks: inputs, reason, output: block.ulid }, 'compacting')
      const { extensions } = group
      const outcome = await runJob(
        { kind: 'compact', inputs: merge, overlap, isVerified, extensions, ...block },
        signal,
      )
      if (outcome.kind === 'bad_input') return this.#setAside(group, outcome, { round, signal })
      try {
        await changes.publish(outcome, block.folder, signal)
      } catch (error) {
        if (isVerified || !(error instanceof MnemoError) || error.code !== 'corrupt') throw error
        isWhole = false
        logger.warn({ output: block.ulid, err: error }, 'merged block is not whole: its inputs are verified now')
        return
      }
      // In any order: the new block covers each of them already.
      await forEachBounded(inputs, marksSideBySide, async (input) => {
        await changes.mark(input, 'deletion', { details: `source of compacted block ${block.ulid}`, signal })
      })
      metrics.runsCompleted.inc(labelsOf(group))
      metrics.compactions.inc(labelsOf(group))
      if (reason === 'overlap') metrics.verticalCompactions.inc(labelsOf(group))
      const { numSamples } = outcome.meta.stats
      logger.info({ group: group.description, output: block.ulid, samples: numSamples }, 'compacted')
    })
    return isWhole
  }

  /** Marks the blocks that the plan leaves out for good. */
  async #markPlanned({ tooLarge, downsampledOverlap }: Plan, { round, signal }: InRound): Promise<void> {
    const { changes } = this.#options
    for (const { ulid } of tooLarge) {
      const details = 'the merged index would near its limit'
      if (await changes.mark(ulid, 'no-compact', { reason: 'index-size-exceeding', details, signal }))
        round.setBlockAside(ulid)
    }
    for (const { ulid } of downsampledOverlap) {
      const details = 'downsampled blocks that overlap are not merged'
      if (await changes.mark(ulid, 'no-compact', { reason: 'downsample-vertical-compaction', details, signal }))
        round.setBlockAside(ulid)
    }
  }

  /** A damaged block is marked; what only this version cannot do is tried again by the next one. */
  async #setAside(
    group: BlockGroup,
    { ulid, code, reason }: JobOutcome & { kind: 'bad_input' },
    { round, signal }: InRound,
  ): Promise<void> {
    const { changes, logger, metrics } = this.#options
    if (await changes.isGone(ulid, signal)) {
      logger.warn({ block: ulid }, 'block was deleted while it was compacted: the group is planned anew')
      return
    }
    metrics.failures.inc(labelsOf(group))
    if (code === 'unsupported') {
      this.#unmergeable.add(ulid)
      logger.warn({ block: ulid, reason }, 'block left out of compaction: this version cannot merge it')
      return
    }
    logger.error({ block: ulid, reason }, 'block set aside: it cannot be compacted')
    if (await changes.mark(ulid, 'no-compact', { details: reason, signal })) round.setBlockAside(ulid)
  }

  #tellOverlaps(overlapping: readonly BlockMeta[]): void {
    const { logger, metrics } = this.#options
    metrics.overlapping.set(overlapping.length)
    for (const { ulid, minTime, maxTime } of overlapping)
      if (!this.#told.has(ulid))
        logger.warn(
          { block: ulid, minTime, maxTime },
          'block overlaps another one of its group, and is left out of compaction',
        )
    this.#told = new Set(overlapping.map(({ ulid }) => ulid))
  }
}

interface PlannedGroup {
  readonly group: BlockGroup
  readonly plan: Plan
}

interface InRound {
  readonly round: Round
  readonly signal: AbortSignal
}

function hasWork({ merge, tooLarge, downsampledOverlap }: Plan): boolean {
  return merge.length + tooLarge.length + downsampledOverlap.length > 0
}

function labelsOf({ blocks }: BlockGroup): { resolution: string } {
  return { resolution: String(blocks[0]!.thanos.resolutionMs) }
}
