// What the sidecar knows of its Prometheus: external labels, oldest sample, whether it is up; read again and again.
// Rules: Thanos cmd/thanos/sidecar.go. Without external labels blocks of different Prometheus could not be told apart.
// Owns that knowledge, readiness, and thanos_sidecar_prometheus_up.
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { formatDurationMs } from '../../lib/kit/duration.ts'
import { describeError, MnemoError } from '../../lib/kit/errors.ts'
import type { Logger } from '../../lib/kit/log.ts'
import { gauge, type Registry } from '../../lib/kit/metrics.ts'
import type { Probe } from '../../lib/kit/probe.ts'
import { formatLabels, type Labels, labelsKey } from '../../lib/labels/labels.ts'
import { noBoundMs } from '../../lib/storeapi/types.ts'
import type { SidecarConfig } from './config.ts'
import type { PrometheusClient } from './prometheus.ts'

export interface PrometheusStateOptions {
  readonly client: PrometheusClient
  readonly config: SidecarConfig
  /** Whether blocks are shipped, which asks more of Prometheus's flags. */
  readonly ships: boolean
  readonly logger: Logger
  readonly probe: Probe
  readonly registry: Registry
}

/** How soon a Prometheus that is down is asked again, where the interval is longer. */
const retryMs = 2_000
const recommendedBlockMs = 7_200_000

export class PrometheusState {
  readonly #options: PrometheusStateOptions
  readonly #up
  #labels: Labels = []
  #minTime = -noBoundMs
  /** Why it is down now. */
  #problem: string | undefined

  constructor(options: PrometheusStateOptions) {
    this.#options = options
    this.#up = gauge(options.registry, {
      name: 'thanos_sidecar_prometheus_up',
      help: 'Boolean indicator whether the sidecar can reach its Prometheus peer.',
    })
  }

  /** Labels and times as StoreAPI announces them. Throws `unavailable` while Prometheus is down or has not been reached. */
  announced(): { labels: Labels; minTime: number; maxTime: number } {
    const { probe, config } = this.#options
    if (!probe.isReady)
      throw new MnemoError('unavailable', `cannot answer for ${config.prometheusUrl}: ${probe.notReadyReason}`)
    const minTime = Math.max(this.#minTime, config.minTime.resolveMs(Date.now()))
    return { labels: this.#labels, minTime, maxTime: noBoundMs }
  }

  /** External labels as last read; none before that. */
  get labels(): Labels {
    return this.#labels
  }

  /**
   * Waits for Prometheus, where blocks are shipped no longer than --prometheus.ready_timeout (`timeout`). Throws `config`
   * where it has no external labels.
   */
  async untilUp(signal: AbortSignal): Promise<void> {
    const { client, config, ships, logger } = this.#options
    const deadlineMs = performance.now() + config.prometheusReadyTimeoutMs
    for (;;) {
      try {
        await this.#read(signal)
        if (ships) checkBlockDurations(await client.flags(signal), config, logger)
        return this.#isUp()
      } catch (error) {
        signal.throwIfAborted()
        if (error instanceof MnemoError && error.code === 'config') throw error
        this.#isDown(error)
        if (ships && performance.now() > deadlineMs) {
          const waited = formatDurationMs(config.prometheusReadyTimeoutMs)
          throw new MnemoError('timeout', `cannot ship blocks: Prometheus was not ready for ${waited}`, {
            cause: error,
          })
        }
        await sleep(this.#retryMs, undefined, { signal })
      }
    }
  }

  /** Reads again at the interval until stopped; not ready while Prometheus is down. */
  async keepReading(signal: AbortSignal): Promise<void> {
    for (;;) {
      await sleep(this.#problem === undefined ? this.#options.config.getConfigIntervalMs : this.#retryMs, undefined, {
        signal,
      })
      try {
        await this.#read(signal)
        this.#isUp()
      } catch (error) {
        signal.throwIfAborted()
        this.#isDown(error)
      }
    }
  }

  /** Throws `config` where there are no external labels. */
  async #read(signal: AbortSignal): Promise<void> {
    const { client, config, logger } = this.#options
    this.#minTime = await client.lowestTimestampMs(signal)
    const labels = await client.externalLabels(signal)
    if (labels.length === 0)
      throw new MnemoError(
        'config',
        `cannot serve ${config.prometheusUrl}: got no external labels in its configuration, want labels that tell it from every other Prometheus`,
      )
    if (labelsKey(labels) !== labelsKey(this.#labels))
      logger.info({ labels: formatLabels(labels) }, 'read the external labels of Prometheus')
    this.#labels = labels
  }

  get #retryMs(): number {
    return Math.min(retryMs, this.#options.config.getConfigIntervalMs)
  }

  #isUp(): void {
    const { probe, logger } = this.#options
    if (this.#problem !== undefined) logger.info('Prometheus is up')
    this.#problem = undefined
    this.#up.set(1)
    if (!probe.isReady) probe.ready()
  }

  #isDown(error: unknown): void {
    const { probe, logger } = this.#options
    const problem = describeError(error)
    // Told once, not at every try.
    if (problem !== this.#problem) logger.warn(`Prometheus cannot be used, it is tried again: ${problem}`)
    this.#problem = problem
    this.#up.set(0)
    probe.notReady(`Prometheus cannot be used: ${problem}`)
  }
}

/** Throws where Prometheus could compact or delete a block before it is shipped. */
function checkBlockDurations(
  flags: Awaited<ReturnType<PrometheusClient['flags']>>,
  config: SidecarConfig,
  logger: Logger,
): void {
  const { minBlockDurationMs, maxBlockDurationMs, delayCompactFile } = flags
  const stateFile = path.resolve(config.tsdbPath, config.shipperMetaFileName)
  if (delayCompactFile !== '' && path.resolve(delayCompactFile) !== stateFile)
    throw new MnemoError(
      'execution',
      `cannot ship blocks: got --storage.tsdb.delay-compact-file.path=${delayCompactFile}, want ${stateFile}`,
    )
  const sizes = `got min ${formatDurationMs(minBlockDurationMs)} and max ${formatDurationMs(maxBlockDurationMs)}`
  if (minBlockDurationMs !== maxBlockDurationMs && delayCompactFile === '') {
    if (!config.ignoreUnequalBlockSize)
      throw new MnemoError(
        'execution',
        `cannot ship blocks: ${sizes} block duration, want them equal, so that Prometheus compacts none`,
      )
    logger.warn(`Prometheus may compact blocks before they are shipped: ${sizes} block duration`)
  }
  if (minBlockDurationMs !== recommendedBlockMs) logger.warn(`block duration is not 2h, which is recommended: ${sizes}`)
}
