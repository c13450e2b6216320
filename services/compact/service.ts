// The compactor as a service: merges, downsamples and expires the bucket's blocks, once or (--wait) again and again.
// Exit status: 0 all done, or another compactor is at work; 1 something failed or was newly set aside; 2 a wrong configuration.
// Owns the wiring and the rounds' timetable; the round itself is lib/compact.
import { setTimeout as sleep } from 'node:timers/promises'
import { type BucketView, readView } from '../../lib/compact/block-sync.ts'
import type { Compactor } from '../../lib/compact/compactor.ts'
import { type CompactMetrics, compactMetrics } from '../../lib/compact/metrics.ts'
import type { Round } from '../../lib/compact/round.ts'
import { asMnemoError, describeError, MnemoError } from '../../lib/kit/errors.ts'
import { withFolderLock } from '../../lib/kit/folder-lock.ts'
import { warnOfIgnored } from '../../lib/kit/foreign-flags.ts'
import { startHttpWhenAsked } from '../../lib/kit/http-when-asked.ts'
import { runService, type ServiceContext } from '../../lib/kit/lifecycle.ts'
import type { Bucket } from '../../lib/objstore/bucket.ts'
import { checkAccess } from '../../lib/objstore/check-access.ts'
import { createBucket, type ReadObjstore, readObjstore, requireObjstoreConfig } from '../../lib/objstore/config.ts'
import { BlockViews } from './block-views.ts'
import type { BlockRoutesParts } from './blocks-api.ts'
import {
  type CompactConfig,
  checkConfig,
  flags,
  forecastOptionsOf,
  leaseNameOf,
  rangesOf,
  retentionOf,
} from './config.ts'
import { createCompactor, createSources } from './create.ts'
import { LeaseKeeper } from './lease-keeper.ts'
import { exposeProgress, RunProgress } from './progress.ts'
import type { CompactorThreads } from './threads.ts'

/** How long a round waits for one of another process over the same data folder. */
const turnTimeoutMs = 60_000
/** How soon a round that failed is tried again; twice as long each time. */
const firstRetryMs = 5_000

/** Runs the service from its flags to its end; `threads` have been started. */
export function compact(argv: string[], threads: CompactorThreads): Promise<void> {
  return runService({
    name: 'compact',
    summary:
      "Merges the bucket's blocks into longer ones, downsamples them and deletes what retention says. Run one for a bucket.",
    flags,
    argv,
    run: (config, ctx) => run(config, ctx, threads),
  })
}

async function run(config: CompactConfig, ctx: ServiceContext, threads: CompactorThreads): Promise<void> {
  const { logger, registry } = ctx
  checkConfig(config)
  rangesOf(config)
  retentionOf(config)
  warnOfIgnored(flags, config, logger)
  const objstore = await readObjstore(requireObjstoreConfig(config), logger)
  const bucket = await createBucket(objstore, { registry, logger })
  ctx.onStop('bucket', () => bucket.close())
  ctx.onStop('threads', () => threads.close())
  if (config.dryRun) return dryRun(config, ctx, bucket)

  const metrics = compactMetrics(registry)
  const views = new BlockViews(config, ctx, bucket)
  const sources = await createSources(config, { bucket, ctx, dataDir: config.dataDir })
  const progress = config.wait ? undefined : new RunProgress(config)
  const onView = (view: BucketView) => {
    views.setLoaded(view)
    progress?.start(view)
  }
  const onRead = (bytes: number) => progress?.read(bytes)
  const compactor = createCompactor(config, ctx, { bucket, sources, metrics, threads, onView, onRead })
  ctx.onStop('progress', () => progress?.done())
  await serve(config, ctx, { bucket, views, logger })
  await checkAccess(bucket, logger, ctx.signal)
  const lease = await createLease(config, ctx, objstore)
  const service = new CompactService({ config, ctx, compactor, lease, metrics })
  if (!config.wait) return service.once()
  await service.prepare()
  if (!config.webDisable) ctx.onStop('global view', views.refreshGlobal())
  exposeProgress(config, ctx, views)
  await service.untilStopped()
}

/** A single run has no page, and is seldom asked anything. */
async function serve(config: CompactConfig, ctx: ServiceContext, parts: BlockRoutesParts): Promise<void> {
  const options = { ...ctx, address: config.httpAddress, graceMs: config.httpGracePeriodMs }
  if (!config.wait) return void (await startHttpWhenAsked(options))
  const { startHttp } = await import('../../lib/kit/http.ts')
  if (config.webDisable) return void (await startHttp(options))
  const { blockRoutes } = await import('./blocks-api.ts')
  await startHttp(options, blockRoutes(config, parts))
}

/** The plan alone, on standard output. */
async function dryRun(config: CompactConfig, ctx: ServiceContext, bucket: Bucket): Promise<void> {
  const { describePlan } = await import('./dry-run.ts')
  const view = await readView(await createSources(config, { bucket, ctx }), ctx.signal)
  process.stdout.write(describePlan(view, forecastOptionsOf(config, Date.now())))
}

async function createLease(config: CompactConfig, ctx: ServiceContext, objstore: ReadObjstore): Promise<LeaseKeeper> {
  const { logger, signal } = ctx
  const bucket = await createBucket(objstore, { logger })
  const lease = new LeaseKeeper({ bucket, name: leaseNameOf(config), durationMs: config.leaseMs, logger, signal })
  ctx.onStop('lease', async () => {
    await lease.release()
    await bucket.close()
  })
  return lease
}

interface CompactServiceParts {
  readonly config: CompactConfig
  readonly ctx: ServiceContext
  readonly compactor: Compactor
  readonly lease: LeaseKeeper
  readonly metrics: CompactMetrics
}

class CompactService {
  readonly #parts: CompactServiceParts

  constructor(parts: CompactServiceParts) {
    this.#parts = parts
  }

  /**
   * Sees that there is a folder to work in, and clears what a killed run left. Throws `config` where nothing can be
   * written; where another process works in the folder, the rounds wait for their turn.
   */
  async prepare(): Promise<void> {
    try {
      await this.#clearFolder()
    } catch (error) {
      if (!(error instanceof MnemoError) || error.code !== 'unavailable') throw error
      this.#parts.ctx.logger.warn({ err: error }, 'the data folder is in use: each round tries again')
    }
    this.#parts.ctx.probe.ready()
  }

  /**
   * One round. Throws where something failed or was set aside, or where it was stopped before its end; another compactor
   * at work is no failure.
   */
  async once(): Promise<void> {
    const { logger, signal } = this.#parts.ctx
    try {
      const round = await this.#onlyRound()
      if (!round) return
      if (round.error) throw round.error
      logger.info('all done')
    } catch (error) {
      // No cancellation, which would end with status 0.
      if (signal.aborted) throw new MnemoError('unavailable', 'stopped before all was done: the next run goes on')
      throw error
    }
  }

  async #onlyRound(): Promise<Round | undefined> {
    const { ctx, lease } = this.#parts
    if (!(await lease.acquire())) return undefined
    await this.#clearFolder()
    ctx.probe.ready()
    const round = await this.#round()
    ctx.signal.throwIfAborted()
    return round
  }

  async #clearFolder(): Promise<void> {
    const { compactor, config } = this.#parts
    const wrong = (cause: unknown) => new MnemoError('config', `cannot use --data-dir=${config.dataDir}`, { cause })
    try {
      await this.#locked(async () => {
        try {
          await compactor.prepare()
        } catch (error) {
          throw wrong(error)
        }
      })
    } catch (error) {
      const known = asMnemoError(error)
      throw ['canceled', 'unavailable', 'config'].includes(known.code) ? known : wrong(error)
    }
  }

  /** Round after round. What fails is told, and tried again: soon at first, then less and less often, as after any round. */
  async untilStopped(): Promise<void> {
    const { config, ctx, compactor, lease, metrics } = this.#parts
    const { signal, logger, probe } = ctx
    const stopCleaning = every(config.cleanupIntervalMs, async () => {
      if (!lease.isOurs) return
      await compactor.clean(signal).catch((err: unknown) => {
        if (!signal.aborted) logger.warn({ err }, 'could not clean up: it is tried again')
      })
    })
    ctx.onStop('cleaning', stopCleaning)
    let failed = 0
    while (!signal.aborted) {
      let waitMs = config.waitIntervalMs
      try {
        const round = await this.#round()
        failed = this.#tell(round) ? 0 : failed + 1
        // Whoever stands by takes over soon after the lease has expired.
        if (!round) waitMs = Math.min(waitMs, config.leaseMs)
      } catch (error) {
        if (signal.aborted) return
        failed++
        metrics.retries.inc()
        logger.error({ err: asMnemoError(error) }, 'round failed: the next one tries again')
        probe.notReady(describeError(error))
      }
      if (failed > 0) waitMs = Math.min(waitMs, firstRetryMs * 2 ** (failed - 1))
      await sleep(waitMs, undefined, { signal })
    }
  }

  /** Ready, unless the round met what may pass: a full disk, a bucket that does not answer. Returns which. */
  #tell(round: Round | undefined): boolean {
    const { ctx, metrics } = this.#parts
    const passing = [...(round?.failures.values() ?? [])].find(({ retryable, code }) => retryable || code === 'config')
    if (!passing) {
      ctx.probe.ready()
      return true
    }
    metrics.retries.inc()
    ctx.probe.notReady(describeError(passing))
    return false
  }

  /** Undefined where another compactor is at work. */
  async #round(): Promise<Round | undefined> {
    const { ctx, compactor, lease } = this.#parts
    const lost = await lease.acquire()
    if (!lost) return undefined
    try {
      return await this.#locked(() => compactor.run(AbortSignal.any([ctx.signal, lost])))
    } catch (error) {
      if (!lost.aborted || ctx.signal.aborted) throw error
      ctx.logger.warn({ err: lost.reason }, 'another compactor has taken over: this one stops its work')
      return undefined
    }
  }

  #locked<T>(work: () => Promise<T>): Promise<T> {
    const { config, ctx } = this.#parts
    const { logger, signal } = ctx
    return withFolderLock({ folder: config.dataDir, waitMs: turnTimeoutMs, logger, signal }, work)
  }
}

/** Calls again and again, `intervalMs` apart, one call at a time; 0: never. Returns how to stop it. */
function every(intervalMs: number, work: () => Promise<void>): () => void {
  if (intervalMs === 0) return () => {}
  let isRunning = false
  const timer = setInterval(async () => {
    if (isRunning) return
    isRunning = true
    await work()
    isRunning = false
  }, intervalMs)
  return () => clearInterval(timer)
}
