// Downsamples the bucket's blocks that need it, several side by side; one that cannot be does not hold up the others.
// Order: Thanos cmd/thanos/downsample.go, twice a round, so that a block reaches an hour in one go.
// Owns what is remembered between rounds: blocks that are done, that this version cannot downsample, and that leave nothing.
import type { BlockMeta } from '../blocks/meta.ts'
import { forEachBounded } from '../kit/bounded.ts'
import { asMnemoError } from '../kit/errors.ts'
import type { Logger } from '../kit/log.ts'
import type { BlockChanges } from './block-changes.ts'
import type { DownsampleNeed } from './downsample-plan.ts'
import { confirming, type JobOutcome, type RunJob } from './job.ts'
import type { CompactMetrics } from './metrics.ts'
import type { Round } from './round.ts'

export interface DownsamplingOptions {
  readonly changes: BlockChanges
  /** Asked twice before a block is bad. */
  readonly runJob: RunJob
  /** Blocks side by side. */
  readonly concurrency: number
  /** Called for each block that was due, whatever came of it. */
  readonly onBlock?: () => void
  readonly logger: Logger
  readonly metrics: CompactMetrics
}

export class Downsampling {
  readonly #options: DownsamplingOptions
  readonly #unsupported = new Set<string>()
  readonly #empty = new Set<string>()
  /**
   * Blocks that were downsampled, until what came of it has been seen: one that goes later is made again. Where a selector by
   * ULID hides it, they would be downsampled again and again.
   */
  #done = new Set<string>()

  constructor(options: DownsamplingOptions) {
    this.#options = { ...options, runJob: confirming(options.runJob) }
  }

  /** Blocks of which nothing is left at a coarser resolution (stale markers alone). */
  get empty(): ReadonlySet<string> {
    return this.#empty
  }

  /** Does what is due; how many blocks came of it. What failed in this round already is left for the next one. */
  async run(needs: readonly DownsampleNeed[], round: Round, signal: AbortSignal): Promise<number> {
    let made = 0
    const due = needs.filter(({ due }) => due)
    this.#done = this.#done.intersection(new Set(due.map(({ meta }) => meta.ulid)))
    const left = due.filter(
      ({ meta: { ulid } }) => !this.#unsupported.has(ulid) && !this.#done.has(ulid) && !round.failures.has(ulid),
    )
    await forEachBounded(left, this.#options.concurrency, async (need) => {
      try {
        if (await this.#downsample(need, round, signal)) made++
      } catch (error) {
        signal.throwIfAborted()
        round.failed(need.meta.ulid, asMnemoError(error))
        this.#fail(need.meta)
        this.#options.logger.error(
          { block: need.meta.ulid, err: error },
          'could not downsample block: it is tried again',
        )
      }
      this.#options.onBlock?.()
    })
    return made
  }

  /** Whether a block came of it. */
  async #downsample(
    { meta: input, resolutionMs }: DownsampleNeed,
    round: Round,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { changes, runJob, logger, metrics } = this.#options
    const resolution = String(input.thanos.resolutionMs)
    const took = metrics.downsampleSeconds.startTimer({ resolution })
    let made = false
    await changes.writeBlock({ inputs: [input], signal }, async (block) => {
      logger.info({ block: input.ulid, output: block.ulid, resolutionMs }, 'downsampling')
      const outcome = await runJob({ kind: 'downsample', input, resolutionMs, ...block }, signal)
      if (outcome.kind === 'bad_input') return this.#setAside(input, outcome, { round, signal })
      await changes.publish(outcome, block.folder, signal)
      const { numSamples } = outcome.meta.stats
      made = numSamples > 0
      if (made) this.#done.add(input.ulid)
      else this.#empty.add(input.ulid)
      took()
      metrics.downsamples.inc({ resolution })
      logger.info({ block: input.ulid, output: block.ulid, samples: numSamples }, 'downsampled')
    })
    return made
  }

  /** A damaged block is marked; what only this version cannot do is tried again by the next one. */
  async #setAside(
    input: BlockMeta,
    { code, reason }: JobOutcome & { kind: 'bad_input' },
    { round, signal }: { readonly round: Round; readonly signal: AbortSignal },
  ): Promise<void> {
    const { changes, logger } = this.#options
    if (await changes.isGone(input.ulid, signal)) {
      logger.warn({ block: input.ulid }, 'block was deleted while it was downsampled')
      return
    }
    this.#fail(input)
    if (code === 'unsupported') {
      this.#unsupported.add(input.ulid)
      logger.warn({ block: input.ulid, reason }, 'block stays as it is, and does not expire: it cannot be downsampled')
      return
    }
    logger.error({ block: input.ulid, reason }, 'block set aside: it cannot be downsampled')
    if (await changes.mark(input.ulid, 'no-downsample', { details: reason, signal })) round.setBlockAside(input.ulid)
  }

  #fail({ thanos }: BlockMeta): void {
    const resolution = String(thanos.resolutionMs)
    this.#options.metrics.downsampleFailures.inc({ resolution })
    this.#options.metrics.downsampleFailed.inc({ resolution })
  }
}
