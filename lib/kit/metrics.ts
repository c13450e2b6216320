// Metrics of a process: a prom-client registry with the process's own, and get-or-create helpers for those of a part.
// Names are Thanos's where Thanos has the metric.
// Owns the registry's making; each part owns its metrics.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { version } from './version.ts'

export { Counter, Gauge, Histogram, Registry }

export interface MetricOptions<L extends string> {
  readonly name: string
  readonly help: string
  readonly labelNames?: readonly L[]
}

/** A registry with the process's metrics and `mnemo_build_info`. */
export function createRegistry(): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
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
