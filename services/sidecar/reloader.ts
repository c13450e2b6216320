// Tells Prometheus to reload where its configuration or rules have changed, with $(VARIABLES) filled in on the way.
// Behaves as Thanos pkg/reloader: a change is what the files' hashes say, the file system's events only hasten it.
// Owns what was loaded last, and the written configuration. Metrics are thanos_sidecar_reloader_*.
import { createHash, type Hash } from 'node:crypto'
import { type FSWatcher, watch } from 'node:fs'
import { readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { MnemoError } from '../../lib/kit/errors.ts'
import type { Logger } from '../../lib/kit/log.ts'
import { counter, gauge, type Registry } from '../../lib/kit/metrics.ts'
import type { ReloadMethod, ReloadTrigger } from './reload-trigger.ts'

export interface ReloaderOptions {
  /** '' for none. */
  readonly configFile: string
  /** Where the configuration is written with its variables filled in; '' for nowhere. */
  readonly outputFile: string
  readonly ruleDirs: readonly string[]
  /** How often files are read in any case; 0: the output is written once, and nothing is watched. */
  readonly watchIntervalMs: number
  /** How soon a reload that failed is tried again. */
  readonly retryIntervalMs: number
  readonly method: ReloadMethod
  readonly trigger: ReloadTrigger
  readonly env: Readonly<Record<string, string | undefined>>
  readonly logger: Logger
  readonly registry: Registry
}

/** Editors and kubelets touch several files at once. */
const settleMs = 50
const gzipMagic = Buffer.from([0x1f, 0x8b, 0x08])

export class Reloader {
  readonly #options: ReloaderOptions
  readonly #metrics: ReturnType<typeof reloaderMetrics>
  /** Of what Prometheus has loaded; undefined: of nothing that is known. */
  #loaded: string | undefined
  #wake = Promise.withResolvers<void>()

  constructor(options: ReloaderOptions) {
    this.#options = options
    this.#metrics = reloaderMetrics(options.registry)
    this.#metrics.info.set({ method: options.method }, 1)
  }

  /** Until the signal. Throws `config` where the configuration cannot be read or written at the start. */
  async run(signal: AbortSignal): Promise<void> {
    const { configFile, ruleDirs, watchIntervalMs, logger } = this.#options
    if (configFile === '' && ruleDirs.length === 0) return
    try {
      if (configFile !== '') await this.#write()
    } catch (cause) {
      throw new MnemoError('config', `cannot use --reloader.config-file ${configFile}`, { cause })
    }
    if (watchIntervalMs === 0) return
    const watchers = this.#watch()
    logger.info({ config: configFile, rules: ruleDirs.join(',') }, 'watching configuration and rules')
    try {
      for (;;) {
        await this.#apply(signal)
        await this.#untilChange(signal)
      }
    } finally {
      for (const watcher of watchers) watcher.close()
    }
  }

  /** Waits for an event of the file system, or for the interval. */
  async #untilChange(signal: AbortSignal): Promise<void> {
    const done = new AbortController()
    const either = AbortSignal.any([signal, done.signal])
    const interval = sleep(this.#options.watchIntervalMs, undefined, { signal: either }).catch(() => undefined)
    await Promise.race([this.#wake.promise, interval])
    done.abort()
    await sleep(settleMs, undefined, { signal })
    this.#wake = Promise.withResolvers<void>()
  }

  #watch(): FSWatcher[] {
    const { configFile, ruleDirs, logger } = this.#options
    // The folder, not the file: a file that is replaced is another one.
    const folders = [...new Set([...(configFile === '' ? [] : [path.dirname(configFile)]), ...ruleDirs])]
    const isOurs = (folder: string, name: string | null) =>
      ruleDirs.includes(folder) || name === null || name === path.basename(configFile) || name === '..data'
    const watchers = folders.flatMap((folder) => {
      try {
        const watcher = watch(folder, { persistent: false }, (_event, name) => {
          if (!isOurs(folder, name)) return
          this.#metrics.events.inc()
          this.#wake.resolve()
        })
        watcher.on('error', (err) => this.#watchFailed(err, folder))
        return [watcher]
      } catch (err) {
        this.#watchFailed(err, folder)
        return []
      }
    })
    this.#metrics.watches.set(watchers.length)
    if (watchers.length < folders.length) logger.warn('changes are found at the interval alone')
    return watchers
  }

  #watchFailed(err: unknown, folder: string): void {
    this.#metrics.watchErrors.inc()
    this.#options.logger.error({ err, folder }, 'cannot watch folder')
  }

  /** Reloads where something has changed, trying again until it succeeds or the interval is over. */
  async #apply(signal: AbortSignal): Promise<void> {
    const { configFile, logger, trigger, watchIntervalMs, retryIntervalMs } = this.#options
    const { applied, applyFailures, reloads, reloadFailures, success, successTime } = this.#metrics
    applied.inc()
    let found: string
    try {
      if (configFile !== '') await this.#write()
      found = await this.#hash()
    } catch (err) {
      applyFailures.inc()
      logger.error({ err }, 'cannot read configuration and rules: what is loaded stays')
      return
    }
    if (found === this.#loaded) return
    this.#loaded = undefined
    const untilMs = performance.now() + watchIntervalMs
    for (;;) {
      reloads.inc()
      try {
        await trigger(AbortSignal.any([signal, AbortSignal.timeout(watchIntervalMs)]))
        this.#loaded = found
        success.set(1)
        successTime.set(Date.now() / 1000)
        logger.info('Prometheus has reloaded its configuration')
        return
      } catch (err) {
        signal.throwIfAborted()
        reloadFailures.inc()
        success.set(0)
        logger.error({ err }, 'cannot reload Prometheus: it is tried again')
      }
      if (performance.now() + retryIntervalMs > untilMs) return
      await sleep(retryIntervalMs, undefined, { signal })
    }
  }

  /** The configuration, unpacked where it is gzip, its variables filled in; written beside and renamed. */
  async #write(): Promise<void> {
    const { configFile, outputFile } = this.#options
    if (outputFile === '') return
    const bytes = await readFile(configFile)
    const isPacked = bytes.subarray(0, gzipMagic.length).equals(gzipMagic)
    const text = (isPacked ? await promisify(gunzip)(bytes) : bytes).toString()
    const temporary = `${outputFile}.tmp`
    try {
      await writeFile(temporary, this.#expand(text))
      await rename(temporary, outputFile)
    } finally {
      await rm(temporary, { force: true })
    }
  }

  /** `$(NAME)` by the environment; a name that is not in it is an error, for what is written would be another configuration. */
  #expand(text: string): string {
    const missing = new Set<string>()
    const expanded = text.replace(/\$\(([a-zA-Z_0-9]+)\)/g, (whole, name: string) => {
      const value = this.#options.env[name]
      if (value === undefined) missing.add(name)
      return value ?? whole
    })
    this.#metrics.expansionErrors.set(missing.size)
    if (missing.size === 0) return expanded
    const names = [...missing].join(', ')
    throw new MnemoError(
      'bad_data',
      `cannot fill in ${this.#options.configFile}: got no value of ${names} in the environment`,
    )
  }

  async #hash(): Promise<string> {
    const { configFile, ruleDirs } = this.#options
    const hash = createHash('sha256')
    if (configFile !== '') await addFile(hash, configFile)
    for (const folder of ruleDirs) await addFolder(hash, folder)
    return hash.digest('hex')
  }
}

/** All files below a folder, those that links lead to among them. */
async function addFolder(hash: Hash, folder: string): Promise<void> {
  for (const name of (await readdir(folder)).sort()) {
    const file = path.join(folder, name)
    if ((await stat(file)).isDirectory()) await addFolder(hash, file)
    else await addFile(hash, file)
  }
}

async function addFile(hash: Hash, file: string): Promise<void> {
  hash.update(`\xff${file}\xff`, 'latin1')
  hash.update(await readFile(file))
}

function reloaderMetrics(registry: Registry) {
  const prefix = 'thanos_sidecar_reloader'
  const count = (name: string, help: string) => counter(registry, { name: `${prefix}_${name}`, help })
  const level = (name: string, help: string) => gauge(registry, { name: `${prefix}_${name}`, help })
  return {
    reloads: count('reloads_total', 'Total number of reload requests.'),
    reloadFailures: count('reloads_failed_total', 'Total number of reload requests that failed.'),
    success: level('last_reload_successful', 'Whether the last reload attempt was successful.'),
    successTime: level('last_reload_success_timestamp_seconds', 'Timestamp of the last successful reload.'),
    applied: count('config_apply_operations_total', 'Total number of config apply operations.'),
    applyFailures: count(
      'config_apply_operations_failed_total',
      'Total number of config apply operations that failed.',
    ),
    expansionErrors: level(
      'config_environment_variable_expansion_errors',
      'Number of environment variable expansions that failed during the last operation.',
    ),
    watches: level('watches', 'Number of resources watched by the reloader.'),
    events: count('watch_events_total', 'Total number of events received by the reloader from the watcher.'),
    watchErrors: count('watch_errors_total', 'Total number of errors received by the reloader from the watcher.'),
    info: gauge(registry, {
      name: `${prefix}_info`,
      help: "A metric with a constant '1' value labeled by reload method (either 'http' or 'signal').",
      labelNames: ['method'],
    }),
  }
}
