// From endpoints as they are configured to addresses to ask: files read again, names resolved again.
// A name that DNS cannot answer keeps the addresses that it had; one that never had any is itself a store that is down,
// so that queries say what they miss. Metrics are Thanos's (pkg/discovery/dns). Owns what was resolved last.
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { stringify } from 'yaml'
import { forEachBounded } from '../../lib/kit/bounded.ts'
import { type DnsResolver, parseDnsAddress, resolveDnsAddress, systemResolver } from '../../lib/kit/dns-address.ts'
import { describeError, MnemoError } from '../../lib/kit/errors.ts'
import { clientTlsOf } from '../../lib/kit/grpc-client-flags.ts'
import type { Logger } from '../../lib/kit/log.ts'
import { counter, gauge, type Registry } from '../../lib/kit/metrics.ts'
import type { EndpointTarget } from '../../lib/storeapi/endpoint-set.ts'
import { checkEndpoint, type EndpointFlags, specsOfFlags } from './config-endpoints.ts'
import { parseEndpointConfig } from './endpoint-config.ts'
import type { EndpointSpec } from './endpoint-spec.ts'
import { readSdFiles, watchSdFiles } from './file-sd.ts'

export interface DiscoveryOptions {
  readonly values: EndpointFlags
  readonly registry: Registry
  readonly logger: Logger
  readonly resolver?: DnsResolver
}

const lookupConcurrency = 8
/** Thanos's, and what they were called before, which the alerts of its mixin still ask for. */
const prefixes = ['thanos_query_endpoints_dns', 'thanos_query_store_apis_dns'] as const

export class Discovery {
  readonly #options: DiscoveryOptions
  readonly #resolver: DnsResolver
  /** The last answer for each name. */
  readonly #resolved = new Map<string, readonly string[]>()
  readonly #problems = new Map<string, string>()
  readonly #lookups
  readonly #failures
  readonly #results
  #specs: readonly EndpointSpec[]

  /** Reads the file, where there is one; throws `config` where it is wrong. */
  constructor(options: DiscoveryOptions) {
    const { registry, resolver = systemResolver } = options
    this.#options = options
    this.#resolver = resolver
    const countEach = (suffix: string, help: string) => prefixes.map((prefix) => counter(registry, { name: `${prefix}_${suffix}`, help })) // biome-ignore format: one line
    this.#lookups = countEach('lookups_total', 'The number of DNS lookups resolutions attempts.')
    this.#failures = countEach('failures_total', 'The number of DNS lookup failures.')
    this.#results = gauge(registry, {
      name: `${prefixes[0]}_provider_results`,
      help: 'The number of resolved endpoints for each configured address.',
      labelNames: ['addr'],
    })
    this.#specs = this.#read()
  }

  get isEmpty(): boolean {
    return this.#specs.length === 0
  }

  /** The endpoints as they are configured now, in the form of --endpoint.sd-config. */
  get configYaml(): string {
    const endpoints = this.#specs.map(({ address, isGroup, isStrict }) => ({
      address,
      ...(isGroup && { group: true }),
      ...(isStrict && { strict: true }),
    }))
    return stringify({ endpoints })
  }

  /** What is to be asked now, names resolved as they were last. */
  get targets(): readonly EndpointTarget[] {
    return this.#specs.flatMap((spec) => this.#targetsOf(spec))
  }

  /** Asks DNS for all names. Throws nothing: a failure is logged, and what was known stays. */
  async resolve(): Promise<void> {
    const names = new Set(this.#specs.filter(({ isGroup }) => !isGroup).map(({ address }) => address))
    for (const name of this.#resolved.keys()) if (!names.has(name)) this.#forget(name)
    await forEachBounded([...names], lookupConcurrency, (name) => this.#resolveOne(name))
  }

  /** Resolves and reads again, each at its interval, and tells `onTargets`, until the signal. */
  async keepFresh(
    onTargets: (targets: readonly EndpointTarget[]) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const { values } = this.#options
    const update = async () => {
      await this.resolve()
      if (!signal.aborted) await onTargets(this.targets)
    }
    const repeat = async (intervalMs: number, work: () => Promise<void>) => {
      for (;;) {
        await sleep(intervalMs, undefined, { signal })
        await work()
      }
    }
    const reload = async () => {
      if (this.#reload()) await update()
    }
    const hasFiles = values.sdFiles.length > 0
    await Promise.all([
      repeat(values.dnsIntervalMs, update),
      values.sdConfigFile !== '' && repeat(values.sdConfigReloadMs, reload),
      hasFiles && repeat(values.sdIntervalMs, reload),
      hasFiles && watchSdFiles(values.sdFiles, { onChange: reload, logger: this.#options.logger, signal }),
    ])
  }

  #read(): EndpointSpec[] {
    const { values } = this.#options
    const { sdConfig, sdConfigFile } = values
    const specs = [...specsOfFlags(values), ...this.#readFiles()]
    if (sdConfigFile === '' && sdConfig === '') return specs
    try {
      const text = sdConfigFile === '' ? sdConfig : readFileSync(sdConfigFile, 'utf8')
      return [...specs, ...parseEndpointConfig(text, clientTlsOf(values))]
    } catch (cause) {
      const flag = sdConfigFile === '' ? '--endpoint.sd-config' : `--endpoint.sd-config-file=${sdConfigFile}`
      throw new MnemoError('config', `flag ${flag}`, { cause })
    }
  }

  #readFiles(): EndpointSpec[] {
    const { values } = this.#options
    return readSdFiles(values.sdFiles).map((address) => {
      const spec = { address, isGroup: false, isStrict: false, tls: clientTlsOf(values) }
      checkEndpoint('--store.sd-files', spec)
      return spec
    })
  }

  /** A file that is wrong now leaves what it said before. */
  #reload(): boolean {
    try {
      this.#specs = this.#read()
      return true
    } catch (error) {
      this.#options.logger.error({ err: error }, 'cannot reload endpoints: those known stay')
      return false
    }
  }

  async #resolveOne(name: string): Promise<void> {
    const dns = parseDnsAddress(name)
    if (dns === undefined) return
    for (const lookups of this.#lookups) lookups.inc()
    try {
      const addresses = await resolveDnsAddress(dns, this.#resolver)
      this.#resolved.set(name, addresses)
      this.#results.set({ addr: name }, addresses.length)
      this.#problems.delete(name)
    } catch (error) {
      for (const failures of this.#failures) failures.inc()
      this.#problems.set(name, describeError(error))
      this.#options.logger.warn({ name, err: error }, 'cannot resolve endpoints: those known stay')
    }
  }

  #forget(name: string): void {
    this.#resolved.delete(name)
    this.#problems.delete(name)
    this.#results.remove({ addr: name })
  }

  #targetsOf({ address, isGroup, isStrict, tls }: EndpointSpec): EndpointTarget[] {
    const common = { isStrict, ...(tls && { tls }) }
    if (isGroup) return [{ ...common, address: `dns:///${address.replace(/^dns\+/, '')}` }]
    if (parseDnsAddress(address) === undefined) return [{ ...common, address }]
    const resolved = this.#resolved.get(address)
    if (resolved && resolved.length > 0) return resolved.map((found) => ({ ...common, address: found }))
    const unasked = resolved ? 'it resolves to no address' : 'it has not been resolved yet'
    const problem = this.#problems.get(address) ?? unasked
    return [{ ...common, address, problem }]
  }
}
