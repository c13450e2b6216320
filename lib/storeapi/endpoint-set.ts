// The stores a querier asks: their health, label sets and time ranges, learned by Info calls.
// An endpoint stays as long as it is a target, and for the unhealthy timeout after it has ceased to be one: what it held
// is missing then, which a query has to say. Owns the connections that Info goes over.
import { setTimeout as sleep } from 'node:timers/promises'
import { describeError, MnemoError } from '../kit/errors.ts'
import type { ClientTls } from '../kit/grpc.ts'
import type { Labels } from '../labels/labels.ts'
import type { Endpoint } from './endpoints.ts'
import { noBoundMs, type StoreApi, type StoreInfo, type TsdbInfo } from './types.ts'

/** An address to ask, and how. */
export interface EndpointTarget {
  /** host:port, or what is shown for a target that has no address. */
  readonly address: string
  readonly tls?: ClientTls
  /** Stays on the stores page however long it is lost. */
  readonly isStrict?: boolean
  /** Why it cannot even be connected to, such as a name that does not resolve. */
  readonly problem?: string
}

/** An entry of /api/v1/stores, named as in Thanos's answer. */
export interface EndpointStatus {
  readonly name: string
  /** RFC 3339; the last Info call that was answered. */
  readonly lastCheck: string
  readonly lastError: string | null
  readonly labelSets: readonly Labels[]
  readonly minTime: number
  readonly maxTime: number
}

/** A connection; `close` is called when its endpoint is no longer asked. */
export type EndpointConnection = Pick<StoreApi, 'info'> & { close?(): void }

export interface EndpointSetOptions {
  readonly targets: readonly EndpointTarget[]
  readonly connect: (target: EndpointTarget) => EndpointConnection
  /** Longest wait for an Info answer, ms. */
  readonly infoTimeoutMs: number
  /** How long a lost store stays on the stores page, and one that is no longer a target in the set, ms. */
  readonly unhealthyTimeoutMs: number
  /** Called where a store comes up (no error) or is lost. */
  readonly onChange?: (endpoint: Endpoint) => void
}

interface Entry {
  readonly target: EndpointTarget
  /** Absent: the target has a problem. */
  readonly connection: EndpointConnection | undefined
  endpoint: Endpoint
  tsdbInfos: readonly TsdbInfo[]
  /** Unix ms of the last answered Info call, or of the start. */
  seenMs: number
  /** Unix ms since when it is no target any more. */
  leftMs: number | undefined
  asked: boolean
  answered: boolean
}

/** Name of the component type while a store has never answered. */
const unknownComponent = 'unknown-store-api'
/** Components that always have a StoreAPI, but for the time until they are ready. */
const storeTypes = new Set(['sidecar', 'store', 'receive', 'query'])
const neverChecked = '0001-01-01T00:00:00Z'

/** The stores, configured or discovered. */
export class EndpointSet {
  readonly #entries = new Map<string, Entry>()
  readonly #options: EndpointSetOptions

  constructor(options: EndpointSetOptions) {
    this.#options = options
    this.setTargets(options.targets)
  }

  /** What is known now. */
  get endpoints(): readonly Endpoint[] {
    return [...this.#entries.values()].map(({ endpoint }) => endpoint)
  }

  /** The TSDBs behind the stores that can be asked. */
  get tsdbInfos(): readonly TsdbInfo[] {
    return [...this.#entries.values()].flatMap(({ endpoint, tsdbInfos }) =>
      endpoint.lastError === undefined ? tsdbInfos : [],
    )
  }

  /** For the stores page: by component type, then by address; without those that have been lost for too long. */
  get statuses(): Readonly<Record<string, readonly EndpointStatus[]>> {
    const statuses: Record<string, EndpointStatus[]> = {}
    const oldestMs = Date.now() - this.#options.unhealthyTimeoutMs
    const entries = [...this.#entries.values()].sort((a, b) => (a.target.address < b.target.address ? -1 : 1))
    for (const entry of entries) {
      const { endpoint, seenMs, target } = entry
      if (endpoint.lastError !== undefined && seenMs <= oldestMs && !target.isStrict) continue
      statuses[endpoint.componentType] ??= []
      statuses[endpoint.componentType]!.push(statusOf(entry))
    }
    return statuses
  }

  /** Asks these from now on, each address once; what was a target until now stays for a while (class comment). */
  setTargets(targets: readonly EndpointTarget[]): void {
    const nowMs = Date.now()
    const wanted = new Map(targets.map((target) => [target.address, target]))
    for (const [address, entry] of this.#entries) {
      const target = wanted.get(address)
      // A name that resolves now is no endpoint itself any more.
      if (entry.connection === undefined && target === undefined) this.#entries.delete(address)
      else if (target === undefined) entry.leftMs ??= nowMs
      else if (isSame(target, entry.target)) entry.leftMs = undefined
      else this.#drop(address, entry)
    }
    for (const [address, target] of wanted) if (!this.#entries.has(address)) this.#add(address, target, nowMs)
    this.#dropLeft(nowMs)
  }

  /** Asks all stores once, side by side; resolves when each has answered or failed. Throws nothing but the signal's abort. */
  async refresh(signal: AbortSignal): Promise<void> {
    this.#dropLeft(Date.now())
    await Promise.all([...this.#entries.values()].map((entry) => this.#refreshOne(entry, signal)))
  }

  /** Refreshes every `intervalMs` until the signal. */
  async keepFresh(intervalMs: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(intervalMs, undefined, { signal }).catch(ignoreAbort)
      if (!signal.aborted) await this.refresh(signal)
    }
  }

  /** Ends all connections. */
  close(): void {
    for (const [address, entry] of this.#entries) this.#drop(address, entry)
  }

  #add(address: string, target: EndpointTarget, nowMs: number): void {
    const { problem, tls } = target
    this.#entries.set(address, {
      target,
      connection: problem === undefined ? this.#options.connect(target) : undefined,
      endpoint: {
        ...unknownEndpoint,
        address,
        ...(tls && { tls }),
        ...(problem !== undefined && { lastError: problem }),
      },
      tsdbInfos: [],
      seenMs: nowMs,
      leftMs: undefined,
      asked: false,
      answered: false,
    })
  }

  #drop(address: string, entry: Entry): void {
    this.#entries.delete(address)
    entry.connection?.close?.()
  }

  #dropLeft(nowMs: number): void {
    const oldestMs = nowMs - this.#options.unhealthyTimeoutMs
    for (const [address, entry] of this.#entries)
      if (entry.leftMs !== undefined && entry.leftMs <= oldestMs) this.#drop(address, entry)
  }

  async #refreshOne(entry: Entry, signal: AbortSignal): Promise<void> {
    const wasHealthy = entry.answered && entry.endpoint.lastError === undefined
    const { infoTimeoutMs, onChange } = this.#options
    if (entry.connection === undefined) {
      if (!entry.asked) onChange?.(entry.endpoint)
      entry.asked = true
      return
    }
    const abort = new AbortController()
    const timeout = new MnemoError('timeout', `got no answer to Info for ${infoTimeoutMs} ms`)
    const timer = setTimeout(() => abort.abort(timeout), infoTimeoutMs)
    try {
      const info = await entry.connection.info(AbortSignal.any([signal, abort.signal]))
      // What it holds is missing until then, which queries have to say; its labels are not all known to it either.
      if (info.store === undefined && storeTypes.has(info.componentType))
        throw new MnemoError('unavailable', `the ${info.componentType} is not ready: it offers no StoreAPI yet`)
      entry.endpoint = endpointOf(entry.target, info)
      entry.tsdbInfos = info.store?.tsdbInfos ?? []
      entry.seenMs = Date.now()
      entry.answered = true
    } catch (error) {
      if (signal.aborted) return
      const lastError = describeError(abort.signal.aborted ? abort.signal.reason : error)
      entry.endpoint = { ...entry.endpoint, lastError }
    } finally {
      clearTimeout(timer)
    }
    const isHealthy = entry.endpoint.lastError === undefined
    if (isHealthy !== wasHealthy || !entry.asked) onChange?.(entry.endpoint)
    entry.asked = true
  }
}

/** Before the first answer: may hold anything. */
const unknownEndpoint: Omit<Endpoint, 'address'> = {
  componentType: unknownComponent,
  labelSets: [],
  minTime: -noBoundMs,
  maxTime: noBoundMs,
  hasStore: true,
  supportsWithoutReplicaLabels: false,
  lastError: 'it has not been asked yet',
}

function endpointOf({ address, tls }: EndpointTarget, info: StoreInfo): Endpoint {
  return {
    address,
    ...(tls && { tls }),
    componentType: info.componentType || unknownComponent,
    labelSets: info.labelSets.filter((labels) => labels.length > 0),
    minTime: info.store?.minTime ?? -noBoundMs,
    maxTime: info.store?.maxTime ?? noBoundMs,
    hasStore: info.store !== undefined,
    supportsWithoutReplicaLabels: info.store?.supportsWithoutReplicaLabels ?? false,
    apis: info.apis ?? [],
  }
}

function isSame(a: EndpointTarget, b: EndpointTarget): boolean {
  return a.problem === b.problem && a.isStrict === b.isStrict && JSON.stringify(a.tls) === JSON.stringify(b.tls)
}

function statusOf({ endpoint, seenMs, answered }: Entry): EndpointStatus {
  return {
    name: endpoint.address,
    lastCheck: answered ? new Date(seenMs).toISOString() : neverChecked,
    lastError: endpoint.lastError ?? null,
    labelSets: endpoint.labelSets,
    minTime: endpoint.minTime,
    maxTime: endpoint.maxTime,
  }
}

function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error && error.name === 'AbortError')) throw error
}
