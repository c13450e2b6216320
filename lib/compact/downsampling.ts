// Downsamples the bucket's blocks that need it, several side by side; one that cannot be does not hold up the others.
// Order: Thanos cmd/thanos/downsample.go, twice a round, so that a block reaches an hour in one go.
// Owns what is remembered between rounds: blocks that this version cannot downsample, and blocks that leave nothing.
import type { BlockMeta } from '../blocks/meta.ts'
import { forEachBounded } from '../kit/bounded.ts'
import type { Logger } from '../kit/log.ts'
import type { BlockChanges } from './block-changes.ts'
import type { DownsampleNeed } from './downsample-plan.ts'
import type { CompactorJob, JobOutcome } from './job.ts'
import type { CompactMetrics } from './metrics.ts'

export interface DownsamplingOptions {
  readonly changes: BlockChanges
  readonly runJob: (job: CompactorJob, signal: AbortSignal) => Promise<JobOutcome>
  /** Blocks side by side. */
  readonly concurrency: number
  readonly logger: Logger
  readonly metrics: CompactMetrics
}

export class Downsampling {
  readonly #options: DownsamplingOptions
  readonly #unsupported = new Set<string>()
  readonly #empty = new Set<string>()

  constructor(options: DownsamplingOptions) {
    this.#options = options
  }

  /** Blocks of which nothing is left at a coarser resolution (stale markers alone). */
  get empty(): ReadonlySet<string> {
    return this.#empty
  }

  /** Does what is due; returns what failed, for the next round to try again. */
  async run(needs: readonly DownsampleNeed[], signal: AbortSignal): Promise<unknown[]> {
    const failures: unknown[] = []
    const due = needs.filter((need) => need.due && !this.#unsupported.has(need.meta.ulid))
    await forEachBounded(due, this.#options.concurrency, async (need) => {
      try {
        await this.#downsample(need, signal)
      } catch (err) {
        signal.throwIfAborted()
        failures.push(err)
        this.#fail(need.meta)
        this.#options.logger.error({ block: need.meta.ulid, err }, 'could not downsample block: it is tried again')
      }
    })
    return failures
  }

  async #downsample({ meta: input, resolutionMs }: DownsampleNeed, signal: AbortSignal): Promise<void> {
    const { changes, runJob, logger, metrics } = this.#options
    const resolution = String(input.thanos.resolutionMs)
    const took = metrics.downsampleSeconds.startTimer({ resolution })
    const block = changes.newBlock()
    logger.info({ block: input.ulid, output: block.ulid, resolutionMs }, 'downsampling')
    const outcome = await runJob({ kind: 'downsample', input, resolutionMs, ...block }, signal)
    if (outcome.kind === 'bad_input') return this.#setAside(input, outcome, signal)
    await changes.publish(outcome.meta, block.folder, signal)
    if (outcome.meta.stats.numSamples === 0) this.#empty.add(input.ulid)
    took()
    metrics.downsamples.inc({ resolution })
    logger.info({ block: input.ulid, output: block.ulid, samples: outcome.meta.stats.numSamples }, 'downsampled')
  }

  /** A damaged block is marked; what only this version cannot do is tried again by the next one. */
  async #setAside(
    input: BlockMeta,
    { code, reason }: JobOutcome & { kind: 'bad_input' },
    signal: AbortSignal,
  ): Promise<void> {
    const { changes, logger } = this.#options
    this.#fail(input)
    if (code === 'unsupported') {
      this.#unsupported.add(input.ulid)
      logger.warn({ block: input.ulid, reason }, 'block stays as it is, and does not expire: it cannot be downsampled')
      return
    }
    logger.error({ block: input.ulid, reason }, 'block set aside: it cannot be downsampled')
    await changes.mark(input.ulid, 'no-downsample', { details: reason, signal })
  }

  #fail({ thanos }: BlockMeta): void {
    this.#options.metrics.downsampleFailures.inc({ resolution: String(thanos.resolutionMs) })
  }
}
