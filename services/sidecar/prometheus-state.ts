// What the sidecar knows of its Prometheus: external labels, oldest sample, whether it is up; read again and again.
// Rules: Thanos cmd/thanos/sidecar.go. Without external labels blocks of different Prometheus could not be told apart.
// Owns that knowledge and thanos_sidecar_prometheus_up.
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { formatDurationMs } from '../../lib/kit/duration.ts'
import { asMnemoError, MnemoError } from '../../lib/kit/errors.ts'
import type { Logger } from '../../lib/kit/log.ts'
import { gauge, type Registry } from '../../lib/kit/metrics.ts'
import type { Probe } from '../../lib/kit/probe.ts'
import { formatLabels, type Labels } from '../../lib/labels/labels.ts'
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

export class PrometheusState {
  readonly #options: PrometheusStateOptions
  readonly #up
  #labels: Labels | undefined
  #minTime = -noBoundMs

  constructor(options: PrometheusStateOptions) {
    this.#options = options
    this.#up = gauge(options.registry, {
      name: 'thanos_sidecar_prometheus_up',
      help: 'Boolean indicator whether the sidecar can reach its Prometheus peer.',
    })
  }

  /** Labels and times as StoreAPI announces them. Throws `unavailable` while Prometheus is down or has not been reached. */
  announced(): { labels: Labels; minTime: number; maxTime: number } {
    if (!this.#labels || !this.#options.probe.isReady)
      throw new MnemoError(
        'unavailable',
        `cannot answer: Prometheus at ${this.#options.config.prometheusUrl} is not up`,
      )
    const minTime = Math.max(this.#minTime, this.#options.config.minTime.resolveMs(Date.now()))
    return { labels: this.#labels, minTime, maxTime: noBoundMs }
  }

  /** External labels as last read. */
  get labels(): Labels {
    return this.#labels ?? []
  }

  /** Waits for Prometheus, however long; throws `config` where it has no external labels. */
  async untilUp(signal: AbortSignal): Promise<void> {
    const { client, config, ships, logger } = this.#options
    for (;;) {
      try {
        if (ships) checkFlags(await client.flags(signal), config, logger)
        await this.#read(signal)
        break
      } catch (error) {
        signal.throwIfAborted()
        logger.warn({ err: asMnemoError(error) }, 'cannot use Prometheus: is it running? Trying again')
        await sleep(firstRetryMs, undefined, { signal })
      }
    }
    if (this.#labels?.length === 0)
      throw new MnemoError(
        'config',
        `cannot serve ${config.prometheusUrl}: got no external labels in its configuration, want labels that tell it from every other Prometheus`,
      )
    logger.info({ labels: formatLabels(this.labels) }, 'read the external labels of Prometheus')
    this.#isUp(true)
  }

  /** Reads again at the interval until stopped; not ready while Prometheus is down. */
  async keepReading(signal: AbortSignal): Promise<void> {
    const { config, logger, probe } = this.#options
    for (;;) {
      await sleep(config.getConfigIntervalMs, undefined, { signal })
      try {
        await this.#read(signal)
        this.#isUp(true)
      } catch (error) {
        signal.throwIfAborted()
        this.#isUp(false)
        logger.warn({ err: asMnemoError(error) }, 'Prometheus is down')
        probe.notReady('Prometheus is down')
      }
    }
  }

  async #read(signal: AbortSignal): Promise<void> {
    const { client } = this.#options
    this.#minTime = await client.lowestTimestampMs(signal)
    const labels = await client.externalLabels(signal)
    if (this.#labels === undefined || this.#labels.length === 0 || labels.length > 0) this.#labels = labels
  }

  #isUp(up: boolean): void {
    this.#up.set(up ? 1 : 0)
    if (up && !this.#options.probe.isReady) this.#options.probe.ready()
  }
}

const firstRetryMs = 2_000
const recommendedBlockMs = 7_200_000

/** Throws where Prometheus could compact or delete a block before it is shipped. */
function checkFlags(
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
