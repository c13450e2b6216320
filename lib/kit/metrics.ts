// Metrics of a process: a prom-client registry, and get-or-create helpers for those of a part.
// Names are Thanos's where Thanos has the metric.
// Owns the registry's making; each part owns its metrics. Of prom-client that alone is loaded which is used: the whole of it
// brings Node's HTTP and tracing into each thread.
import type { MetricObjectWithValues, MetricValue } from 'prom-client'
import AggregatorRegistry from 'prom-client/lib/cluster.js'
import Counter from 'prom-client/lib/counter.js'
import Gauge from 'prom-client/lib/gauge.js'
import Histogram from 'prom-client/lib/histogram.js'
import Registry from 'prom-client/lib/registry.js'
import { MnemoError } from './errors.ts'
import { version } from './version.ts'

export { Counter, Gauge, Histogram, Registry }

export interface MetricOptions<L extends string> {
  readonly name: string
  readonly help: string
  readonly labelNames?: readonly L[]
}

/** A registry's metrics as data that travels between threads. */
export type MetricsData = MetricObjectWithValues<MetricValue<string>>[]

/** The main thread's registry: what worker threads count under the same names is added to it when it is read. */
class ProcessRegistry extends Registry {
  #read: (() => Promise<readonly MetricsData[]>) | undefined

  setSource(read: () => Promise<readonly MetricsData[]>): void {
    this.#read = read
  }

  override async metrics(): Promise<string> {
    if (!this.#read) return super.metrics()
    const threads = await this.#read()
    const shared = new Set(threads.flatMap((metrics) => metrics.map(({ name }) => name)))
    const rest = new Registry()
    for (const { name } of this.getMetricsAsArray()) {
      const metric = this.getSingleMetric(name)
      if (metric && !shared.has(name)) rest.registerMetric(metric)
    }
    const own = (await this.getMetricsAsJSON()).filter(({ name }) => shared.has(name))
    const sums = AggregatorRegistry.aggregate([own, ...threads])
    return `${await rest.metrics()}\n${await sums.metrics()}`
  }
}

/** Has the registry add the metrics of other threads, whose registries `read` reads. Throws `internal` for one that createRegistry() has not made. */
export function addThreadMetrics(registry: Registry, read: () => Promise<readonly MetricsData[]>): void {
  if (!(registry instanceof ProcessRegistry))
    throw new MnemoError('internal', 'cannot add the metrics of threads: want the registry of the process')
  registry.setSource(read)
}

/** A registry with `mnemo_build_info`; the HTTP server adds the process's own. */
export function createRegistry(): Registry {
  const registry = new ProcessRegistry()
  gauge(registry, {
    name: 'mnemo_build_info',
    help: 'Always 1; labels tell version, Node.js and platform.',
    labelNames: ['version', 'nodeversion', 'goos', 'goarch'],
  }).set({ version, nodeversion: process.version, goos: process.platform, goarch: process.arch }, 1)
  return registry
}

/** The registry's counter of that name, made where it is not there: parts that exist several times share it. */
export function counter<L extends string>(registry: Registry, options: MetricOptions<L>): Counter<L> {
  const known = registry.getSingleMetric(options.name)
  if (known instanceof Counter) return known as Counter<L>
  return new Counter({ ...definition(options), registers: [registry] })
}

/** As counter(), a gauge. */
export function gauge<L extends string>(registry: Registry, options: MetricOptions<L>): Gauge<L> {
  const known = registry.getSingleMetric(options.name)
  if (known instanceof Gauge) return known as Gauge<L>
  return new Gauge({ ...definition(options), registers: [registry] })
}

/** As counter(), a histogram; `buckets` are upper bounds. */
export function histogram<L extends string>(
  registry: Registry,
  options: MetricOptions<L> & { readonly buckets: readonly number[] },
): Histogram<L> {
  const known = registry.getSingleMetric(options.name)
  if (known instanceof Histogram) return known as Histogram<L>
  return new Histogram({ ...definition(options), buckets: [...options.buckets], registers: [registry] })
}

function definition<L extends string>(options: MetricOptions<L>): { name: string; help: string; labelNames: L[] } {
  return { name: options.name, help: options.help, labelNames: [...(options.labelNames ?? [])] }
}
